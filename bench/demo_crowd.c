/* One worker with many waiters, for script/demo: this process is the worker, and measures. */
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "readyd/marker.h"

extern char **environ;

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int start_waiter(char *readyctl)
{
	char pid[16], wait[] = "wait";
	char *const argv[] = {readyctl, wait, pid, NULL};

	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	return posix_spawn(&(pid_t){0}, readyctl, NULL, NULL, argv, environ);
}

static int create_marker(const char *dir, int64_t *took)
{
	char path[4096];
	int64_t began;

	snprintf(path, sizeof(path), "%s/" READYD_MARKER_NAME_PREFIX "%ld", dir, (long)getpid());
	began = now_ns();
	if (readyd_marker_write(path) != 0)
		return -1;
	*took = now_ns() - began;
	return 0;
}

/* Returns how many exited with 0. */
static int reap_waiters(int count)
{
	int right = 0, status;

	while (count-- > 0) {
		if (wait(&status) < 0)
			return -1;
		right += status == 0;
	}
	return right;
}

/* Starts the waiters, and creates the marker once standard input has a line or ends. The last waiter has
 * exited when its parent has reaped it. */
static int run(const char *dir, char *readyctl, int count)
{
	int64_t began, cost;
	int right;

	for (int i = 0; i < count; i++)
		if (start_waiter(readyctl) != 0)
			return -1;
	while (getchar() > '\n')
		continue;
	began = now_ns();
	if (create_marker(dir, &cost) != 0)
		return -1;
	right = reap_waiters(count);
	printf("right=%d last_us=%" PRId64 " worker_us=%" PRId64 "\n", right, (now_ns() - began) / 1000,
	    cost / 1000);
	return right == count ? 0 : -1;
}

int main(int argc, char **argv)
{
	int count = argc == 4 ? atoi(argv[3]) : 0;

	if (count < 1) {
		fprintf(stderr, "Usage: %s DIR READYCTL COUNT\n", argv[0]);
		return 2;
	}
	if (run(argv[1], argv[2], count) != 0) {
		perror("demo-crowd");
		return 1;
	}
	return 0;
}
