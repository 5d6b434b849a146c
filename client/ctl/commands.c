#include "config.h"

#include <stdio.h>
#include <string.h>

#include "client/ctl/command.h"
#include "client/ctl/commands.h"
#include "client/ctl/options.h"
#include "client/ctl/usage.h"
#include "src/suggest.h"

static const char about_wait[] =
    "PID:START names one process even after its pid has been reused; answers print start=START. For PID\n"
    "'-', processes are read from standard input. With a COMMAND, readyctl becomes it as soon as the\n"
    "processes are ready.\n";
static const char about_run[] =
    "Signals are passed on to the worker. It is ready when it has written its marker or, if one of --notify\n"
    "to --line is given, as soon as that sign is seen; readyctl then writes the marker for it.\n";
static const char about_mark[] = "Without PID, it is the process that has started readyctl, as a shell.\n";
static const char about_status[] =
    "PID:START names one process even after its pid has been reused; answers print start=START. For PID\n"
    "'-', processes are read from standard input.\n";
static const char about_list[] =
    "The daemon lists what is ready or waited for. Without it, the living processes with a marker are\n"
    "listed.\n";

static const char about_monitor[] = "On a terminal, a table that changes with the processes; q ends it. "
				    "Elsewhere, a line for each transition,\n"
				    "after the present state. With PID, only of these processes.\n";

const struct command commands_table[] = {
    {.name = "wait",
	.bit = FOR_WAIT,
	.run = command_wait,
	.operands = "PID[:START]... [-- COMMAND [ARGUMENT]...]",
	.summary = "wait until processes are ready, or have ended",
	.about = about_wait,
	.takes_processes = true,
	.takes_command = true,
	.waits = true,
	.looks = true},
    {.name = "run",
	.bit = FOR_RUN,
	.run = command_run,
	.operands = "[--] COMMAND [ARGUMENT]...",
	.summary = "start a worker, wait until it is ready, and end with its exit status",
	.about = about_run,
	.starts_worker = true},
    {.name = "mark",
	.bit = FOR_MARK,
	.run = command_mark,
	.operands = "[PID]",
	.summary = "write the marker of a process of this user",
	.about = about_mark},
    {.name = "status",
	.bit = FOR_STATUS,
	.run = command_status,
	.operands = "PID[:START]...",
	.summary = "print the state of processes",
	.about = about_status,
	.takes_processes = true,
	.looks = true},
    {.name = "list",
	.bit = FOR_LIST,
	.run = command_list,
	.summary = "print all known processes",
	.about = about_list,
	.looks = true},
    {.name = "monitor",
	.bit = FOR_MONITOR,
	.run = command_monitor,
	.operands = "[PID[:START]]...",
	.summary = "show all processes and what happens to them",
	.about = about_monitor,
	.takes_processes = true,
	.takes_none = true},
    {.name = "ping",
	.bit = FOR_PING,
	.run = command_ping,
	.summary = "check that the daemon answers",
	.about = ""},
    {.name = "stats",
	.bit = FOR_STATS,
	.run = command_stats,
	.summary = "print the counters of the daemon",
	.about = ""},
    {.name = "fleet",
	.summary = "wait for processes of other machines (readyctl-fleet(1))",
	.about = "",
	.is_external = true},
    {.name = "help",
	.bit = FOR_HELP,
	.operands = "[COMMAND]",
	.summary = "print the help of a command",
	.about = ""},
    {.name = NULL},
};

static void list_names(char *text, size_t size)
{
	size_t length = 0;

	for (const struct command *c = commands_table; c->name != NULL && length < size; c++)
		length += (size_t)snprintf(text + length, size - length, "%s%s",
		    c == commands_table ? ""
		    : c[1].name == NULL ? " or "
					: ", ",
		    c->name);
}

/* The name of an option, without its dashes. */
static bool is_option(const char *word)
{
	for (const struct arguments_option *o = options_table; word != NULL && o->name != NULL; o++)
		if (strcmp(o->name, word) == 0)
			return true;
	return false;
}

const struct command *commands_find(const char *name)
{
	struct suggestion best = {0};
	char names[256], hint[320];

	for (const struct command *c = commands_table; name != NULL && c->name != NULL; c++) {
		if (strcmp(c->name, name) == 0)
			return c;
		suggestion_consider(&best, name, c->name);
	}
	list_names(names, sizeof(names));
	if (is_option(name))
		snprintf(hint, sizeof(hint), "did you mean --%s?", name);
	else if (best.name != NULL)
		snprintf(hint, sizeof(hint), "did you mean %s?", best.name);
	else
		snprintf(hint, sizeof(hint), "use %s", names);
	usage_report(name != NULL ? "unknown command" : "no command", name != NULL ? name : "", hint);
	return NULL;
}

static const char exit_codes[] =
    "\n"
    "Exit status: 0 ready, 1 pending, 2 usage, 3 died, 4 exited, 5 stale, 6 unreachable,\n"
    "124 timed out, 125 failure, 126 and 127 COMMAND cannot be executed or found. With several processes:\n"
    "that of the first that is not ready. With --for=end, 0 is an end after readiness.\n"
    "See readyctl(1).\n";

static const char run_exit_codes[] =
    "\n"
    "Exit status: the worker's, once it was ready. Before that: 2 usage, 3 died, 4 exited,\n"
    "6 unreachable, 124 not ready in time, 125 failure, 126 the command cannot be executed,\n"
    "127 there is no such command. The message says which it is. See readyctl-run(1).\n";

static void print_overview(void)
{
	fputs("Usage: readyctl COMMAND [OPTION]... [ARGUMENT]...\n"
	      "Waits until worker processes are ready, or reports their state.\n"
	      "\n",
	    stdout);
	for (const struct command *c = commands_table; c->name != NULL; c++)
		printf("  %-10s  %s\n", c->name, c->summary);
	fputs("\n'readyctl help COMMAND' prints the options of a command. These are for all:\n", stdout);
	arguments_print(options_table, FOR_ALL & ~FOR_HELP);
	fputs(exit_codes, stdout);
}

void commands_print_help(const struct command *command)
{
	const char *operands;

	if (command == NULL) {
		print_overview();
		return;
	}
	operands = command->operands != NULL ? command->operands : "";
	printf("Usage: readyctl %s [OPTION]...%s%s\n%c%s.\n%s\n", command->name,
	    operands[0] != '\0' ? " " : "", operands, command->summary[0] - 'a' + 'A', command->summary + 1,
	    command->about);
	arguments_print(options_table, command->bit);
	fputs(command->bit == FOR_RUN			   ? run_exit_codes
	      : command->bit == FOR_MONITOR		   ? "\nSee readyctl-monitor(1).\n"
	      : command->looks && command->takes_processes ? exit_codes
							   : "\nSee readyctl(1).\n",
	    stdout);
}
