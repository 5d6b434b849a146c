#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/ctl/command_line.h"
#include "client/ctl/external.h"
#include "client/ctl/handover.h"

/* So long as it is not there, the next place is tried. */
static bool try_path(const char *path, char **words)
{
	(void)execv(path, words);
	return errno != ENOENT && errno != ENOTDIR;
}

/* Beside the program that runs, wherever it was installed or copied to. */
static bool try_beside(const char *name, char **words)
{
	char path[PATH_MAX + 64];
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
	const char *slash;

	if (length <= 0)
		return false;
	path[length] = '\0';
	slash = strrchr(path, '/');
	if (slash == NULL)
		return false;
	snprintf(path + (slash - path) + 1, sizeof(path) - (size_t)(slash - path) - 1, "%s", name);
	return try_path(path, words);
}

int external_run(char **words)
{
	char name[64], path[sizeof(LIBEXECDIR) + sizeof(name)];
	bool is_there;

	snprintf(name, sizeof(name), "readyctl-%s", words[0]);
	snprintf(path, sizeof(path), LIBEXECDIR "/%s", name);
	handover_restore_signals();
	is_there = try_beside(name, words) || try_path(path, words);
	if (!is_there)
		(void)execvp(name, words);
	if (is_there || errno != ENOENT) {
		fprintf(stderr, "readyctl: cannot execute %s: %s\n", name, strerror(errno));
		return EXIT_NOT_EXECUTED;
	}
	fprintf(stderr,
	    "readyctl: %s is neither beside readyctl nor in " LIBEXECDIR
	    " or PATH; install it (Debian: readyd-mqtt)\n",
	    name);
	return EXIT_NOT_FOUND;
}
