#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/ctl/command.h"
#include "client/ctl/output.h"
#include "client/ctl/run_report.h"
#include "src/clock.h"
#include "src/escape.h"
#include "src/verdict.h"

#define NAME_SIZE 64

/* The name of the program, as ps(1) has it. */
static const char *name_of(const struct run_report *r, char name[NAME_SIZE])
{
	const char *slash = strrchr(r->options->argv[0], '/');

	return escape_text(name, NAME_SIZE, slash != NULL ? slash + 1 : r->options->argv[0]);
}

static void begin(const struct run_report *r)
{
	char name[NAME_SIZE];

	fprintf(stderr, "readyctl: process %ld (%s) ", (long)r->pid, name_of(r, name));
}

bool run_report_is_own(const struct run_report *r, const char *line, size_t length)
{
	char own[NAME_SIZE];
	int count = snprintf(own, sizeof(own), "readyctl: process %ld (", (long)r->pid);

	return length >= (size_t)count && memcmp(line, own, (size_t)count) == 0;
}

static const char *kind_word(enum run_code_kind kind)
{
	switch (kind) {
	case RUN_CODE_VERDICT:
		return "verdict";
	case RUN_CODE_WORKER:
		return "worker";
	case RUN_CODE_EXEC:
		return "exec";
	case RUN_CODE_READYCTL:
		return "readyctl";
	}
	return NULL;
}

static void print_status(const struct run_report *r)
{
	if (!r->ended || r->status < 0)
		printf(",\"status\":null");
	else if (WIFEXITED(r->status))
		printf(",\"status\":%d", WEXITSTATUS(r->status));
	else
		printf(",\"signal\":%d%s", WTERMSIG(r->status), WCOREDUMP(r->status) ? ",\"core\":true" : "");
}

static void print_json(const struct run_report *r, const char *verdict)
{
	printf("{\"pid\":%ld,\"verdict\":\"%s\",\"exit\":%d,\"exit_from\":\"%s\"", (long)r->pid, verdict,
	    r->code, kind_word(r->kind));
	if (r->answer.start != 0)
		printf(",\"start\":%" PRIu64, r->answer.start);
	if (r->answer.reason != READYD_REASON_NONE)
		printf(",\"reason\":\"%s\"", readyd_reason_name(r->answer.reason));
	if (strcmp(verdict, "ready") != 0)
		print_status(r);
	if (r->message != NULL && r->message[0] != '\0') {
		printf(",\"stderr\":");
		output_quoted(stdout, r->message);
	}
	printf(",\"elapsed_ms\":%" PRId64 "}\n", clock_ms() - r->began);
	(void)output_flush();
}

void run_report_ready(const struct run_report *r)
{
	const struct run_options *o = r->options;

	if (o->quiet)
		return;
	if (o->print == PRINT_JSON)
		print_json(r, "ready");
	else if (o->print == PRINT_PID || o->detach)
		printf("%ld\n", (long)r->pid);
	(void)output_flush();
}

static void say_how_it_ended(const struct run_report *r)
{
	if (!r->ended)
		fprintf(stderr, "has not ended");
	else if (r->status < 0)
		fprintf(stderr, "ended with a status that cannot be read");
	else if (WIFEXITED(r->status))
		fprintf(stderr, "ended with exit status %d", WEXITSTATUS(r->status));
	else
		fprintf(
		    stderr, "ended by signal %d (%s)", WTERMSIG(r->status), strsignal(WTERMSIG(r->status)));
}

static void say_last_line(const struct run_report *r)
{
	char text[1024];

	if (r->message != NULL && r->message[0] != '\0')
		fprintf(stderr, "; the last line of its standard error: %s",
		    escape_text(text, sizeof(text), r->message));
}

static bool was_ready(const struct run_report *r)
{
	return r->answer.verdict == READYD_READY || r->answer.verdict == READYD_EXITED;
}

/* What the exit code of readyctl is, since a worker's may be the same number. */
static void say_code(const struct run_report *r)
{
	const char *verdict = readyd_verdict_name(r->answer.verdict);

	if (r->kind == RUN_CODE_WORKER)
		fprintf(stderr, "; exit code %d, that of the worker\n", r->code);
	else if (r->kind == RUN_CODE_READYCTL)
		fprintf(stderr, "; exit code %d, a failure of readyctl\n", r->code);
	else if (r->answer.reason == READYD_REASON_DEADLINE)
		fprintf(stderr, "; exit code %d, not ready in time\n", r->code);
	else
		fprintf(stderr, "; exit code %d, the verdict '%s'\n", r->code, verdict);
}

static void say_end(const struct run_report *r)
{
	begin(r);
	say_how_it_ended(r);
	if (r->answer.verdict != READYD_UNREACHABLE)
		fprintf(stderr, was_ready(r) ? " after it was ready" : " before it was ready");
	if (r->unsaid[0] != '\0')
		fprintf(stderr, "; %s", r->unsaid);
	if (!was_ready(r))
		say_last_line(r);
	if (r->answer.verdict == READYD_DIED && r->ended && r->status == 0)
		fprintf(stderr, "; a program that goes to the background ends like that: have it stay in the "
				"foreground");
	say_code(r);
}

/* Nothing if a worker that was ready ends well, or as it was told to. */
void run_report_end(const struct run_report *r)
{
	bool expected = was_ready(r) && (r->code == 0 || r->told_to_end);

	if (r->kind != RUN_CODE_EXEC && !(r->kind == RUN_CODE_WORKER && expected))
		say_end(r);
	if (r->options->print == PRINT_JSON && !r->options->quiet)
		print_json(r, was_ready(r) && r->ended ? "exited" : readyd_verdict_name(r->answer.verdict));
}

/* Nothing that readyctl says on the way may keep it from what it does: a reader may have stopped. */
static bool can_say(void)
{
	struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};

	return poll(&fd, 1, 0) == 1;
}

void run_report_giving_up(struct run_report *r, const char *why)
{
	if (!can_say()) {
		snprintf(r->unsaid, sizeof(r->unsaid), "%s", why);
		return;
	}
	begin(r);
	fprintf(stderr, "is not ready after %" PRId64 " ms%s%s; it is ended now\n", clock_ms() - r->began,
	    why[0] != '\0' ? ": " : "", why);
}

void run_report_waiting(const struct run_report *r, const char *why)
{
	if (r->options->quiet || !can_say())
		return;
	begin(r);
	fprintf(stderr, "is not ready after %" PRId64 " s%s%s\n", (clock_ms() - r->began) / 1000,
	    why[0] != '\0' ? ": " : "", why);
}

void run_report_left(const struct run_report *r)
{
	begin(r);
	fprintf(stderr, "is ready and goes on\n");
}

void run_report_failed(const char *what)
{
	fprintf(stderr, "readyctl: cannot run a worker: %s: %s\n", what, strerror(errno));
}

void run_report_line(const struct run_report *r, const char *text)
{
	char escaped[1024];

	if (r->options->quiet || !can_say())
		return;
	begin(r);
	fprintf(stderr, "says: %s\n", escape_text(escaped, sizeof(escaped), text));
}

void run_report_exec_failed(const struct run_report *r, int error)
{
	char name[1024];

	fprintf(stderr, "readyctl: cannot run '%s': %s; exit code %d\n",
	    escape_text(name, sizeof(name), r->options->argv[0]), strerror(error), r->code);
}

void run_report_not_marked(const struct run_report *r, const char *path, int error)
{
	char text[4 * 1200];

	begin(r);
	fprintf(stderr, "is ready, but its marker %s cannot be written: %s\n",
	    escape_text(text, sizeof(text), path), strerror(error));
}
