#include "config.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "client/ctl/run.h"
#include "src/clock.h"

/* How long the kernel may take to end what SIGKILL was sent to; a process can be beyond that while a file
 * system does not answer. */
#define KILL_MS 2000
/* Between two looks whether the process group is gone, which no event tells. */
#define GROUP_MS 20

static int64_t earlier(int64_t a, int64_t b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
}

static int left_until(int64_t until)
{
	int64_t ms = until - clock_ms();

	if (until < 0)
		return -1;
	if (ms < 0)
		return 0;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

static void continue_worker(struct run *r)
{
	r->given |= run_terminal_give(&r->terminal, r->child.process.pid);
	r->child.stopped_by = 0;
	run_child_signal_group(&r->child, SIGCONT);
}

/* The worker was stopped from the terminal: the shell is to see that its job has stopped. Where nothing could
 * continue us, the kernel would not have let Ctrl-Z stop the worker either. */
static void stop_with_worker(struct run *r)
{
	int number = r->child.stopped_by;
	int64_t began = clock_ms();
	bool continued;

	if (number != SIGTSTP && run_terminal_is_ours(&r->terminal)) {
		continue_worker(r);
		return;
	}
	(void)run_terminal_take(&r->terminal, r->child.process.pid);
	continued = run_signals_stop_by(number);
	if (r->deadline >= 0)
		r->deadline += clock_ms() - began;
	if (!continued && number == SIGTSTP)
		continue_worker(r);
}

static bool is_stopped_from_terminal(const struct run *r)
{
	int number = r->child.stopped_by;

	return !r->child.ended && r->terminal.fd >= 0 &&
	       (number == SIGTSTP || number == SIGTTIN || number == SIGTTOU);
}

static void on_child_changed(struct run *r)
{
	run_look_reap(&r->look);
	run_child_check(&r->child);
	if (is_stopped_from_terminal(r))
		stop_with_worker(r);
}

/* A detached worker is in a session of its own: what the terminal does concerns readyctl alone. */
static void on_job_control(struct run *r, int number)
{
	if (number == SIGCONT && !r->options->detach)
		continue_worker(r);
	else if (number == SIGTSTP && r->options->detach)
		(void)run_signals_stop_by(number);
	else if (number == SIGTSTP)
		run_child_signal_group(&r->child, number);
}

static void on_signal(struct run *r, int number)
{
	if (number == SIGCHLD) {
		on_child_changed(r);
	} else if (number == SIGCONT || number == SIGTSTP) {
		on_job_control(r, number);
	} else {
		r->hurry |= number != SIGWINCH && number != SIGUSR1 && number != SIGUSR2;
		r->passed |= UINT64_C(1) << number;
		run_child_signal(&r->child, number);
	}
}

enum { FD_SIGNALS, FD_OUT, FD_ERR, FD_SIGN, FD_LOOK, FD_EXEC, FD_COUNT };

static void prepare(const struct run *r, struct pollfd fds[FD_COUNT])
{
	fds[FD_SIGNALS] = (struct pollfd){.fd = r->signals.fd, .events = POLLIN};
	run_stream_poll(&r->out, &fds[FD_OUT]);
	run_stream_poll(&r->err, &fds[FD_ERR]);
	run_signs_poll(&r->signs, &fds[FD_SIGN]);
	fds[FD_LOOK] = (struct pollfd){.fd = r->look.words, .events = POLLIN};
	fds[FD_EXEC] = (struct pollfd){.fd = r->child.exec_fd, .events = POLLIN};
}

/* Signals that are there and cannot be read say nothing any more, while poll(2) keeps saying that they are
 * there. */
static void take_signals(struct run *r, bool readable)
{
	int number = run_signals_next(&r->signals);

	if (number == 0 && readable) {
		(void)usleep(GROUP_MS * 1000);
		on_child_changed(r);
	}
	for (; number != 0; number = run_signals_next(&r->signals))
		on_signal(r, number);
}

/* What the worker did before it ended is taken before its end. */
void run_turn(struct run *r, int64_t until)
{
	struct pollfd fds[FD_COUNT];

	prepare(r, fds);
	/* Signals are read all the same: the end of the worker must not remain unseen. */
	if (poll(fds, FD_COUNT, left_until(earlier(until, run_signs_due(&r->signs)))) < 0 && errno != EINTR)
		(void)usleep(GROUP_MS * 1000);
	if (fds[FD_OUT].revents != 0)
		run_stream_move(&r->out);
	if (fds[FD_ERR].revents != 0)
		run_stream_move(&r->err);
	if (fds[FD_EXEC].revents != 0)
		run_child_check_exec(&r->child);
	take_signals(r, fds[FD_SIGNALS].revents != 0);
	run_signs_check(&r->signs, r->child.process.pid, r->out.from < 0 && r->err.from < 0);
}

/* Once the worker is reaped, the group keeps its number for as long as it has members. */
static bool is_over(struct run *r)
{
	if (!r->child.ended)
		return false;
	run_child_reap(&r->child);
	return !run_child_group_exists(&r->child);
}

/* False: that time has passed before the group was gone. */
static bool await_group(struct run *r, int64_t deadline, bool may_hurry)
{
	while (!is_over(r)) {
		int64_t now = clock_ms();

		if (now >= deadline || (may_hurry && r->hurry))
			return false;
		run_turn(r, r->child.ended ? earlier(deadline, now + GROUP_MS) : deadline);
	}
	return true;
}

void run_end_group(struct run *r)
{
	r->hurry = false;
	run_child_adopt_group();
	run_child_signal_group(&r->child, SIGTERM);
	run_child_signal_group(&r->child, SIGCONT);
	if (await_group(r, clock_ms() + r->options->kill_after_ms, true))
		return;
	run_child_signal_group(&r->child, SIGKILL);
	(void)await_group(r, clock_ms() + KILL_MS, false);
}
