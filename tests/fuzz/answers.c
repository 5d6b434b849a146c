/* What readyctl prints: each answer is strict JSON, and a line without control characters. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/ctl/openmetrics.h"
#include "client/ctl/output.h"
#include "src/wire.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/json.h"

static void check_json(const char *text, size_t len, bool unique)
{
	struct json_seen seen;

	fuzz_check(len > 0 && text[len - 1] == '\n');
	fuzz_check(memchr(text, '\n', len) == text + len - 1);
	fuzz_check(json_is_valid(text, len, NULL, &seen));
	fuzz_check(seen.is_object);
	fuzz_check(!unique || !seen.has_repeated);
}

/* As a daemon may have sent it, or as the library makes it. */
static void take_answer(struct fuzz_input *input, struct readyd_answer *answer)
{
	const char *line;
	struct wire_reply reply;
	size_t len;

	if (fuzz_byte(input) % 2 == 0) {
		line = fuzz_bytes(input, fuzz_byte(input), &len);
		if (wire_parse_reply(line, len, &reply) == 0 && reply.answer.pid > 0)
			*answer = reply.answer;
		return;
	}
	answer->verdict = (enum readyd_verdict)fuzz_below(input, READYD_UNREACHABLE + 1);
	answer->reason = (enum readyd_reason)fuzz_below(input, READYD_REASON_CAME_AND_WENT + 1);
	answer->flags = fuzz_below(input, 16);
	answer->wait_status = (int)(fuzz_number(input) & 0xffff) - 1;
	answer->start = fuzz_number(input);
	answer->backend = fuzz_byte(input) % 2 == 0 ? READYD_BACKEND_DAEMON : READYD_BACKEND_FILE;
}

static void set_legends(struct fuzz_input *input, struct command_line *line, char *texts[4])
{
	size_t len;
	const char *bytes;

	for (int i = 0; i < 4; i++) {
		bytes = fuzz_bytes(input, fuzz_byte(input), &len);
		texts[i] = fuzz_text(bytes, len);
		line->legend[fuzz_byte(input)] = texts[i];
	}
}

static void explain(struct fuzz_input *input, struct readyd_explanation *why)
{
	size_t len;
	const char *bytes = fuzz_bytes(input, sizeof(why->path) - 1, &len);

	*why = (struct readyd_explanation){.size = sizeof(*why),
	    .process = "running",
	    .marker = "absent",
	    .directory = "ok",
	    .via = "polling",
	    .procfs = "ok",
	    .refusal = len % 2 == 0 ? NULL : "too-many-waits",
	    .last_event_ms = (int64_t)len - 1};
	memcpy(why->path, bytes, len);
	why->path[len] = '\0';
}

static void check_answer(struct fuzz_input *input)
{
	struct readyd_answer answer = {.pid = getpid(), .wait_status = -1};
	struct command_line line = {.timeout_ms = -1};
	struct readyd_explanation why;
	char *texts[4] = {NULL};
	const char *printed;
	size_t len;
	int code;

	line.json = fuzz_byte(input) % 2 == 0;
	line.until_end = fuzz_byte(input) % 2 == 0;
	take_answer(input, &answer);
	set_legends(input, &line, texts);
	explain(input, &why);
	code = output_exit_code(&line, &answer);
	fuzz_check(code >= 0 && code <= 255);
	output_answer(&line, &answer, line.json ? &why : NULL, (int64_t)input->left - 1);
	printed = fuzz_captured(STDOUT_FILENO, &len);
	if (line.json)
		check_json(printed, len, true);
	else
		fuzz_check(len > 0 && printed[len - 1] == '\n' && strchr(printed, '\n') == printed + len - 1);
	for (int i = 0; i < 4; i++)
		free(texts[i]);
}

/* The counters, whatever a daemon sends instead of them. */
static void check_counters(struct fuzz_input *input)
{
	struct command_line line = {.json = fuzz_byte(input) % 2 == 0};
	char *text = fuzz_text(input->at, input->left < WIRE_REPLY_MAX ? input->left : WIRE_REPLY_MAX - 1);
	const char *printed;
	size_t len;

	output_pairs(&line, text);
	printed = fuzz_captured(STDOUT_FILENO, &len);
	if (line.json)
		check_json(printed, len, false);
	else
		fuzz_check(fuzz_is_shown(printed, len));
	openmetrics_print(stdout, text);
	printed = fuzz_captured(STDOUT_FILENO, &len);
	fuzz_check(fuzz_is_shown(printed, len));
	fuzz_check(len >= 6 && strcmp(printed + len - 6, "# EOF\n") == 0);
	free(text);
}

static void one(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	size_t len;

	if (fuzz_byte(&input) % 2 == 0)
		check_answer(&input);
	else
		check_counters(&input);
	(void)fuzz_captured(STDERR_FILENO, &len);
	fuzz_check(len == 0);
}

const struct fuzz_target fuzz_target = {.name = "answers", .one = one, .captures = true};
