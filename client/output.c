#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "client/output.h"
#include "src/number.h"
#include "src/wire.h"

static void print_text(const struct readyd_answer *answer)
{
	char text[WIRE_REPLY_MAX];
	size_t len = wire_write_answer(text, sizeof(text), answer);

	fwrite(text, 1, len, stdout);
}

/* Every string here is a word of ours; nothing needs escaping. */
static void print_json(const struct readyd_answer *answer, int64_t elapsed_ms)
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
		printf(",\"signal\":%d", WTERMSIG(status));
	if (answer->flags & READYD_FLAG_LATCHED)
		printf(",\"latched\":true");
	if (answer->flags & READYD_FLAG_EMPTY)
		printf(",\"empty\":true");
	if (elapsed_ms >= 0)
		printf(",\"elapsed_ms\":%" PRId64, elapsed_ms);
	printf(",\"backend\":\"%s\"}\n", answer->backend == READYD_BACKEND_DAEMON ? "daemon" : "file");
}

/* Flushed at once: a reader may be waiting for just this line. */
void output_answer(const struct command_line *line, const struct readyd_answer *answer, int64_t elapsed_ms)
{
	if (line->quiet)
		return;
	if (line->json)
		print_json(answer, elapsed_ms);
	else
		print_text(answer);
	fflush(stdout);
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

int output_finish(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	fprintf(stderr, "readyctl: cannot write to standard output: %s\n", strerror(errno));
	return -1;
}
