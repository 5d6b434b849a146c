/*
 * Waits for processes by libreadyd, in a loop of poll(2), and prints each answer as readyctl does: see
 *README.md.
 *
 *	chaos-waiter MILLISECONDS PID[:START]...
 *
 * Those without an answer at the deadline are looked at once more. An error ends it with 125.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "readyd/readyd.h"

#define MAX_TARGETS 64

struct target {
	pid_t pid;
	uint64_t start;
	int done;
};

static struct target targets[MAX_TARGETS];
static int count;

static int fail(const char *what)
{
	printf("error %s: %s\n", what, strerror(errno));
	return 125;
}

static void print(const struct readyd_answer *answer)
{
	const char *reason = readyd_reason_name(answer->reason);

	printf("%s %d start=%llu", readyd_verdict_name(answer->verdict), (int)answer->pid,
	    (unsigned long long)answer->start);
	if (reason != NULL)
		printf(" reason=%s", reason);
	if ((answer->flags & READYD_FLAG_AGE_ASSUMED) != 0)
		printf(" age=assumed");
	printf("\n");
	fflush(stdout);
}

static int milliseconds_until(const struct timespec *deadline)
{
	struct timespec now;
	long left;

	clock_gettime(CLOCK_MONOTONIC, &now);
	left = (deadline->tv_sec - now.tv_sec) * 1000 + (deadline->tv_nsec - now.tv_nsec) / 1000000 + 1;
	return left > 0 ? (int)left : 0;
}

static void mark_done(const struct readyd_answer *answer)
{
	for (int i = 0; i < count; i++)
		if (!targets[i].done && targets[i].pid == answer->pid &&
		    (targets[i].start == 0 || answer->start == 0 || targets[i].start == answer->start)) {
			targets[i].done = 1;
			return;
		}
}

static int take_answers(struct readyd_waiter *waiter)
{
	struct readyd_answer answer = READYD_ANSWER_INIT;
	int got;

	while ((got = readyd_waiter_next(waiter, &answer)) == 1) {
		print(&answer);
		mark_done(&answer);
	}
	return got;
}

static int peek_rest(struct readyd_waiter *waiter)
{
	struct readyd_answer answer = READYD_ANSWER_INIT;

	for (int i = 0; i < count; i++) {
		if (targets[i].done)
			continue;
		if (readyd_waiter_peek_exact(waiter, targets[i].pid, targets[i].start, &answer) < 0)
			return fail("readyd_waiter_peek_exact");
		print(&answer);
	}
	return 0;
}

static int add_all(struct readyd_waiter *waiter, char **names)
{
	char *end;

	for (; *names != NULL && count < MAX_TARGETS; names++, count++) {
		targets[count].pid = (pid_t)strtol(*names, &end, 10);
		targets[count].start = *end == ':' ? strtoull(end + 1, NULL, 10) : 0;
		if (readyd_waiter_add_exact(waiter, targets[count].pid, targets[count].start) < 0)
			return -1;
	}
	return 0;
}

static int wait_for_all(struct readyd_waiter *waiter, const struct timespec *deadline)
{
	struct pollfd poller = {.fd = readyd_waiter_fd(waiter), .events = POLLIN};
	int left;

	if (poller.fd < 0)
		return fail("readyd_waiter_fd");
	for (;;) {
		if (take_answers(waiter) < 0)
			return fail("readyd_waiter_next");
		left = milliseconds_until(deadline);
		if (readyd_waiter_pending(waiter) == 0)
			return 0;
		if (left == 0)
			return peek_rest(waiter);
		poll(&poller, 1, left);
	}
}

int main(int argc, char **argv)
{
	struct readyd_waiter *waiter = readyd_waiter_new(NULL);
	struct timespec deadline;
	long ms;
	int result;

	if (argc < 3)
		return 2;
	if (waiter == NULL)
		return fail("readyd_waiter_new");
	ms = strtol(argv[1], NULL, 10);
	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += ms / 1000;
	deadline.tv_nsec += ms % 1000 * 1000000;
	if (deadline.tv_nsec >= 1000000000) {
		deadline.tv_sec++;
		deadline.tv_nsec -= 1000000000;
	}
	if (add_all(waiter, argv + 2) < 0)
		return fail("readyd_waiter_add_exact");
	result = wait_for_all(waiter, &deadline);
	readyd_waiter_free(waiter);
	return result;
}
