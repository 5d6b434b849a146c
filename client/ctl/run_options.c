#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl/duration.h"
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

static int set_duration(const char *name, const char *value, int64_t *ms)
{
	if (duration_parse(value, ms) == 0)
		return 0;
	return usage(name, value, "not a duration such as 5, 0.5, 500ms or 2m, at most 1000h");
}

static int set_timeout(struct run_options *o, const char *value)
{
	return set_duration("--timeout", value, &o->timeout_ms);
}

static int set_kill_after(struct run_options *o, const char *value)
{
	return set_duration("--kill-after", value, &o->kill_after_ms);
}

static int set_print(struct run_options *o, const char *value)
{
	if (strcmp(value, "pid") != 0 && strcmp(value, "json") != 0)
		return usage("--print", value, "use pid or json");
	o->print = value[0] == 'p' ? PRINT_PID : PRINT_JSON;
	return 0;
}

static int set_json(struct run_options *o, const char *value)
{
	(void)value;
	o->print = PRINT_JSON;
	return 0;
}

static int set_foreground(struct run_options *o, const char *value)
{
	(void)value;
	o->foreground = true;
	return 0;
}

static int set_detach(struct run_options *o, const char *value)
{
	(void)value;
	o->detach = true;
	return 0;
}

static int set_quiet(struct run_options *o, const char *value)
{
	(void)value;
	o->quiet = true;
	return 0;
}

static int set_help(struct run_options *o, const char *value)
{
	(void)value;
	o->help = true;
	return 0;
}

static int set_socket(struct run_options *o, const char *value)
{
	o->options.socket = value;
	return 0;
}

static int set_dir(struct run_options *o, const char *value)
{
	o->options.dir = value;
	return 0;
}

static int set_prefix(struct run_options *o, const char *value)
{
	o->options.prefix = value;
	return 0;
}

static int set_no_fallback(struct run_options *o, const char *value)
{
	(void)value;
	o->options.backend = READYD_BACKEND_DAEMON;
	return 0;
}

static int set_sign(struct run_options *o, enum run_sign sign, const char *name, const char *value)
{
	if (o->sign != SIGN_MARKER && o->sign != sign)
		return usage(name, "", "use one of --notify, --notify-fd, --listen and --line");
	o->sign = sign;
	o->sign_value = value;
	return 0;
}

static int set_notify(struct run_options *o, const char *value)
{
	return set_sign(o, SIGN_NOTIFY, "--notify", value);
}

static int set_notify_fd(struct run_options *o, const char *value)
{
	uint64_t number;

	if (number_parse(value, strlen(value), 1023, &number) != 0 || number < 3)
		return usage("--notify-fd", value, "use the number of a descriptor from 3 to 1023");
	o->notify_fd = (int)number;
	return set_sign(o, SIGN_NOTIFY_FD, "--notify-fd", value);
}

static int set_listen(struct run_options *o, const char *value)
{
	const char *hint = "use a port from 1 to 65535, @NAME, or a path with a slash such as ./socket";
	uint64_t port;

	if (value[0] != '@' && strchr(value, '/') == NULL &&
	    (number_parse(value, strlen(value), 65535, &port) != 0 || port == 0))
		return usage("--listen", value, hint);
	return set_sign(o, SIGN_LISTEN, "--listen", value);
}

static int set_line(struct run_options *o, const char *value)
{
	return set_sign(o, SIGN_LINE, "--line", value);
}

static const struct option_row {
	const char *name; /* with its dashes */
	char letter;	  /* 0: none */
	bool takes_value, run_only;
	int (*set)(struct run_options *o, const char *value);
} rows[] = {
    {"--timeout", 't', true, true, set_timeout},
    {"--kill-after", 0, true, true, set_kill_after},
    {"--print", 0, true, true, set_print},
    {"--json", 0, false, true, set_json},
    {"--foreground", 0, false, true, set_foreground},
    {"--detach", 0, false, true, set_detach},
    {"--notify", 0, false, true, set_notify},
    {"--notify-fd", 0, true, true, set_notify_fd},
    {"--listen", 0, true, true, set_listen},
    {"--line", 0, true, true, set_line},
    {"--quiet", 'q', false, false, set_quiet},
    {"--socket", 's', true, false, set_socket},
    {"--dir", 'd', true, false, set_dir},
    {"--prefix", 0, true, false, set_prefix},
    {"--no-fallback", 0, false, false, set_no_fallback},
    {"--help", 'h', false, false, set_help},
};

/* One word, or two, of the command line. */
struct option_found {
	const struct option_row *row;
	const char *value;
	bool value_missing, value_extra;
	size_t words;
};

static const struct option_row *row_of(const char *word, size_t length)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool by_letter = word[1] != '-' && word[1] != '\0' && word[1] == rows[i].letter;

		if (by_letter || (strlen(rows[i].name) == length && memcmp(rows[i].name, word, length) == 0))
			return &rows[i];
	}
	return NULL;
}

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

	*found = (struct option_found){.row = row_of(argv[0], length), .words = 1};
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
	return set_duration("READYD_TIMEOUT", value, &o->timeout_ms);
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
