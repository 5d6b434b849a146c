#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet/broker_options.h"
#include "fleet/line.h"
#include "fleet/memory.h"
#include "fleet/print.h"
#include "fleet/say.h"
#include "src/arguments.h"
#include "src/clock.h"
#include "src/duration.h"
#include "src/number.h"
#include "src/program.h"
#include "src/suggest.h"

#define FOR_WAIT    1u
#define FOR_LIST    2u
#define FOR_MONITOR 4u
#define FOR_ALL	    7u

enum { OPT_ALL = 256, OPT_ANY, OPT_COUNT, OPT_JSON };

static const struct arguments_option table[] = {
    {'t', 't', "timeout", "DURATION", "give up after 5, 0.5, 500ms, 2m, 1m30s, ... (else wait forever)",
	FOR_WAIT},
    {OPT_ALL, 0, "all", NULL, "wait for all processes; stop when one no longer can be ready (default)",
	FOR_WAIT},
    {OPT_ANY, 0, "any", NULL, "wait for one of the processes", FOR_WAIT},
    {OPT_COUNT, 0, "count", "N", "wait for N of the processes", FOR_WAIT},
    {OPT_JSON, 0, "json", NULL, "print a JSON object for each change", FOR_MONITOR},
    BROKER_OPTIONS(FOR_ALL),
    {'h', 'h', "help", NULL, "print this help and exit", FOR_ALL},
    {'V', 'V', "version", NULL, "print the version and exit", FOR_ALL},
    {0, 0, NULL, NULL, NULL, 0},
};

static const struct command {
	const char *name;
	unsigned bit;
	int (*run)(struct line *line);
	const char *operands, *summary;
} commands[] = {
    {"wait", FOR_WAIT, command_wait, " NODE/PID[:START]...",
	"wait until processes of other machines are ready"},
    {"list", FOR_LIST, command_list, " [NODE]", "print the nodes and their processes"},
    {"monitor", FOR_MONITOR, command_monitor, "", "print each change until a signal"},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void print_help(const struct command *command)
{
	printf("Usage: readyctl fleet %s [OPTION]...%s\n", command != NULL ? command->name : "COMMAND",
	    command != NULL ? command->operands : " [ARGUMENT]...");
	puts("Waits for worker processes of other machines, whose readyd-mqtt(8) tells an MQTT broker.\n");
	for (size_t i = 0; command == NULL && i < COMMAND_COUNT; i++)
		printf("  %-10s  %s\n", commands[i].name, commands[i].summary);
	if (command == NULL)
		putchar('\n');
	arguments_print(table, command != NULL ? command->bit : FOR_ALL);
	puts("\nExit status: 0 ready, 2 usage, 3 died, 4 exited, 6 unreachable, 124 timed out, 125 failure.\n"
	     "See readyctl-fleet(1).");
}

static const struct command *find(const char *name)
{
	struct suggestion best = {0};
	char hint[64] = "use wait, list or monitor";

	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
		suggestion_consider(&best, name, commands[i].name);
	}
	if (best.name != NULL)
		snprintf(hint, sizeof(hint), "did you mean %s?", best.name);
	say_usage("unknown command", name, hint);
	return NULL;
}

struct parsing {
	struct line *line;
	const struct command *command;
	bool is_done;
};

static int add_target(struct line *line, const char *word)
{
	struct target target;

	if (target_parse(word, &target) != 0)
		return -1;
	for (size_t i = 0; i < line->target_count; i++)
		if (target_is_same(&line->targets[i], &target))
			return 0;
	line->targets = memory_resize(line->targets, line->target_count + 1, sizeof(target));
	line->targets[line->target_count++] = target;
	return 0;
}

static int take_word(struct parsing *p, const char *word)
{
	if (p->command == NULL)
		return (p->command = find(word)) != NULL ? 0 : -1;
	if (p->command->bit == FOR_WAIT)
		return add_target(p->line, word);
	if (p->command->bit != FOR_LIST || p->line->node != NULL)
		return say_usage("extra argument", word, "it is one too many");
	if (!topic_is_node(word, strlen(word)))
		return say_usage("node", word, "it is not 1 to 64 of A-Z a-z 0-9 . _ -");
	p->line->node = word;
	return 0;
}

static int set_count(struct line *line, const char *value)
{
	uint64_t count;

	if (number_parse(value, strlen(value), SIZE_MAX / 2, &count) != 0 || count == 0)
		return say_usage("--count", value, "use a number from 1 to that of the processes");
	line->count = (size_t)count;
	return 0;
}

static int set(struct parsing *p, int option, const char *value)
{
	p->is_done = option == 'h' || option == 'V';
	switch (option) {
	case 'h':
		print_help(p->command);
		return 0;
	case 'V':
		printf("readyctl-fleet %s\n", PACKAGE_VERSION);
		return 0;
	case 't':
		return duration_parse(value, &p->line->timeout_ms) == 0
			   ? 0
			   : say_usage(
				 "--timeout", value, errno == ERANGE ? DURATION_RANGE_HINT : DURATION_HINT);
	case OPT_ALL:
	case OPT_ANY:
		p->line->count = option == OPT_ANY ? 1 : 0;
		return 0;
	case OPT_COUNT:
		return set_count(p->line, value);
	case OPT_JSON:
		p->line->json = true;
		return 0;
	default:
		return broker_options_set(&p->line->broker, option, value);
	}
}

static int take(struct parsing *p, struct arguments *arguments, int got)
{
	if (got == ARGUMENTS_WRONG)
		return say_usage("option", arguments->what, arguments->hint);
	if (got == ARGUMENTS_WORD)
		return take_word(p, arguments->value);
	if (got == ARGUMENTS_DASHES) {
		while (*arguments->at != NULL)
			if (take_word(p, *arguments->at++) != 0)
				return -1;
		return 0;
	}
	if (p->command != NULL && (arguments->valid & p->command->bit) == 0)
		return say_usage("option", arguments->what, "this command does not take it");
	return set(p, got, arguments->value);
}

static int finish(struct parsing *p)
{
	char count[24];

	if (p->command == NULL)
		return say_usage("no command", "", "use wait, list or monitor");
	if (p->command->bit == FOR_WAIT && p->line->target_count == 0)
		return say_usage("no process", "", "name at least one as NODE/PID");
	snprintf(count, sizeof(count), "%zu", p->line->count);
	if (p->command->bit == FOR_WAIT && p->line->count > p->line->target_count)
		return say_usage("--count", count, "there are fewer processes");
	return broker_options_finish(&p->line->broker);
}

static int parse(struct parsing *p, char **words)
{
	struct arguments arguments = {.at = words, .options = table, .commands = FOR_ALL};
	int got;

	while (!p->is_done && (got = arguments_next(&arguments)) != ARGUMENTS_END) {
		if (take(p, &arguments, got) != 0)
			return -1;
		if (p->command != NULL)
			arguments.commands = p->command->bit;
	}
	return p->is_done ? 0 : finish(p);
}

int main(int argc, char **argv)
{
	struct line line = {.timeout_ms = -1, .began = clock_ms()};
	struct parsing parsing = {.line = &line};
	int code = EXIT_USAGE, parsed;

	program_fill_standard_descriptors();
	(void)signal(SIGPIPE, SIG_IGN);
	say_init("readyctl fleet", "readyctl fleet");
	parsed = parse(&parsing, argv + (argc > 0));
	if (parsed == 0 && parsing.is_done)
		code = print_flush() == 0 ? EXIT_READY : EXIT_FAILED;
	else if (parsed == 0 && parsing.command != NULL)
		code = parsing.command->run(&line);
	free(line.targets);
	return code;
}
