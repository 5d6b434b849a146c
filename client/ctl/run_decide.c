/* What ends a run: an answer about the worker, a time-out, or that the worker ends. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "client/ctl/command.h"
#include "client/ctl/output.h"
#include "client/ctl/run.h"
#include "src/clock.h"
#include "src/verdict.h"

/* How long the answer may take once the worker has ended. The process that looks may just have started. */
#define ANSWER_MS 3000
/* How long the end of the worker may take once the look has seen it, or once the worker has closed the
 * descriptor that its sign would come on: what ends closes its descriptors first. */
#define END_MS 1000
/* How long an explanation may take. */
#define WHY_MS 300

#define NO_ANSWER "its marker directory does not answer"

/* The times at which it says what is missing: these, then every minute. */
#define FIRST_LINE_MS  10000
#define SECOND_LINE_MS 30000
#define EACH_LINE_MS   60000

/* The worker has ended by a signal that was meant for both. */
static bool was_told_to_end(const struct run *r)
{
	int number = r->child.status >= 0 && WIFSIGNALED(r->child.status) ? WTERMSIG(r->child.status) : 0;

	return r->child.ended && number != 0 &&
	       ((r->passed >> number & 1) != 0 || (r->given && (number == SIGINT || number == SIGQUIT)));
}

static int code_of_worker(const struct run *r)
{
	return WIFSIGNALED(r->child.status) ? 128 + WTERMSIG(r->child.status) : WEXITSTATUS(r->child.status);
}

/* It has ended, after it was ready or by a signal for both: so does readyctl. */
static int follow_worker(struct run *r)
{
	int code;

	r->report.told_to_end = was_told_to_end(r);
	if (r->child.status < 0)
		return run_finish(r, RUN_CODE_READYCTL, EXIT_FAILED);
	code = run_finish(r, RUN_CODE_WORKER, code_of_worker(r));
	if (code > 128 && WIFSIGNALED(r->child.status))
		r->die_by = WTERMSIG(r->child.status);
	return code;
}

/* Waits for the worker, since it was ready. */
static int stay(struct run *r)
{
	run_look_end(&r->look);
	while (!r->child.ended)
		run_turn(r, -1);
	return follow_worker(r);
}

static int exec_failed(struct run *r)
{
	int error = r->child.exec_error;

	while (!r->child.ended)
		run_turn(r, -1);
	r->report.code = error == ENOENT ? 127 : 126;
	r->report.answer.verdict = READYD_DIED;
	run_report_exec_failed(&r->report, error);
	return run_finish(r, RUN_CODE_EXEC, r->report.code);
}

/* It is not ready, and is ended. */
static int give_up(struct run *r, enum run_code_kind kind, int code)
{
	run_look_end(&r->look);
	run_end_group(r);
	return run_finish(r, kind, code);
}

/* What the look sees, unless its file system does not answer, or the worker is ready after all. */
static void ask_why(struct run *r, struct run_word *word)
{
	int64_t until = clock_ms() + WHY_MS;
	int got = 0;

	word->kind = RUN_WORD_WHY;
	word->text[0] = '\0';
	run_look_explain(&r->look);
	while (clock_ms() < until && (got = run_look_read(&r->look, word)) == 0)
		run_turn(r, until);
	if (got == 0)
		snprintf(word->text, sizeof(word->text), NO_ANSWER);
}

static int take_word(struct run *r, const struct run_word *word);

/* -1: the worker has ended meanwhile, so there is an answer to wait for. */
static int time_out(struct run *r)
{
	char why[RUN_SIGNS_WHY_SIZE];
	struct run_word word;

	ask_why(r, &word);
	if (word.kind != RUN_WORD_WHY)
		return take_word(r, &word);
	if (r->child.ended)
		return -1;
	r->report.answer.verdict = READYD_PENDING;
	r->report.answer.reason = READYD_REASON_DEADLINE;
	(void)run_signs_why(&r->signs, r->report.pid, why);
	run_report_giving_up(&r->report, why[0] != '\0' ? why : word.text);
	return give_up(r, RUN_CODE_VERDICT, EXIT_TIMED_OUT);
}

/* The sign cannot come any more. */
static int lose(struct run *r)
{
	char why[RUN_SIGNS_WHY_SIZE];

	r->report.answer.verdict = READYD_PENDING;
	run_report_giving_up(&r->report, run_signs_why(&r->signs, r->report.pid, why));
	return give_up(r, RUN_CODE_VERDICT, verdict_exit_code(READYD_PENDING));
}

