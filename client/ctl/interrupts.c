#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "client/ctl/interrupts.h"
#include "src/clock.h"

#define AGAIN_US 10000
/* A terminal and timeout(1) signal the whole group, and the parent of a lookout passes its signal on: both
 * are one. */
#define SAME_MS 500

static const int numbers[] = {SIGHUP, SIGINT, SIGTERM};
static volatile sig_atomic_t caught;
static int64_t caught_at; /* clock_ms(); only the handler uses it */

static void on_alarm(int number)
{
	(void)number;
}

/* The signal may come after it was looked for and before the sleep that it is to interrupt. So a timer
 * interrupts sleeps until it was seen; a system call for each sleep would cost waits that no signal disturbs.
 */
static void on_signal(int number)
{
	struct sigaction action = {.sa_handler = on_alarm};
	struct itimerval timer = {.it_interval.tv_usec = AGAIN_US, .it_value.tv_usec = AGAIN_US};
	int error = errno;

	if (caught != 0 && clock_ms() - caught_at >= SAME_MS)
		interrupts_die(number);
	if (caught == 0) {
		caught = number;
		caught_at = clock_ms();
	}
	(void)sigaction(SIGALRM, &action, NULL);
	(void)setitimer(ITIMER_REAL, &timer, NULL);
	errno = error;
}

void interrupts_catch(void)
{
	struct sigaction action = {.sa_handler = on_signal}, before;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		(void)sigaddset(&action.sa_mask, numbers[i]);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			(void)sigaction(numbers[i], &action, NULL);
}

int interrupts_caught(void)
{
	if (caught != 0) {
		struct itimerval none = {.it_value.tv_usec = 0};

		(void)setitimer(ITIMER_REAL, &none, NULL);
	}
	return caught;
}

static const char *name_of(int number)
{
	return number == SIGHUP ? "SIGHUP" : number == SIGINT ? "SIGINT" : "SIGTERM";
}

void interrupts_report(FILE *file, int number, const struct command_line *line)
{
	if (number == 0)
		fprintf(file, "readyctl: timed out after %" PRId64 " ms", line->timeout_ms);
	else
		fprintf(file, "readyctl: interrupted by %s after %" PRId64 " ms", name_of(number),
		    clock_ms() - line->began);
}

_Noreturn void interrupts_die(int number)
{
	sigset_t set;

	(void)signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	(void)raise(number);
	/* It was the first process of a pid namespace, which no default action ends. */
	_exit(128 + number);
}
