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

static void print_quoted_character(const char *text, size_t length)
{
	/* The control characters beyond ASCII are C2 80 to C2 9F. */
	if (escape_is_control(text, length))
		printf("\\u%04x", (unsigned char)text[length - 1]);
	else if (length > 1)
		fwrite(text, 1, length, stdout);
	else if (*text == '"' || *text == '\\')
		printf("\\%c", *text);
	else
		putchar(*text);
}

/* A byte that is not UTF-8 becomes the replacement character, so that every reader of JSON accepts it. */
static void print_quoted_bytes(const char *text, size_t count)
{
	const char *end = text + count;

	putchar('"');
	while (text < end) {
		size_t length = escape_length(text);

		if (length > 0)
			print_quoted_character(text, length);
		else
			fputs("\xEF\xBF\xBD", stdout);
		text += length > 0 ? length : 1;
	}
	putchar('"');
}

static void print_quoted(const char *text)
{
	print_quoted_bytes(text, strlen(text));
}

static void print_text(const struct readyd_answer *answer, const char *legend)
{
	char text[WIRE_REPLY_MAX];
	size_t len = wire_write_answer(text, sizeof(text), answer);

	fwrite(text, 1, len - 1, stdout);
	if (legend != NULL) {
		fputs(" legend=", stdout);
		print_quoted(legend);
	}
	putchar('\n');
}

static void print_why(const struct readyd_explanation *why)
{
	printf(",\"process\":\"%s\",\"marker\":\"%s\",\"directory\":\"%s\",\"via\":\"%s\"", why->process,
	    why->marker, why->directory, why->via);
	if (why->refusal != NULL)
		printf(",\"refusal\":\"%s\"", why->refusal);
	if (why->last_event_ms >= 0)
		printf(",\"last_event_ms\":%" PRId64, why->last_event_ms);
	else
		printf(",\"last_event_ms\":null");
	printf(",\"procfs\":\"%s\",\"path\":", why->procfs);
	print_quoted(why->path);
}

/* Except for legend and path, every string is a constant and needs no escaping. */
static void print_json(const struct readyd_answer *answer, const char *legend,
    const struct readyd_explanation *why, int64_t elapsed_ms)
{
	int status = answer->wait_status;

	printf("{\"pid\":%ld,\"verdict\":\"%s\",\"exit\":%d", (long)answer->pid,
	    readyd_verdict_name(answer->verdict),
	    answer->reason == READYD_REASON_DEADLINE ? EXIT_TIMED_OUT : verdict_exit_code(answer->verdict));
	if (answer->start != 0)
		printf(",\"start\":%" PRIu64, answer->start);
	if (answer->reason != READYD_REASON_NONE)
		printf(",\"reason\":\"%s\"", readyd_reason_name(answer->reason));
	if (status >= 0 && WIFEXITED(status))
		printf(",\"status\":%d", WEXITSTATUS(status));
	if (status >= 0 && WIFSIGNALED(status))
		printf(",\"signal\":%d%s", WTERMSIG(status), WCOREDUMP(status) ? ",\"core\":true" : "");
	if (answer->flags & READYD_FLAG_STATUS_HIDDEN)
		printf(",\"status\":\"hidden\"");
	else if (verdict_is_process_gone(answer->verdict) && status < 0)
		printf(",\"status\":null");
	if (legend != NULL) {
		printf(",\"legend\":");
		print_quoted(legend);
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
	printf(",\"backend\":\"%s\"}\n", answer->backend == READYD_BACKEND_DAEMON ? "daemon" : "file");
}

static int write_error; /* errno of the first write that failed */

static void note_told(const struct command_line *line, const struct readyd_answer *answer)
{
	for (size_t i = 0; line->told != NULL && i < line->process_count; i++)
		line->told[i] |= line->processes[i].pid == answer->pid &&
				 (line->processes[i].start == 0 || line->processes[i].start == answer->start);
}

/* Flushed at once: a reader may be waiting for just this line. */
void output_answer(const struct command_line *line, const struct readyd_answer *answer,
    const struct readyd_explanation *why, int64_t elapsed_ms)
{
	note_told(line, answer);
	if (line->quiet)
		return;
	if (line->json)
		print_json(answer, legend_of(line, answer), why, elapsed_ms);
	else
		print_text(answer, legend_of(line, answer));
	if (fflush(stdout) != 0 && write_error == 0)
		write_error = errno;
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
	print_quoted_bytes(pair, key);
	putchar(':');
	if (number_parse(value, strlen(value), UINT64_MAX, &number) == 0)
		printf("%" PRIu64, number); /* JSON takes no leading zeros */
	else
		print_quoted(value);
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

void output_quoted(const char *text)
{
	print_quoted(text);
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