static int be_ready(struct run *r, const struct readyd_answer *answer)
{
	r->report.answer = *answer;
	run_report_ready(&r->report);
	if (!r->options->detach)
		return stay(r);
	run_look_end(&r->look);
	if (output_finish() == 0)
		return EXIT_READY;
	run_report_left(&r->report);
	return EXIT_FAILED;
}

/* It has ended before it was ready, or before that was seen. */
static int end_early(struct run *r, const struct readyd_answer *answer)
{
	int64_t until = clock_ms() + END_MS;

	while (!r->child.ended && clock_ms() < until)
		run_turn(r, until);
	if (r->child.exec_error != 0)
		return exec_failed(r);
	r->report.answer = *answer;
	if (!r->child.ended)
		return give_up(r, RUN_CODE_VERDICT, verdict_exit_code(answer->verdict));
	if (was_told_to_end(r) || (answer->verdict == READYD_EXITED && !r->options->detach))
		return follow_worker(r);
	return run_finish(r, RUN_CODE_VERDICT, verdict_exit_code(answer->verdict));
}

static int take_answer(struct run *r, const struct readyd_answer *answer)
{
	if (answer->verdict == READYD_READY)
		return be_ready(r, answer);
	if (verdict_is_process_gone(answer->verdict))
		return end_early(r, answer);
	command_say_why(answer);
	r->report.answer = *answer;
	return give_up(r, RUN_CODE_VERDICT, verdict_exit_code(answer->verdict));
}

static int take_word(struct run *r, const struct run_word *word)
{
	if (word->kind == RUN_WORD_ANSWER)
		return take_answer(r, &word->answer);
	if (word->kind == RUN_WORD_NOT_MARKED) {
		run_report_not_marked(&r->report, word->text, word->error);
	} else {
		errno = word->error;
		(void)command_failed(r->line, "cannot wait for the marker of the worker");
	}
	return give_up(r, RUN_CODE_READYCTL, EXIT_FAILED);
}

static int look_is_gone(struct run *r)
{
	errno = ECHILD;
	run_report_failed("the process that waits for its marker has ended");
	return give_up(r, RUN_CODE_READYCTL, EXIT_FAILED);
}

/* The worker has ended, and no answer comes: whether it had been ready is not known. */
static int conclude(struct run *r)
{
	struct readyd_answer answer = r->report.answer;

	answer.verdict = READYD_UNREACHABLE;
	answer.reason = READYD_REASON_DIRECTORY_HANGS;
	snprintf(r->report.unsaid, sizeof(r->report.unsaid), NO_ANSWER);
	return end_early(r, &answer);
}

static void say_status(struct run *r)
{
	if (!r->signs.notify.status_is_new)
		return;
	r->signs.notify.status_is_new = false;
	run_report_line(&r->report, r->signs.notify.status);
}

static void say_what_is_missing(struct run *r, int64_t *next_line)
{
	int64_t now = clock_ms(), since = now - r->report.began;
	char why[RUN_SIGNS_WHY_SIZE];

	if (now < *next_line)
		return;
	run_report_waiting(&r->report, run_signs_why(&r->signs, r->report.pid, why));
	*next_line = since < SECOND_LINE_MS ? r->report.began + SECOND_LINE_MS : now + EACH_LINE_MS;
}

static int64_t sooner(int64_t a, int64_t b)
{
	return b >= 0 && b < a ? b : a;
}

int run_until_decided(struct run *r)
{
	int64_t next_line = r->report.began + FIRST_LINE_MS, answer_by = -1;
	bool ordered = false, ended = false;
	struct run_word word;
	int got;

	for (;;) {
		if (r->child.exec_error != 0)
			return exec_failed(r);
		got = run_look_read(&r->look, &word);
		if (got != 0)
			return got > 0 ? take_word(r, &word) : look_is_gone(r);
		say_status(r);
		if (r->signs.seen && !ordered)
			run_look_mark(&r->look);
		ordered = r->signs.seen;
		if (r->child.ended && !ended)
			answer_by = clock_ms() + ANSWER_MS;
		else if (r->signs.lost && answer_by < 0)
			answer_by = clock_ms() + END_MS;
		ended = r->child.ended;
		if (answer_by >= 0 && clock_ms() >= answer_by)
			return r->child.ended ? conclude(r) : lose(r);
		if (!r->child.ended && r->deadline >= 0 && clock_ms() >= r->deadline) {
			got = time_out(r);
			if (got >= 0)
				return got;
			continue;
		}
		say_what_is_missing(r, &next_line);
		run_turn(r, sooner(sooner(next_line, answer_by), r->child.ended ? -1 : r->deadline));
	}
}
