#include "config.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
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

/* The parent stays, so that the child, which cannot compare pids, ends with it. */
static _Noreturn void live_apart(int ready)
{
	pid_t pid;

	if (unshare(CLONE_NEWPID) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0)
		_exit(1);
	pid = fork();
	if (pid == 0)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (pid == 0)
		pause();
	if (pid < 0 || write(ready, &pid, sizeof(pid)) != (ssize_t)sizeof(pid))
		_exit(1);
	for (;;)
		pause();
}

struct nested sleeper_start_nested(void)
{
	struct nested nested = {0};
	int ready[2];

	if (pipe2(ready, O_CLOEXEC) != 0)
		fail_errno("pipe");
	nested.parent = bench_fork();
	if (nested.parent == 0)
		live_apart(ready[1]);
	close(ready[1]);
	if (read(ready[0], &nested.pid, sizeof(nested.pid)) != (ssize_t)sizeof(nested.pid))
		nested.pid = 0;
	close(ready[0]);
	return nested;
}

/* The bench is the subreaper of what the parent leaves. */
void sleeper_kill_nested(const struct nested *nested)
{
	if (nested->pid != 0)
		kill(nested->pid, SIGKILL);
	sleeper_kill(nested->parent);
	if (nested->pid != 0)
		waitpid(nested->pid, NULL, 0);
}

pid_t *sleepers_grow(pid_t *pids, int *started, int count)
{
	pids = realloc(pids, ((size_t)count + (size_t)*started + 1) * sizeof(*pids));
	if (pids == NULL)
		fail_errno("memory for %d processes", count);
	for (; *started < count; ++*started)
		pids[*started] = sleeper_start();
	return pids;
}

/* All are killed before the first is reaped, since they end at the same time. */
void sleepers_end(pid_t *pids, int count)
{
	for (int i = 0; i < count; i++)
		kill(pids[i], SIGKILL);
	for (int i = 0; i < count; i++)
		waitpid(pids[i], NULL, 0);
	free(pids);
}

const char *sleeper_marker_path(const struct bench *bench, pid_t pid, char *buf)
{
	snprintf(buf, BENCH_PATH_SIZE + 64, "%s/" READYD_MARKER_NAME_PREFIX "%ld", bench->markers, (long)pid);
	return buf;
}
