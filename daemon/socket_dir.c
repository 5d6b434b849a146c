#include "config.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/socket_dir.h"
#include "src/uidmap.h"

#define OR_ELSE "or choose another place with --socket"

/* An owner that our user namespace does not map is outside of it, where other rules hold. */
static bool is_trusted(uid_t uid)
{
	return uid == 0 || uid == geteuid() || !uidmap_identifies(uid);
}

static int check_one(const char *name, char *why, size_t size)
{
	struct stat st;

	if (lstat(name, &st) != 0)
		return 0;
	if (!is_trusted(st.st_uid)) {
		snprintf(why, size,
		    "%s belongs to user %u, which could replace the socket; make it root's, " OR_ELSE, name,
		    (unsigned)st.st_uid);
		return -1;
	}
	/* With an access control list, the bits of the group show what it permits at most. */
	if (S_ISDIR(st.st_mode) && st.st_mode & (S_IWGRP | S_IWOTH) && !(st.st_mode & S_ISVTX)) {
		snprintf(why, size,
		    "other users may write to %s and could replace the socket; use chmod go-w, " OR_ELSE,
		    name);
		return -1;
	}
	return 0;
}

static int check_ancestors(const char *path, char *why, size_t size)
{
	char prefix[PATH_MAX];

	for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		const size_t len = (size_t)(slash - path);

		memcpy(prefix, path, len);
		prefix[len] = '\0';
		if (check_one(prefix, why, size) != 0)
			return -1;
	}
	return 0;
}

/* The names as given, since each may be a link, and what they lead to. */
int socket_dir_check(const char *path, char *why, size_t size)
{
	char dir[PATH_MAX], real[PATH_MAX + 1];
	const char *slash = strrchr(path, '/');
	const size_t len = slash == NULL ? 0 : (size_t)(slash - path) + 1;

	if (check_ancestors(path, why, size) != 0)
		return -1;
	snprintf(dir, sizeof(dir), "%.*s", len == 0 ? 1 : (int)len, len == 0 ? "." : path);
	if (realpath(dir, real) == NULL)
		return 0;
	strcat(real, "/");
	return check_ancestors(real, why, size);
}
