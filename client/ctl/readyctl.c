#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "client/ctl/command.h"
#include "client/ctl/commands.h"
#include "client/ctl/external.h"
#include "client/ctl/handover.h"
#include "client/ctl/interrupts.h"
#include "client/ctl/lookout.h"
#include "client/ctl/operands.h"
#include "client/ctl/options.h"
#include "client/ctl/output.h"
#include "client/ctl/run_options.h"
#include "client/ctl/usage.h"
#include "src/clock.h"
#include "src/program.h"

struct parsed {
	struct command_line line;
	const struct command *command; /* NULL: none is given */
	const struct command *topic;   /* what help is about; NULL: readyctl */
	char **external;	       /* the command is a program of its own: its words; NULL: it is not */
	bool done;		       /* help or version: answered */
};

/* The first word that is not an option; options may come before it. */
static const char *command_name(char **words)
{
	struct arguments arguments = {.at = words, .options = options_table, .commands = FOR_ALL};
	int got;

	do
		got = arguments_next(&arguments);
	while (got >= 0);
	return got == ARGUMENTS_WORD ? arguments.value : got == ARGUMENTS_DASHES ? *arguments.at : NULL;
}

/* "valid for wait and status only" */
static int misplaced(const char *option, unsigned valid)
{
	char text[128] = "valid for";
	size_t length = strlen(text);
	const char *gap = " ";

	for (const struct command *c = commands_table; c->name != NULL; c++) {
		if ((valid & c->bit) == 0)
			continue;
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s", gap, c->name);
		gap = ", ";
	}
	snprintf(text + length, sizeof(text) - length, " only");
	return usage(option, "", text);
}

static int set(struct parsed *parsed, const struct arguments *arguments, int option)
{
	if ((arguments->valid & arguments->commands) == 0)
		return misplaced(arguments->what, arguments->valid);
	if (option == OPT_HELP)
		commands_print_help(parsed->command);
	else if (option == OPT_VERSION)
		printf("readyctl %s\n", PACKAGE_VERSION);
	else
		return options_set(&parsed->line, option, arguments->value);
	parsed->done = true;
	return 0;
}

static int take_operand(struct parsed *parsed, const char *word)
{
	if (parsed->command->bit == FOR_HELP) {
		if (parsed->topic != NULL)
			return usage("extra argument", word, "help takes one command");
		parsed->topic = commands_find(word);
		return parsed->topic != NULL ? 0 : -1;
	}
	if (parsed->command->bit == FOR_MARK)
		return run_options_take_pid(&parsed->line.run, word);
	if (!parsed->command->takes_processes)
		return usage("extra argument", word, "this command takes no arguments");
	return operands_take(&parsed->line, word);
}

static int take_rest(struct parsed *parsed, char **words, bool named)
{
	if (parsed->command == NULL)
		return 0; /* then there are no words */
	if (named && parsed->command->starts_worker) {
		parsed->line.command = *words != NULL ? words : NULL;
		return 0;
	}
	if (named && parsed->command->takes_command) {
		parsed->line.command = words;
		return *words != NULL ? 0 : usage("no command after --", "", "give the program to execute");
	}
	for (words += !named && *words != NULL; *words != NULL; words++)
		if (take_operand(parsed, *words) != 0)
			return -1;
	return 0;
}

static int take_words(struct parsed *parsed, char **words)
{
	struct arguments arguments = {.at = words,
	    .options = options_table,
	    .commands = parsed->command != NULL ? parsed->command->bit : FOR_ALL};
	bool named = false; /* the command */
	bool is_operand;
	int got;

	while ((got = arguments_next(&arguments)) != ARGUMENTS_END) {
		if (got == ARGUMENTS_WRONG)
			return usage("option", arguments.what, arguments.hint);
		if (got == ARGUMENTS_DASHES)
			return take_rest(parsed, arguments.at, named);
		is_operand = got == ARGUMENTS_WORD && named && parsed->command != NULL;
		if (is_operand && parsed->command->starts_worker)
			return take_rest(parsed, arguments.at - 1, named);
		if (is_operand && take_operand(parsed, arguments.value) != 0)
			return -1;
		named |= got == ARGUMENTS_WORD;
		if (got >= 0 && set(parsed, &arguments, got) != 0)
			return -1;
		if (got >= 0 && parsed->done)
			return 0;
	}
	return 0;
}

