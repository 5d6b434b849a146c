#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "client/ctl/legend.h"
#include "client/ctl/output.h"
#include "src/escape.h"
#include "src/number.h"
#include "src/verdict.h"
#include "src/wire.h"

static void print_quoted_character(FILE *file, const char *text, size_t length)
{
	/* The control characters beyond ASCII are C2 80 to C2 9F. */
	if (escape_is_control(text, length))
		fprintf(file, "\\u%04x", (unsigned char)text[length - 1]);
	else if (length > 1)
		fwrite(text, 1, length, file);
	else if (*text == '"' || *text == '\\')
		fprintf(file, "\\%c", *text);
	else
		putc(*text, file);
}

/* A byte that is not UTF-8 becomes the replacement character, so that every reader of JSON accepts it. */
static void print_quoted_bytes(FILE *file, const char *text, size_t count)
{
	const char *end = text + count;

	putc('"', file);
	while (text < end) {
		size_t length = escape_length(text);

		if (length > 0)
			print_quoted_character(file, text, length);
		else
			fputs("\xEF\xBF\xBD", file);
		text += length > 0 ? length : 1;
	}
	putc('"', file);
}

static void print_quoted(FILE *file, const char *text)
{
	print_quoted_bytes(file, text, strlen(text));
}

static void print_text(FILE *file, const struct readyd_answer *answer, const char *legend)
{
	char text[WIRE_REPLY_MAX];
	size_t len = wire_write_answer(text, sizeof(text), answer);

	fwrite(text, 1, len - 1, file);
	if (legend != NULL) {
		fputs(" legend=", file);
		print_quoted(file, legend);
	}
	putc('\n', file);
}

static void print_why(const struct readyd_explanation *why)
{
	printf(",\"process\":\"%s\",\"marker\":\"%s\",\"directory\":\"%s\",\"via\":\"%s\"", why->process,
	    why->marker, why->directory, why->via);
	if (why->refusal != NULL)
		printf(",\"refusal\":\"%s\"", why->refusal);
	if (why->daemon_error != 0) {
		printf(",\"daemon_error\":");
		print_quoted(stdout, strerror(why->daemon_error));
	}
	if (why->last_event_ms >= 0)
		printf(",\"last_event_ms\":%" PRId64, why->last_event_ms);
	else
		printf(",\"last_event_ms\":null");
	printf(",\"procfs\":\"%s\",\"path\":", why->procfs);
	print_quoted(stdout, why->path);
}

int output_exit_code(const struct command_line *line, const struct readyd_answer *answer)
{
	if (answer->reason == READYD_REASON_DEADLINE)
		return EXIT_TIMED_OUT;
	if (line->until_end && answer->verdict == READYD_EXITED)
		return EXIT_READY;
	if (line->until_end && answer->verdict == READYD_READY)
		return EXIT_PENDING;
	return verdict_exit_code(answer->verdict);
}

static const char *backend_word(enum readyd_backend backend)
{
	switch (backend) {
	case READYD_BACKEND_DAEMON:
		return "daemon";
	case READYD_BACKEND_REMOTE:
		return "remote";
	case READYD_BACKEND_FILE:
	case READYD_BACKEND_AUTO:
		break;
	}
	return "file";
}

/* Except for legend and path, every string is a constant and needs no escaping. */
static void print_json(const struct command_line *line, const struct readyd_answer *answer,
    const char *legend, const struct readyd_explanation *why, int64_t elapsed_ms)
{
	int status = answer->wait_status;

	printf("{\"pid\":%ld,\"verdict\":\"%s\",\"exit\":%d", (long)answer->pid,
	    readyd_verdict_name(answer->verdict), output_exit_code(line, answer));
	if (answer->start != 0)
		printf(",\"start\":%" PRIu64, answer->start);
	if (answer->reason != READYD_REASON_NONE)
		printf(",\"reason\":\"%s\"", readyd_reason_name(answer->reason));
	if (status >= 0 && WIFEXITED(status))
		printf(",\"status\":%d", WEXITSTATUS(status));
	else if (status >= 0 && WIFSIGNALED(status))
		printf(",\"signal\":%d%s", WTERMSIG(status), WCOREDUMP(status) ? ",\"core\":true" : "");
	else if (answer->flags & READYD_FLAG_STATUS_HIDDEN)
		printf(",\"status\":\"hidden\"");
	else if (verdict_is_process_gone(answer->verdict) && status < 0)
		printf(",\"status\":null");
	if (legend != NULL) {
		printf(",\"legend\":");
		print_quoted(stdout, legend);
	}
	if (answer->flags & READYD_FLAG_LATCHED)
		printf(",\"latched\":true");
	if (answer->flags & READYD_FLAG_EMPTY)
		printf(",\"empty\":true");
	if (answer->flags & READYD_FLAG_AGE_ASSUMED)
		printf(",\"age\":\"assumed\"");
	if (why != NULL)
		print_why(why);
	if (elapsed_ms >= 0)
		printf(",\"elapsed_ms\":%" PRId64, elapsed_ms);
	printf(",\"backend\":\"%s\"}\n", backend_word(answer->backend));
}

