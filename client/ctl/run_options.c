#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl/run_option_rows.h"
#include "client/ctl/run_options.h"
#include "client/ctl/usage.h"
#include "src/number.h"

/* How long a worker that is to end may take after SIGTERM. */
#define KILL_AFTER_MS 10000

static const char run_help[] =
    "Usage: readyctl run [options] [--] COMMAND [ARGUMENT...]\n"
    "Starts a worker, waits until it is ready, and stays as its parent: passes signals on, and ends\n"
    "with its exit status.\n"
    "\n"
    "  -t, --timeout DURATION  end the worker if it is not ready by then (default: wait forever)\n"
    "      --kill-after DURATION  end it by SIGKILL so long after SIGTERM (default: 10s)\n"
    "      --foreground        stay until the worker has ended (default)\n"
    "      --detach            leave it running once it is ready, and print its pid\n"
    "      --print pid|json    print the pid, or JSON objects, on standard output\n"
    "  -q, --quiet             print nothing on standard output, and no lines about the waiting\n"
    "What makes it ready, besides its marker:\n"
    "      --notify            it sends READY=1 to NOTIFY_SOCKET, as with sd_notify(3)\n"
    "      --notify-fd N       it writes a newline to descriptor N\n"
    "      --listen PORT|PATH  it listens on this TCP port or unix socket\n"
    "      --line REGEX        it prints a line that matches; not with --detach\n"
    "Also -s, --socket PATH; -d, --dir DIR; --prefix NAME; --no-fallback; -h, --help\n"
    "\n"
    "Exit status: the worker's, once it was ready. Before that: 2 usage, 3 died, 4 exited,\n"
    "6 unreachable, 124 not ready in time, 125 failure, 126 the command cannot be executed,\n"
    "127 there is no such command. The message says which it is. See readyctl-run(1).\n";

static const char mark_help[] =
    "Usage: readyctl mark [options] [PID]\n"
    "Writes the marker of a process of yours: of PID, or of the process that calls readyctl, as a shell.\n"
    "\n"
    "  -s, --socket PATH       the daemon's socket\n"
    "  -d, --dir DIR           the marker directory\n"
    "      --prefix NAME       the marker's name without the pid\n"
    "      --no-fallback       fail if the daemon is not available\n"
    "  -h, --help              print this help and exit\n"
    "\n"
    "Exit status: 0 the process is marked, 2 usage, 3 it has ended, 125 failure.\n"
    "See readyctl-run(1).\n";

const char *run_options_help(const struct run_options *o)
{
	return strcmp(o->command, "run") == 0 ? run_help : mark_help;
}

/* One word, or two, of the command line. */
struct option_found {
	const struct run_option_row *row;
	const char *value;
	bool value_missing, value_extra;
	size_t words;
};

/* What is attached to the option: --name=VALUE, -nVALUE; NULL: nothing. */
static const char *attached(const char *word, size_t length)
{
	if (word[1] == '-')
		return word[length] == '=' ? word + length + 1 : NULL;
	return word[2] != '\0' ? word + 2 : NULL;
}

/* False: the first word is not one of these options. */
static bool find_option(char **argv, struct option_found *found)
{
	size_t length = strcspn(argv[0], "=");

	*found = (struct option_found){.row = run_option_find(argv[0], length), .words = 1};
	if (found->row == NULL)
		return false;
	found->value = attached(argv[0], length);
	found->value_extra = !found->row->takes_value && found->value != NULL;
	if (!found->row->takes_value || found->value != NULL)
		return true;
	found->value = argv[1];
	found->value_missing = argv[1] == NULL;
	found->words += argv[1] != NULL;
	return true;
}

bool run_options_are_meant(char **argv)
{
	struct option_found found;
	size_t at = 1;

	while (argv[0] != NULL && argv[at] != NULL && argv[at][0] == '-' && find_option(argv + at, &found))
		at += found.words;
	return argv[0] != NULL && argv[at] != NULL &&
	       (strcmp(argv[at], "run") == 0 || strcmp(argv[at], "mark") == 0);
}

static int take_option(struct run_options *o, char ***argv)
{
	struct option_found found;

	if (!find_option(*argv, &found))
		return usage("unknown option", (*argv)[0], "an option of the worker comes after its name");
	if (found.value_missing)
		return usage(found.row->name, "", "requires a value");
	if (found.value_extra)
		return usage(found.row->name, found.value, "does not take a value");
	if (found.row->run_only)
		o->run_only = found.row->name;
	*argv += found.words;
	return found.row->set(o, found.value);
}

/* "-" is a word. */
static int take_options(struct run_options *o, char ***argv)
{
	while (**argv != NULL && (**argv)[0] == '-' && (**argv)[1] != '\0') {
		if (strcmp(**argv, "--") == 0) {
			(*argv)++;
			return 0;
		}
		if (take_option(o, argv) != 0)
			return -1;
	}
	return 0;
}

static int take_pid(struct run_options *o, char **argv)
{
	uint64_t pid;

	if (argv[0] == NULL)
		return 0;
	if (argv[1] != NULL)
		return usage("extra argument", argv[1], "mark takes one pid");
	if (argv[0][0] == '0' || number_parse(argv[0], strlen(argv[0]), INT_MAX, &pid) != 0)
		return usage(
		    "process", argv[0], "not a PID, a positive decimal number without leading zeros");
	o->pid = (pid_t)pid;
	return 0;
}

/* What only makes sense with something else, or without. */
static int check(const struct run_options *o)
{
	if (o->detach && o->foreground)
		return usage("--detach", "", "not with --foreground");
	if (o->detach && o->sign == SIGN_LINE)
		return usage("--line", "",
		    "not with --detach, since the output of the worker would end with readyctl");
	if (o->argv[0] == NULL)
		return usage("no command to run", "", "use readyctl run -- COMMAND [ARGUMENT...]");
	return 0;
}

static int take_timeout_of_environment(struct run_options *o)
{
	const char *value = secure_getenv("READYD_TIMEOUT");

	if (o->timeout_ms >= 0 || value == NULL || value[0] == '\0')
		return 0;
	return run_option_duration("READYD_TIMEOUT", value, &o->timeout_ms);
}

int run_options_parse(struct run_options *o, char **argv)
{
	*o = (struct run_options){.timeout_ms = -1, .kill_after_ms = KILL_AFTER_MS};
	argv++;
	if (take_options(o, &argv) != 0)
		return -1;
	o->command = *argv++;
	if (take_options(o, &argv) != 0)
		return -1;
	o->argv = argv;
	if (o->help)
		return 0;
	if (strcmp(o->command, "mark") == 0 && o->run_only != NULL)
		return usage(o->run_only, "", "valid for run only");
	if (usage_check(&o->options) != 0)
		return -1;
	if (strcmp(o->command, "mark") == 0)
		return take_pid(o, argv);
	return check(o) == 0 ? take_timeout_of_environment(o) : -1;
}
