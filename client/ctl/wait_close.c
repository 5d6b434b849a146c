#include "config.h"

#include <stdio.h>
#include <string.h>

#include "client/ctl/interrupts.h"
#include "client/ctl/missing.h"
#include "client/ctl/wait.h"
#include "src/verdict.h"

/* False: it has an answer, or it is ready and has not ended. */
static bool describe_one(
    const struct waiting *w, const struct named_process *process, char *text, size_t size)
{
	struct named_process again = *process;
	struct readyd_explanation seen = READYD_EXPLANATION_INIT;
	const char *why;

	if (process->pid == 0) {
		if (pidfile_read(&again, &why) != PIDFILE_NOT_YET)
			return false;
		missing_describe_pidfile(text, size, process->pid_file, why);
		return true;
	}
	if (readyd_waiter_explain_exact(
		waiters_of(&w->waiters, process->pid), process->pid, process->start, &seen) != 0)
		return false;
	/* Of a remote process that is ready, the marker is there. */
	if (w->line->until_end && strcmp(seen.marker, "there") == 0)
		snprintf(text, size, "process %ld is ready and has not ended", (long)process->pid);
	else
		missing_describe(text, size, &seen, process->pid);
	return true;
}

void wait_describe(const struct waiting *w, char *text, size_t size)
{
	const struct named_process *process = w->line->processes, *end = process + w->line->process_count;
	int length = 0;

	if (w->total > 1)
		length = snprintf(text, size, "%zu/%zu %s; ", w->succeeded, w->needed,
		    w->line->until_end ? "ended" : "ready");
	text += length;
	size -= (size_t)length;
	while (process < end && !describe_one(w, process, text, size))
		process++;
	if (process == end && w->endings.count > 0)
		missing_describe_end(text, size, &w->endings.each[0]);
	else if (process == end)
		snprintf(text, size, "the answer is on its way");
}

static bool ends_wait(const struct waiting *w, const struct readyd_answer *answer)
{
	bool fail_stale = (w->line->options.flags & READYD_OPTION_FAIL_STALE) != 0;

	return verdict_ends_wait(answer) || (answer->verdict == READYD_STALE && fail_stale);
}

static void report(const struct waiting *w, int number)
{
	interrupts_report(stderr, number, w->line);
	fputs(": ", stderr);
}

static void close_late(
    struct waiting *w, struct readyd_answer *now, const struct named_process *process, int number)
{
	struct readyd_explanation why = READYD_EXPLANATION_INIT;

	if (readyd_waiter_explain_exact(
		waiters_of(&w->waiters, process->pid), process->pid, process->start, &why) != 0) {
		wait_take_final(w, now, NULL);
		return;
	}
	report(w, number);
	missing_explain(stderr, &why, now->pid);
	now->verdict = READYD_PENDING;
	now->reason = number == 0 ? READYD_REASON_DEADLINE : READYD_REASON_NONE;
	wait_take_final(w, now, &why);
}

static void close_end(struct waiting *w, struct ending *ending, bool explain, int number)
{
	if (explain) {
		report(w, number);
		missing_explain_end(stderr, ending);
		ending->ready.reason = number == 0 ? READYD_REASON_DEADLINE : READYD_REASON_NONE;
	}
	wait_take_final(w, &ending->ready, NULL);
}

static void close_file(struct waiting *w, const struct named_process *process, bool explain, int number)
{
	struct named_process again = *process;
	char text[1024];
	const char *why;

	w->refused++;
	if (!explain || pidfile_read(&again, &why) != PIDFILE_NOT_YET)
		return;
	report(w, number);
	missing_describe_pidfile(text, sizeof(text), process->pid_file, why);
	fprintf(stderr, "%s\n", text);
}

static void close_one(struct waiting *w, const struct named_process *process, bool explain, int number)
{
	struct readyd_waiter *waiter = waiters_of(&w->waiters, process->pid);
	struct readyd_answer now = READYD_ANSWER_INIT;

	/* Its answer was taken, or it was named twice. */
	if (readyd_waiter_peek_exact(waiter, process->pid, process->start, &now) != 0)
		return;
	if (w->line->until_end && now.verdict == READYD_READY && endings_add(&w->endings, &now) == 0)
		; /* see below */
	else if (explain && !ends_wait(w, &now))
		close_late(w, &now, process, number);
	else
		wait_take_final(w, &now, NULL);
	(void)readyd_waiter_cancel_exact(waiter, process->pid, process->start);
}

void wait_close(struct waiting *w, enum outcome outcome, int number)
{
	bool explain = outcome == TIMED_OUT || outcome == INTERRUPTED;

	progress_clear(&w->progress);
	for (size_t i = 0; i < w->line->process_count; i++) {
		if (w->line->processes[i].pid == 0)
			close_file(w, &w->line->processes[i], explain, number);
		else
			close_one(w, &w->line->processes[i], explain, number);
	}
	for (size_t i = 0; i < w->endings.count; i++)
		close_end(w, &w->endings.each[i], explain, number);
}
