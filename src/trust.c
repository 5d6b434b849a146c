#include "config.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/trust.h"
#include "src/uidmap.h"

bool trust_user(uid_t uid, uid_t also)
{
	if (uid == TRUST_NO_UID || !uidmap_identifies(uid))
		return false;
	return uid == 0 || uid == geteuid() || uid == also;
}

static int open_parent(const char *socket)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(socket, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - socket) + 1;

	if (len >= sizeof(dir) - 1)
		return -1;
	memcpy(dir, socket, len);
	strcpy(dir + len, ".");
	return open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static bool is_roots_alone(int dir)
{
	struct stat st;

	return fstat(dir, &st) == 0 && st.st_uid == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* A link may lead anywhere. */
static bool holds_socket(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode);
}

int trust_directory(const char *socket, char path[TRUST_PATH_SIZE])
{
	const char *slash = strrchr(socket, '/'), *name = slash == NULL ? socket : slash + 1;
	int dir, len;

	if (socket[0] == '@')
		return -1;
	dir = open_parent(socket);
	if (dir < 0)
		return -1;
	len = snprintf(path, TRUST_PATH_SIZE, "/proc/self/fd/%d/%s", dir, name);
	if (len < TRUST_PATH_SIZE && is_roots_alone(dir) && holds_socket(dir, name))
		return dir;
	close(dir);
	return -1;
}
