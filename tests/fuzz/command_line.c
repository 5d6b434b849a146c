/*
 * The command line of readyctl, up to where a command would run: words and variables of any kind. Either it
 * is accepted and nothing is printed on standard error, or exactly one line says why not, which a terminal
 * can show.
 */
#define main readyctl_main
int readyctl_main(int argc, char **argv);
/* The functions that parse are static. */
#include "client/ctl/readyctl.c" /* NOLINT(bugprone-suspicious-include) */
#undef main

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

#define WORDS 32

static struct parsed parsed;

static void check_line(const struct command_line *line)
{
	fuzz_check(line->timeout_ms >= -1 && line->timeout_ms <= 3600000000LL);
	fuzz_check(line->run.kill_after_ms >= 0 && line->run.kill_after_ms <= 3600000000LL);
	fuzz_check(line->process_count <= line->process_room);
	fuzz_check(line->command == NULL || line->command[0] != NULL || parsed.command->starts_worker);
	for (size_t i = 0; i < line->process_count; i++)
		fuzz_check(line->processes[i].pid > 0 || line->processes[i].pid_file != NULL);
}

/* The checks that run makes by itself. */
static void check_run(void)
{
	struct run_options options;

	if (run_options_of(&parsed.line, &options) == 0)
		fuzz_check(options.argv != NULL && options.kill_after_ms >= 0);
}

/* Either all of it is accepted, or one line says which word is not. */
static void check_input(const uint8_t *bytes, size_t size)
{
	const int fd = fuzz_memory_file(bytes, size);
	const size_t before = parsed.line.process_count;
	const char *text;
	size_t len;
	int code;

	fuzz_check(dup2(fd, STDIN_FILENO) == STDIN_FILENO);
	close(fd);
	code = operands_read(&parsed.line, false);
	fuzz_check(code == EXIT_READY || code == EXIT_USAGE);
	fuzz_check(parsed.line.process_count - before <= size / 2 + 1);
	text = fuzz_captured(STDERR_FILENO, &len);
	fuzz_check(fuzz_is_shown(text, len));
	fuzz_check((code == EXIT_READY) == (len == 0));
	check_line(&parsed.line);
}

static void check_parse(char **words, const uint8_t *bytes, size_t size)
{
	const char *text;
	size_t len;
	bool good;

	memset(&parsed, 0, sizeof(parsed));
	parsed.line.options.size = sizeof(parsed.line.options);
	parsed.line.timeout_ms = -1;
	usage_set_command(NULL);
	good = parse(&parsed, words) == 0;
	text = fuzz_captured(STDERR_FILENO, &len);
	fuzz_check(fuzz_is_shown(text, len));
	fuzz_check(good == (len == 0));
	fuzz_check(good || memchr(text, '\n', len) == text + len - 1);
	text = fuzz_captured(STDOUT_FILENO, &len);
	fuzz_check((len > 0) == (good && parsed.done));
	fuzz_check(fuzz_is_shown(text, len));
	if (!good || parsed.done)
		return;
	fuzz_check(parsed.command != NULL);
	check_line(&parsed.line);
	if (parsed.line.reads_input)
		check_input(bytes, size);
	if (parsed.command->bit == FOR_RUN)
		check_run();
	text = fuzz_captured(STDERR_FILENO, &len);
	fuzz_check(fuzz_is_shown(text, len));
}

/* A number says which variable the first line sets; the others are words. After a NUL comes standard input.
 */
static void one(const uint8_t *data, size_t size)
{
	static const char *const variables[] = {
	    "READYD_TIMEOUT", "READYD_SOCKET", "READYD_DIR", "READYD_TRUST_UID", "READYD_BACKEND"};
	struct fuzz_input input = {data, size};
	const unsigned which = fuzz_byte(&input) % 8;
	char *text = fuzz_text(input.at, input.left), *rest = text, *word;
	const size_t length = strlen(text), used = length + (length < input.left);
	const char *variable = which < 5 ? variables[which] : NULL;
	char *words[WORDS + 1];
	size_t count = 0;

	if (variable != NULL && (word = strsep(&rest, "\n")) != NULL)
		setenv(variable, word, 1);
	while (count < WORDS && (word = strsep(&rest, "\n")) != NULL)
		words[count++] = word;
	words[count] = NULL;
	check_parse(words, input.at + used, input.left - used);
	if (variable != NULL)
		unsetenv(variable);
	free(parsed.line.processes);
	free(text);
}

static void begin(void)
{
	unsetenv("READYD_TIMEOUT");
	unsetenv("READYD_SOCKET");
	unsetenv("READYD_DIR");
	unsetenv("READYD_TRUST_UID");
	unsetenv("READYD_BACKEND");
}

const struct fuzz_target fuzz_target = {.name = "command_line", .begin = begin, .one = one, .captures = true};