static int write_error; /* errno of the first write that failed */

static void note_told(const struct command_line *line, const struct readyd_answer *answer)
{
	for (size_t i = 0; line->told != NULL && i < line->process_count; i++)
		line->told[i] |= line->processes[i].pid == answer->pid &&
				 (line->processes[i].start == 0 || line->processes[i].start == answer->start);
}

/* Flushed at once: a reader may be waiting for just this line. */
int output_flush(void)
{
	if (fflush(stdout) == 0)
		return 0;
	if (write_error == 0)
		write_error = errno;
	return -1;
}

void output_pid(const struct command_line *line, const struct readyd_answer *answer)
{
	if (line->quiet)
		return;
	printf("%ld\n", (long)answer->pid);
	(void)output_flush();
}

/* Where pids alone are printed, the others must not be silent; those without a verdict are explained
 * otherwise. */
static void print_pid(const struct command_line *line, const struct readyd_answer *answer, bool waits)
{
	if (output_exit_code(line, answer) == EXIT_READY) {
		output_pid(line, answer);
	} else if (waits && answer->verdict != READYD_PENDING && answer->reason != READYD_REASON_DEADLINE) {
		fputs("readyctl: ", stderr);
		print_text(stderr, answer, legend_of(line, answer));
	}
}

void output_answer(const struct command_line *line, const struct readyd_answer *answer,
    const struct readyd_explanation *why, int64_t elapsed_ms)
{
	note_told(line, answer);
	if (line->quiet)
		return;
	/* The command's output is all that is expected then. */
	if (line->command != NULL && !line->prints && output_exit_code(line, answer) == EXIT_READY)
		return;
	if (line->pids_only) {
		print_pid(line, answer, elapsed_ms >= 0);
		return;
	}
	if (line->json)
		print_json(line, answer, legend_of(line, answer), why, elapsed_ms);
	else
		print_text(stdout, answer, legend_of(line, answer));
	(void)output_flush();
}

static void print_pair(const struct command_line *line, const char *pair, bool first)
{
	size_t key = strcspn(pair, "=");
	const char *value = pair[key] == '=' ? pair + key + 1 : "";
	char text[4 * WIRE_REPLY_MAX];
	uint64_t number;

	if (!line->json) {
		printf("%s\n", escape_text(text, sizeof(text), pair));
		return;
	}
	putchar(first ? '{' : ',');
	print_quoted_bytes(stdout, pair, key);
	putchar(':');
	if (number_parse(value, strlen(value), UINT64_MAX, &number) == 0)
		printf("%" PRIu64, number); /* JSON takes no leading zeros */
	else
		print_quoted(stdout, value);
}

void output_pairs(const struct command_line *line, const char *text)
{
	char copy[WIRE_REPLY_MAX], *pair, *rest;
	bool first = true;

	if (line->quiet)
		return;
	snprintf(copy, sizeof(copy), "%s", text);
	for (pair = strtok_r(copy, " ", &rest); pair != NULL; pair = strtok_r(NULL, " ", &rest)) {
		print_pair(line, pair, first);
		first = false;
	}
	if (line->json)
		printf("%s}\n", first ? "{" : "");
}

void output_quoted(FILE *file, const char *text)
{
	print_quoted(file, text);
}

int output_finish(void)
{
	if (fflush(stdout) != 0 && write_error == 0)
		write_error = errno;
	if (write_error == 0)
		return 0;
	fprintf(stderr, "readyctl: cannot write to standard output: %s\n", strerror(write_error));
	return -1;
}
