#include "config.h"

#include <limits.h>

#include "client/ctl/command.h"
#include "client/ctl/interrupts.h"
#include "client/ctl/legend.h"
#include "client/ctl/output.h"
#include "client/ctl/wait.h"
#include "src/clock.h"

static void sooner(int64_t *left, int64_t ms)
{
	if (ms >= 0 && (*left < 0 || ms < *left))
		*left = ms;
}

static int64_t until(int64_t at, int64_t now)
{
	if (at < 0)
		return -1;
	return at > now ? at - now : 0;
}

static int left(const struct waiting *w)
{
	int64_t now = clock_ms(), ms = -1;

	sooner(&ms, progress_left(&w->progress, now));
	sooner(&ms, until(w->deadline, now));
	sooner(&ms, until(w->files_due, now));
	sooner(&ms, endings_interval(&w->endings));
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

static void fill(struct pollfd *fds, void *context)
{
	const struct waiting *w = context;

	endings_fill(&w->endings, fds);
	if (w->files.fd >= 0)
		fds[w->endings.count] = (struct pollfd){.fd = w->files.fd, .events = POLLIN};
}

static int sleep_on_all(struct waiting *w)
{
	size_t others = w->endings.count + (w->files.fd >= 0);

	if (waiters_sleep(&w->waiters, others, fill, w, left(w)) != 0)
		return -1;
	if (w->files.fd >= 0 && pidfile_watch_drain(&w->files))
		w->files_due = clock_ms();
	return 0;
}

static void show_progress(struct waiting *w)
{
	int64_t now = clock_ms();
	char text[1024];

	if (!progress_is_due(&w->progress, now))
		return;
	wait_describe(w, text, sizeof(text));
	progress_show(&w->progress, text, now);
}

/* Once, and at once: a daemon that the address does not lead to never comes. */
static void note_absence(struct waiting *w)
{
	const struct named_process *process = w->line->processes;
	struct readyd_explanation seen = READYD_EXPLANATION_INIT;

	if (w->noted || w->line->quiet || !command_line_is_remote(w->line) ||
	    readyd_waiter_explain_exact(
		waiters_of(&w->waiters, process->pid), process->pid, process->start, &seen) != 0 ||
	    seen.daemon_error == 0)
		return;
	progress_clear(&w->progress);
	command_say_waiting(w->line, seen.daemon_error);
	w->noted = true;
}

/* What is known now. */
static enum outcome take_stock(struct waiting *w)
{
	enum outcome outcome = UNDECIDED;
	bool failed;

	if (w->files_due >= 0 && clock_ms() >= w->files_due)
		outcome = wait_read_files(w);
	if (outcome != UNDECIDED)
		return outcome;
	/* A later failure cannot change the exit status. */
	failed = wait_take_all(w) != 0;
	if (wait_is_decided(w))
		return DECIDED;
	if (failed)
		return FAILED;
	if (interrupts_caught() != 0)
		return INTERRUPTED;
	return w->deadline >= 0 && clock_ms() >= w->deadline ? TIMED_OUT : UNDECIDED;
}

static enum outcome wait_for_answers(struct waiting *w)
{
	enum outcome outcome;

	for (bool first = true;; first = false) {
		outcome = take_stock(w);
		if (outcome != UNDECIDED)
			return outcome;
		if (first && !command_line_is_remote(w->line))
			legend_note_workers(w->line);
		note_absence(w);
		show_progress(w);
		if (sleep_on_all(w) != 0)
			return FAILED;
	}
}

static int exit_code(const struct waiting *w, bool timed_out)
{
	if (w->succeeded >= w->needed)
		return EXIT_READY;
	/* Where some are enough, one that died does not end the wait: the time-out did. */
	if (timed_out && (w->needed < w->total || w->failed == 0 || w->failed == EXIT_PENDING))
		return EXIT_TIMED_OUT;
	return w->failed != 0 ? w->failed : EXIT_FAILED;
}

static int finish(struct waiting *w, enum outcome outcome)
{
	int number = outcome == INTERRUPTED ? interrupts_caught() : 0;

	progress_clear(&w->progress);
	if (outcome == REPORTED)
		return w->failed;
	if (outcome == FAILED)
		return command_failed(w->line, "cannot wait");
	/* Where some are enough, the remaining processes are not printed. */
	if (w->succeeded < w->needed)
		wait_close(w, outcome, number);
	if (output_finish() != 0)
		return EXIT_FAILED;
	if (outcome == INTERRUPTED)
		interrupts_die(number);
	return exit_code(w, outcome == TIMED_OUT);
}

static int run(struct waiting *w)
{
	enum outcome outcome = wait_add_all(w);

	if (outcome == UNDECIDED)
		outcome = wait_for_answers(w);
	return finish(w, outcome);
}

static bool has_pidfile(const struct command_line *line)
{
	for (size_t i = 0; i < line->process_count; i++)
		if (line->processes[i].pid == 0)
			return true;
	return false;
}

int command_wait(const struct command_line *line)
{
	struct waiting w = {.line = line, .deadline = -1, .files.fd = -1};
	int code;

	interrupts_catch();
	if (line->timeout_ms >= 0)
		w.deadline = line->began + line->timeout_ms;
	w.files_due = has_pidfile(line) ? line->began : -1;
	progress_init(&w.progress, line->quiet, line->began);
	if (waiters_init(&w.waiters, &line->options, line->process_count) == 0)
		code = run(&w);
	else
		code = command_failed(line, "cannot wait");
	pidfile_watch_close(&w.files);
	endings_free(&w.endings);
	waiters_free(&w.waiters);
	return code;
}
