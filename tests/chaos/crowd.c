/*
 * A crowd of waits by libreadyd in one process, for soak.py: see README.md. For each line on standard input,
 * starts workers, waits for them, marks most of them and ends the others, and prints how many waits that
 * were, or the first answer that is wrong.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "readyd/readyd.h"

/* Each process has a waiter with a gate of its own, and as many others wait for SHARED processes on a
 * connection. */
#define PROCESSES 32
#define SHARED	  16
#define WAITERS	  (2 * PROCESSES)
#define WAITS	  (PROCESSES + PROCESSES * SHARED)
/* Nothing takes that long, on the slowest machine either. */
#define HANGS_S 40

static struct worker {
	pid_t pid;
	bool is_marked;
} workers[PROCESSES];
static struct readyd_waiter *waiters[WAITERS];
static const char *markers;

static _Noreturn void fail(const char *what, pid_t pid)
{
	printf("%s %d (errno: %s)\n", what, (int)pid, strerror(errno));
	exit(1);
}

static void name_marker(char *path, size_t size, const struct worker *worker)
{
	snprintf(path, size, "%s/ktstr-worker-ready-%d", markers, (int)worker->pid);
}

static void start(struct worker *worker, bool is_marked)
{
	pid_t parent = getpid();

	worker->is_marked = is_marked;
	if ((worker->pid = fork()) == -1)
		fail("fork", 0);
	if (worker->pid != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == parent)
		pause();
	_exit(0);
}

static void wait_for(struct readyd_waiter *waiter, size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++)
		if (readyd_waiter_add(waiter, workers[i % PROCESSES].pid) != 0)
			fail("readyd_waiter_add", workers[i % PROCESSES].pid);
}

static const struct worker *worker_of(pid_t pid)
{
	for (size_t i = 0; i < PROCESSES; i++)
		if (workers[i].pid == pid)
			return &workers[i];
	fail("an answer about", pid);
}

static _Noreturn void fail_answer(const struct readyd_answer *answer)
{
	const char *reason = readyd_reason_name(answer->reason);

	printf("%s %d %s\n", readyd_verdict_name(answer->verdict), (int)answer->pid,
	    reason != NULL ? reason : "");
	exit(1);
}

/* Returns how many answers there were. */
static unsigned take(struct readyd_waiter *waiter)
{
	struct readyd_answer answer = READYD_ANSWER_INIT;
	unsigned count = 0;
	int got;

	for (; (got = readyd_waiter_next(waiter, &answer)) == 1; count++)
		if (answer.verdict != (worker_of(answer.pid)->is_marked ? READYD_READY : READYD_DIED))
			fail_answer(&answer);
	if (got != 0)
		fail("readyd_waiter_next", 0);
	return count;
}

static void end(const struct worker *worker)
{
	char path[4096];
	int fd;

	name_marker(path, sizeof(path), worker);
	if (!worker->is_marked)
		kill(worker->pid, SIGKILL);
	else if ((fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644)) == -1)
		fail(path, worker->pid);
	else
		close(fd);
}

static void remove_worker(const struct worker *worker)
{
	char path[4096];

	name_marker(path, sizeof(path), worker);
	if (worker->is_marked) {
		kill(worker->pid, SIGKILL);
		unlink(path);
	}
	waitpid(worker->pid, NULL, 0);
}

/* Returns how many answers there were; they are all there, unless the time is up. */
static unsigned take_rest(struct readyd_waiter *waiter, time_t until)
{
	unsigned count = take(waiter);

	while (readyd_waiter_pending(waiter) != 0) {
		if (time(NULL) > until || readyd_waiter_sleep(waiter, 1000) != 0)
			fail("no answer", 0);
		count += take(waiter);
	}
	return count;
}

static void begin_waits(unsigned *answers)
{
	for (size_t i = 0; i < WAITERS; i++) {
		if ((waiters[i] = readyd_waiter_new(NULL)) == NULL)
			fail("readyd_waiter_new", 0);
		wait_for(waiters[i], i, i < PROCESSES ? 1 : SHARED);
		*answers += take(waiters[i]);
	}
}

static unsigned go_round(unsigned number)
{
	const time_t until = time(NULL) + HANGS_S;
	unsigned answers = 0;

	for (size_t i = 0; i < PROCESSES; i++)
		start(&workers[i], (i + number) % 4 != 3);
	begin_waits(&answers);
	for (size_t i = 0; i < PROCESSES; i++)
		end(&workers[i]);
	for (size_t i = 0; i < WAITERS; i++) {
		answers += take_rest(waiters[i], until);
		readyd_waiter_free(waiters[i]);
	}
	for (size_t i = 0; i < PROCESSES; i++)
		remove_worker(&workers[i]);
	return answers;
}

int main(void)
{
	char line[16];
	unsigned answers;

	if ((markers = getenv("READYD_DIR")) == NULL)
		return 2;
	for (unsigned number = 0; fgets(line, sizeof(line), stdin) != NULL; number++) {
		if ((answers = go_round(number)) != WAITS)
			fail("answers too few or too many:", (pid_t)answers);
		printf("%u\n", answers);
		fflush(stdout);
	}
	return 0;
}
