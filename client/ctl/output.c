#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "client/ctl/output.h"
#include "src/number.h"
#include "src/verdict.h"
#include "src/wire.h"

/* The exit codes of the reference worker. */
static const char *const reference_legend[] = {
    [2] = "reference worker: BYTES is 0",
    [3] = "reference worker: more than one thread, typically MALLOC_CONF=background_thread:true",
    [4] = "reference worker: the marker could not be written",
    [5] = "reference worker: BYTES missing, no number or out of range",
    [6] = "reference worker: /proc/self/task could not be read",
};

/* What the exit status of an ended process means; NULL where none is given. */
static const char *legend_of(const struct command_line *line, const struct readyd_answer *answer)
{
	unsigned code;

	if (answer->wait_status < 0 || !WIFEXITED(answer->wait_status))
		return NULL;
	code = (unsigned)WEXITSTATUS(answer->wait_status);
	if (line->legend[code] != NULL)
		return line->legend[code];
	return code < sizeof(reference_legend) / sizeof(reference_legend[0]) ? reference_legend[code] : NULL;
}

/* What is well-formed in UTF-8 beside ASCII: the first byte, the second; all later ones are 80 to BF (The
 * Unicode Standard, table 3-7). */
static const struct {
	unsigned char first, last, low, high;
	size_t length;
} sequences[] = {
    {0xC2, 0xDF, 0x80, 0xBF, 2},
    {0xE0, 0xE0, 0xA0, 0xBF, 3},
    {0xE1, 0xEC, 0x80, 0xBF, 3},
    {0xED, 0xED, 0x80, 0x9F, 3},
    {0xEE, 0xEF, 0x80, 0xBF, 3},
    {0xF0, 0xF0, 0x90, 0xBF, 4},
    {0xF1, 0xF3, 0x80, 0xBF, 4},
    {0xF4, 0xF4, 0x80, 0x8F, 4},
};

/* The length of the character beyond ASCII that the text begins with; 0: it is none. */
static size_t sequence_length(const unsigned char *text)
{
	size_t i = 0, at = 2;

	while (i < sizeof(sequences) / sizeof(sequences[0]) && text[0] > sequences[i].last)
		i++;
	if (i == sizeof(sequences) / sizeof(sequences[0]) || text[0] < sequences[i].first ||
	    text[1] < sequences[i].low || text[1] > sequences[i].high)
		return 0;
	while (at < sequences[i].length && text[at] >= 0x80 && text[at] <= 0xBF)
		at++;
	return at == sequences[i].length ? at : 0;
}

/* A byte that is no UTF-8 becomes the replacement character, so that every reader of JSON takes it. */
static size_t print_beyond_ascii(const char *text)
{
	size_t length = sequence_length((const unsigned char *)text);

	if (length > 0)
		fwrite(text, 1, length, stdout);
	else
		fputs("\xEF\xBF\xBD", stdout);
	return length > 0 ? length : 1;
}

static void print_quoted(const char *text)
{
	putchar('"');
	while (*text != '\0') {
		unsigned char c = (unsigned char)*text;

		if (c >= 0x80) {
			text += print_beyond_ascii(text);
			continue;
		}
		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < ' ')
			printf("\\u%04x", c);
		else
			putchar(c);
		text++;
	}
	putchar('"');
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
	if (why->last_event_ms >= 0)
		printf(",\"last_event_ms\":%" PRId64, why->last_event_ms);
	else
		printf(",\"last_event_ms\":null");
	printf(",\"path\":");
	print_quoted(why->path);
}

/* Every string but the legend is a word of ours and needs no escaping. */
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
	if (verdict_is_process_gone(answer->verdict) && status < 0)
		printf(",\"status\":null");
	if (legend != NULL) {
		printf(",\"legend\":");
		print_quoted(legend);
	}
	if (answer->flags & READYD_FLAG_LATCHED)
		printf(",\"latched\":true");
	if (answer->flags & READYD_FLAG_EMPTY)
		printf(",\"empty\":true");
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
	uint64_t number;

	if (!line->json)
		printf("%s\n", pair);
	else if (number_parse(value, strlen(value), UINT64_MAX, &number) == 0)
		printf("%s\"%.*s\":%s", first ? "{" : ",", (int)key, pair, value);
	else
		printf("%s\"%.*s\":\"%s\"", first ? "{" : ",", (int)key, pair, value);
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

const char *output_escape(char *buf, size_t size, const char *text)
{
	char *to = buf;

	for (; *text != '\0' && to + sizeof("\\xff") <= buf + size; text++) {
		if (iscntrl((unsigned char)*text))
			to += sprintf(to, "\\x%02x", (unsigned char)*text);
		else
			*to++ = *text;
	}
	*to = '\0';
	return buf;
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
