#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/sleeper.h"
#include "readyd/marker.h"

pid_t sleeper_start(void)
{
	pid_t pid = bench_fork();

	if (pid > 0)
		return pid;
	for (;;)
		pause();
}

void sleeper_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

const char *sleeper_marker_path(const struct bench *bench, pid_t pid, char *buf)
{
	snprintf(buf, BENCH_PATH_SIZE + 64, "%s/" READYD_MARKER_NAME_PREFIX "%ld", bench->markers, (long)pid);
	return buf;
}
