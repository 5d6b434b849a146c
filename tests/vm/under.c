/*
 * under uid UID COMMAND...		as another user
 * under time TICKS COMMAND...		in a time namespace that began so many clock ticks after the boot
 *
 * What busybox has no command for.
 */
#include "config.h"

#include <err.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif
#define NS_PER_S 1000000000L

static void become(const char *uid)
{
	const uid_t id = (uid_t)atol(uid);

	if (setgroups(0, NULL) != 0 || setgid(id) != 0 || setuid(id) != 0)
		err(125, "cannot become user %s", uid);
}

/* Offsets are whole seconds and nanoseconds that are not negative. */
static void write_offset(const char *ticks)
{
	const long ns = atol(ticks) % sysconf(_SC_CLK_TCK) * (NS_PER_S / sysconf(_SC_CLK_TCK));
	const long seconds = atol(ticks) / sysconf(_SC_CLK_TCK);
	FILE *file = fopen("/proc/self/timens_offsets", "w");

	if (file == NULL ||
	    fprintf(file, "boottime %ld %ld\n", ns > 0 ? -seconds - 1 : -seconds,
		ns > 0 ? NS_PER_S - ns : 0) < 0 ||
	    fclose(file) != 0)
		err(125, "cannot set the offset");
}

/* Only a child is in the new namespace. */
static void enter(const char *ticks)
{
	pid_t child;
	int status;

	if (unshare(CLONE_NEWTIME) != 0)
		err(125, "no time namespace");
	write_offset(ticks);
	child = fork();
	if (child == 0)
		return;
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		errx(125, "the child is lost");
	exit(WEXITSTATUS(status));
}

int main(int argc, char **argv)
{
	if (argc < 4)
		errx(125, "usage: under uid|time NUMBER COMMAND...");
	if (strcmp(argv[1], "uid") == 0)
		become(argv[2]);
	else
		enter(argv[2]);
	execvp(argv[3], argv + 3);
	err(125, "cannot start %s", argv[3]);
}
