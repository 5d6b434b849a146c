/*
 * An /init with several mistakes: it ignores SIGCHLD, and starts readyd before /tmp and /run are mounted,
 * with the argument "bare" also before /proc. Then it starts the job that its second argument names; the job
 * switches the machine off.
 */
#include "config.h"

#include <err.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#define SOCKET "/run/readyd.sock"

static void mount_on(const char *type, const char *directory, const char *options)
{
	if (mount(type, directory, type, 0, options) != 0)
		err(1, "cannot mount %s", directory);
}

static void start(const char *program)
{
	const pid_t pid = fork();

	if (pid < 0)
		err(1, "cannot fork");
	if (pid > 0)
		return;
	execl(program, program, (char *)NULL);
	err(127, "cannot start %s", program);
}

static void wait_for(const char *path)
{
	while (access(path, F_OK) != 0)
		nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		errx(2, "usage: init late|bare JOB");
	signal(SIGCHLD, SIG_IGN);
	mount_on("devtmpfs", "/dev", "");
	if (strcmp(argv[1], "bare") != 0)
		mount_on("proc", "/proc", "");
	start("/usr/sbin/readyd");
	wait_for(SOCKET);
	if (strcmp(argv[1], "bare") == 0)
		mount_on("proc", "/proc", "");
	mount_on("tmpfs", "/tmp", "mode=1777");
	mount_on("tmpfs", "/run", "mode=755");
	start(argv[2]);
	for (;;)
		pause();
}