static int take_external(struct parsed *parsed, char **words)
{
	if (strcmp(words[0], parsed->command->name) != 0)
		return usage("option", words[0], "the options of this command follow its name");
	parsed->external = words;
	return 0;
}

static void give_help(struct parsed *parsed)
{
	static char name[32], option[] = "--help", *words[] = {name, option, NULL};

	if (parsed->topic != NULL && parsed->topic->is_external) {
		snprintf(name, sizeof(name), "%s", parsed->topic->name);
		parsed->external = words;
		return;
	}
	commands_print_help(parsed->topic);
	parsed->done = true;
}

static int parse(struct parsed *parsed, char **words)
{
	const char *name = command_name(words);

	if (name != NULL && (parsed->command = commands_find(name)) == NULL)
		return -1;
	usage_set_command(name);
	if (name != NULL && parsed->command->is_external)
		return take_external(parsed, words);
	if (take_words(parsed, words) != 0)
		return -1;
	if (parsed->done)
		return 0;
	if (parsed->command == NULL)
		return commands_find(NULL) == NULL ? -1 : 0;
	if (parsed->command->bit == FOR_HELP) {
		give_help(parsed);
		return 0;
	}
	if (options_finish(&parsed->line, parsed->command->bit) != 0)
		return -1;
	if (parsed->command->takes_processes && !parsed->command->takes_none &&
	    parsed->line.process_count == 0 && !parsed->line.reads_input)
		return usage("no process", "", "name at least one pid");
	return 0;
}

/* What is named on standard input is known only now. */
static int read_input(struct parsed *parsed)
{
	int code;

	if (!parsed->line.reads_input)
		return EXIT_READY;
	if (parsed->command->waits)
		interrupts_catch();
	code = operands_read(&parsed->line, parsed->command->waits);
	if (code == EXIT_READY && parsed->line.process_count == 0) {
		usage_report("no process", "", "standard input names none");
		return EXIT_USAGE;
	}
	return code;
}

static int run(struct parsed *parsed)
{
	const struct command *command = parsed->command;
	int code = read_input(parsed);

	if (code != EXIT_READY)
		return code;
	/* Each process takes a pidfd; fewer need no more than the limit that everything has. */
	if (parsed->line.process_count > 100)
		(void)program_raise_descriptor_limit();
	if (command->starts_worker)
		handover_restore_signals();
	if (command->looks && lookout_is_needed(&parsed->line))
		code = lookout_run(&parsed->line, command->run, command->waits);
	else
		code = command->run(&parsed->line);
	return code == EXIT_READY && command->takes_command && parsed->line.command != NULL
		   ? handover(parsed->line.command)
		   : code;
}

int main(int argc, char **argv)
{
	static struct parsed parsed; /* its memory is in use until the end */

	parsed.line.options.size = sizeof(parsed.line.options);
	parsed.line.timeout_ms = -1;
	parsed.line.began = clock_ms();
	handover_prepare();
	/* Writing to a closed pipe is then an error, see output_finish(). */
	signal(SIGPIPE, SIG_IGN);
	program_fill_standard_descriptors();
	if (parse(&parsed, argv + (argc > 0)) != 0)
		return EXIT_USAGE;
	if (parsed.external != NULL)
		return external_run(parsed.external);
	return parsed.done ? (output_finish() == 0 ? EXIT_READY : EXIT_FAILED) : run(&parsed);
}
