#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "client/ctl/command.h"
#include "client/ctl/legend.h"
#include "client/ctl/output.h"
#include "client/ctl/progress.h"
#include "client/ctl/waiters.h"
#include "src/clock.h"
#include "src/escape.h"
#include "src/verdict.h"

struct waiting {
	const struct command_line *line;
	struct waiters waiters;
	struct progress progress;
	int64_t began, deadline; /* clock_ms(); deadline -1: none */
	size_t ready;
	int failed; /* exit code of the first verdict that is not ready, 0: none */
};

static void take(struct waiting *w, const struct readyd_answer *answer, const struct readyd_explanation *why)
{
	if (answer->verdict == READYD_READY)
		w->ready++;
	else if (w->failed == 0)
		w->failed = verdict_exit_code(answer->verdict);
	progress_clear(&w->progress);
	output_answer(w->line, answer, why, clock_ms() - w->began);
	command_say_why(answer);
}

/* Takes all answers that are known now. -1: errno. */
static int take_all(struct waiting *w)
{
	struct readyd_answer answer = READYD_ANSWER_INIT;
	int result;

	while ((result = waiters_next(&w->waiters, &answer)) == 1)
		take(w, &answer, NULL);
	return result;
}

/* Whether the wait is over: the first ready process decides --any, the first that cannot become ready decides
 * --all. */
static bool decided(const struct waiting *w)
{
	if (waiters_pending(&w->waiters) == 0)
		return true;
	return w->line->any ? w->ready > 0 : w->failed != 0;
}

static int left(const struct waiting *w)
{
	int redraw = progress_interval(&w->progress);
	int64_t ms;

	if (w->deadline < 0)
		return redraw;
	ms = w->deadline - clock_ms();
	if (ms < 0)
		ms = 0;
	if (redraw >= 0 && ms > redraw)
		return redraw;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

/* 1: decided, 0: the deadline has passed, -1: errno. */
static int wait_for_answers(struct waiting *w)
{
	bool failed;

	for (bool first = true;; first = false) {
		/* A later failure cannot change the exit status. */
		failed = take_all(w) != 0;
		if (decided(w))
			return 1;
		if (failed)
			return -1;
		if (w->deadline >= 0 && clock_ms() >= w->deadline)
			return 0;
		if (first)
			legend_note_workers(w->line);
		progress_draw(&w->progress, w->ready);
		if (waiters_sleep(&w->waiters, left(w)) != 0)
			return -1;
	}
}

/* A time-out is explained by what is seen now. */
static void explain(const struct waiting *w, const struct readyd_explanation *e, pid_t pid)
{
	char event[48] = "no event seen", path[4 * sizeof(e->path)], error[64] = "", refusal[64] = "";
	bool untrusted = e->refusal != NULL && strcmp(e->refusal, "daemon-untrusted") == 0;
	bool usable = strcmp(e->procfs, "ok") == 0;

	if (e->last_event_ms >= 0)
		snprintf(event, sizeof(event), "last event %" PRId64 " ms ago", e->last_event_ms);
	if (e->marker_error != 0)
		snprintf(error, sizeof(error), " (%s)", strerror(e->marker_error));
	if (e->refusal != NULL)
		snprintf(refusal, sizeof(refusal), " (the daemon %s: %s)",
		    untrusted ? "is not asked" : "refuses", e->refusal);
	fprintf(stderr,
	    "readyctl: timed out after %" PRId64
	    " ms: process %ld is %s; its marker %s: %s%s; directory: %s; waiting via %s%s; %s%s%s\n",
	    w->line->timeout_ms, (long)pid, e->process, escape_text(path, sizeof(path), e->path), e->marker,
	    error, e->directory, e->via, refusal, event, usable ? "" : "; /proc: ", usable ? "" : e->procfs);
}

static bool ends_wait(const struct waiting *w, const struct readyd_answer *answer)
{
	bool fail_stale = (w->line->options.flags & READYD_OPTION_FAIL_STALE) != 0;

	return verdict_ends_wait(answer) || (answer->verdict == READYD_STALE && fail_stale);
}

static void close_one(
    struct waiting *w, struct readyd_answer *now, const struct named_process *process, bool timed_out)
{
	struct readyd_explanation why = READYD_EXPLANATION_INIT;

	if (!timed_out || ends_wait(w, now) ||
	    readyd_waiter_explain_exact(
		waiters_of(&w->waiters, process->pid), process->pid, process->start, &why) != 0) {
		take(w, now, NULL);
		return;
	}
	explain(w, &why, now->pid);
	now->verdict = READYD_PENDING;
	now->reason = READYD_REASON_DEADLINE;
	take(w, now, &why);
}

/* Answers for the processes that have none yet, by a last check: one may be ready by now. */
static void close_account(struct waiting *w, bool timed_out)
{
	struct readyd_answer now = READYD_ANSWER_INIT;

	for (size_t i = 0; i < w->line->process_count; i++) {
		const struct named_process *process = &w->line->processes[i];
		struct readyd_waiter *waiter = waiters_of(&w->waiters, process->pid);

		/* Its answer was taken, or it was named twice. */
		if (readyd_waiter_peek_exact(waiter, process->pid, process->start, &now) != 0)
			continue;
		close_one(w, &now, process, timed_out);
		(void)readyd_waiter_cancel_exact(waiter, process->pid, process->start);
	}
}

static int exit_code(const struct waiting *w, bool timed_out)
{
	if (w->line->any && w->ready > 0)
		return EXIT_READY;
	/* With --any, one that died does not end the wait: the time-out did. */
	if (timed_out && (w->line->any || w->failed == EXIT_PENDING))
		return EXIT_TIMED_OUT;
	return w->failed;
}

static int add_pids(struct waiting *w)
{
	const struct named_process *process;

	for (size_t i = 0; i < w->line->process_count; i++) {
		process = &w->line->processes[i];
		/* A process that is named twice is waited for once. */
		if (readyd_waiter_add_exact(
			waiters_of(&w->waiters, process->pid), process->pid, process->start) != 0 &&
		    errno != EEXIST)
			return -1;
	}
	return 0;
}

static int run(struct waiting *w)
{
	int result = add_pids(w) == 0 ? wait_for_answers(w) : -1;

	progress_clear(&w->progress);
	if (result < 0)
		return command_failed(w->line, "cannot wait");
	/* With --any, the remaining processes are not printed. */
	if (result == 0 || !w->line->any)
		close_account(w, result == 0);
	if (output_finish() != 0)
		return EXIT_FAILED;
	return exit_code(w, result == 0);
}

int command_wait(const struct command_line *line)
{
	struct waiting w = {.line = line, .began = clock_ms(), .deadline = -1};
	int code;

	if (line->timeout_ms >= 0)
		w.deadline = w.began + line->timeout_ms;
	progress_init(&w.progress, line->process_count, line->quiet);
	if (waiters_init(&w.waiters, &line->options, line->process_count) == 0)
		code = run(&w);
	else
		code = command_failed(line, "cannot wait");
	waiters_free(&w.waiters);
	return code;
}
