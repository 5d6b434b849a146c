#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>

#include "probe/clock.h"
#include "probe/interrupt.h"

static sigset_t signals;
static unsigned limit_ms;
static bool interrupted;

int interrupt_init(unsigned abort_after_ms)
{
	struct itimerval timer = {
	    .it_value = {abort_after_ms / 1000, (suseconds_t)(abort_after_ms % 1000) * 1000}};

	limit_ms = abort_after_ms;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGALRM);
	/* For tracee.c; a parent that ignores it would otherwise suppress it. */
	signal(SIGCHLD, SIG_DFL);
	sigaddset(&signals, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0)
		return -1;
	sigdelset(&signals, SIGCHLD);
	return setitimer(ITIMER_REAL, &timer, NULL);
}

static bool await_until(int64_t end)
{
	int64_t left;
	int got;

	do {
		left = end > clock_ns() ? end - clock_ns() : 0;
		got = sigtimedwait(
		    &signals, NULL, &(struct timespec){left / CLOCK_NS_PER_S, left % CLOCK_NS_PER_S});
	} while (got < 0 && errno == EINTR);
	if (got == SIGALRM)
		fprintf(stderr, "ktstr-probe-deadline: abort after %ums\n", limit_ms);
	interrupted = interrupted || got > 0;
	return interrupted;
}

bool interrupt_pending(void)
{
	return interrupted || await_until(0);
}

bool interrupt_sleep(unsigned ms)
{
	return interrupted || await_until(clock_ns() + ms * CLOCK_NS_PER_MS);
}
