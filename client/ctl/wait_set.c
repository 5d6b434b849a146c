#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/ctl/command.h"
#include "client/ctl/legend.h"
#include "client/ctl/output.h"
#include "client/ctl/usage.h"
#include "client/ctl/wait.h"
#include "src/clock.h"
#include "src/escape.h"

void wait_take_final(
    struct waiting *w, const struct readyd_answer *answer, const struct readyd_explanation *why)
{
	int code = output_exit_code(w->line, answer);

	if (code == EXIT_READY)
		w->succeeded++;
	else
		w->refused++;
	if (w->failed == 0)
		w->failed = code == EXIT_TIMED_OUT ? EXIT_PENDING : code;
	progress_clear(&w->progress);
	output_answer(w->line, answer, why, clock_ms() - w->line->began);
	command_say_why(answer);
}

int wait_take_all(struct waiting *w)
{
	struct readyd_answer answer = READYD_ANSWER_INIT;
	int result;

	while ((result = waiters_next(&w->waiters, &answer)) == 1) {
		if (!w->line->until_end || answer.verdict != READYD_READY)
			wait_take_final(w, &answer, NULL);
		else if (endings_add(&w->endings, &answer) != 0)
			return -1;
	}
	while (endings_next(&w->endings, &w->line->options, &answer))
		wait_take_final(w, &answer, NULL);
	return result;
}

bool wait_is_decided(const struct waiting *w)
{
	return w->succeeded >= w->needed || w->total - w->refused < w->needed;
}

/* A process that is named twice is waited for once. */
static int add(struct waiting *w, const struct named_process *process)
{
	if (readyd_waiter_add_exact(waiters_of(&w->waiters, process->pid), process->pid, process->start) == 0)
		return 0;
	if (errno != EEXIST)
		return -1;
	w->total--;
	return 0;
}

/* Those that are named must be enough. */
static enum outcome count_needed(struct waiting *w)
{
	char text[24];

	w->needed = w->line->count > 0 ? w->line->count : w->total;
	if (w->needed <= w->total)
		return UNDECIDED;
	progress_clear(&w->progress);
	snprintf(text, sizeof(text), "%zu", w->line->count);
	usage_report(
	    "--count", text, w->total == 1 ? "there is only one process" : "there are fewer processes");
	w->failed = EXIT_USAGE;
	return REPORTED;
}

/* So that a pid file which names one of them later is recognized, also when that has been answered for. */
static void note_starts(struct waiting *w)
{
	for (size_t i = 0; i < w->line->process_count; i++) {
		struct named_process *process = &w->line->processes[i];

		if (process->pid != 0 && process->start == 0)
			(void)pidfile_is_alive(process->pid, &process->seen_start);
	}
}

static bool is_named_elsewhere(const struct waiting *w, const struct named_process *process)
{
	for (size_t i = 0; i < w->line->process_count; i++) {
		const struct named_process *other = &w->line->processes[i];

		if (other != process && other->pid == process->pid && process->start != 0 &&
		    (other->start == process->start || other->seen_start == process->start))
			return true;
	}
	return false;
}

static enum outcome add_named(struct waiting *w, struct named_process *process)
{
	legend_note_worker(process);
	if (is_named_elsewhere(w, process))
		w->total--;
	else if (add(w, process) != 0)
		return FAILED;
	return count_needed(w);
}

enum outcome wait_add_all(struct waiting *w)
{
	w->total = w->line->process_count;
	if (w->files_due >= 0)
		note_starts(w);
	for (size_t i = 0; i < w->line->process_count; i++)
		if (w->line->processes[i].pid != 0 && add(w, &w->line->processes[i]) != 0)
			return FAILED;
	return count_needed(w);
}

static enum outcome read_file(struct waiting *w, struct named_process *process)
{
	char name[1024];
	const char *why;

	switch (pidfile_read(process, &why)) {
	case PIDFILE_NAMED:
		return add_named(w, process);
	case PIDFILE_NOT_YET:
		w->files_due = clock_ms() + pidfile_interval(clock_ms() - w->line->began);
		return UNDECIDED;
	case PIDFILE_FAILED:
		progress_clear(&w->progress);
		fprintf(stderr, "readyctl: cannot read the pid file %s: %s\n",
		    escape_text(name, sizeof(name), process->pid_file), strerror(errno));
		w->failed = EXIT_FAILED;
		return REPORTED;
	}
	return FAILED;
}

/* Watch, then read. */
enum outcome wait_read_files(struct waiting *w)
{
	enum outcome outcome = UNDECIDED;

	if (w->files_due < 0)
		return UNDECIDED;
	pidfile_watch_arm(&w->files, w->line);
	w->files_due = -1;
	for (size_t i = 0; outcome == UNDECIDED && i < w->line->process_count; i++)
		if (w->line->processes[i].pid == 0)
			outcome = read_file(w, &w->line->processes[i]);
	if (w->files_due < 0)
		pidfile_watch_close(&w->files);
	return outcome;
}
