#include "config.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/ctl/command.h"
#include "client/ctl/duration.h"
#include "client/ctl/lookout.h"
#include "client/ctl/output.h"
#include "client/ctl/usage.h"
#include "readyd/marker.h"
#include "src/number.h"
#include "src/program.h"
#include "src/span.h"

enum {
	OPT_TIMEOUT = 256,
	OPT_ANY,
	OPT_ALL,
	OPT_JSON,
	OPT_NO_FALLBACK,
	OPT_PREFIX,
	OPT_NOT_STARTED,
	OPT_STALE,
	OPT_STRICT_AGE,
	OPT_LEGEND,
	OPT_VERSION
};

static const struct option longopts[] = {
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"any", no_argument, NULL, OPT_ANY},
    {"all", no_argument, NULL, OPT_ALL},
    {"not-started", required_argument, NULL, OPT_NOT_STARTED},
    {"stale", required_argument, NULL, OPT_STALE},
    {"strict-age", no_argument, NULL, OPT_STRICT_AGE},
    {"legend", required_argument, NULL, OPT_LEGEND},
    {"json", no_argument, NULL, OPT_JSON},
    {"quiet", no_argument, NULL, 'q'},
    {"socket", required_argument, NULL, 's'},
    {"dir", required_argument, NULL, 'd'},
    {"prefix", required_argument, NULL, OPT_PREFIX},
    {"no-fallback", no_argument, NULL, OPT_NO_FALLBACK},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

static const struct command {
	const char *name;
	int (*run)(const struct command_line *line);
	bool takes_pids, waits;
	bool looks; /* at markers, by itself */
} commands[] = {
    {"wait", command_wait, true, true, true},
    {"status", command_status, true, false, true},
    {"list", command_list, false, false, true},
    {"ping", command_ping, false, false, false},
    {"stats", command_stats, false, false, false},
};

static const char help[] =
    "Usage: readyctl wait [--timeout DURATION] [--any | --all] PID[:START]...\n"
    "       readyctl status PID[:START]...\n"
    "       readyctl list | ping | stats\n"
    "Waits until worker processes are ready, or reports their state.\n"
    "PID:START names one process even after its pid has been reused; answers print start=START.\n"
    "\n"
    "      --timeout DURATION  give up after 5, 0.5, 500ms, 2m, ... (default: wait forever)\n"
    "      --any               wait until one process is ready\n"
    "      --all               wait until all are ready; stop when one no longer can be (default)\n"
    "      --not-started=fail|wait  if no process has the pid: report died (default), or wait for one\n"
    "      --stale=fail|wait   if the marker is not the process's own: report stale, or wait until it\n"
    "                          is (default)\n"
    "      --strict-age        do not assume that a marker as old as the process is its own\n"
    "      --legend CODE=TEXT  print TEXT with the exit status CODE of a process\n"
    "      --json              print one JSON object per line\n"
    "  -q, --quiet             print no answers, only set the exit status\n"
    "  -s, --socket PATH       the daemon's socket (" READYD_DEFAULT_SOCKET ")\n"
    "  -d, --dir DIR           the marker directory (the daemon's, else " READYD_MARKER_DIR ")\n"
    "      --prefix NAME       the marker's name without the pid (the daemon's, else\n"
    "                          " READYD_MARKER_NAME_PREFIX ")\n"
    "      --no-fallback       fail if the daemon is not available, instead of checking the files\n"
    "  -h, --help              print this help and exit\n"
    "      --version           print the version and exit\n"
    "\n"
    "Exit status: 0 ready, 1 pending, 2 usage, 3 died, 4 exited, 5 stale, 6 unreachable,\n"
    "124 timed out, 125 failure. With several processes: that of the first that is not ready.\n"
    "See readyctl(1).\n";

struct parsed {
	struct command_line line;
	const struct command *command;
	bool done;	       /* --help or --version: answered */
	const char *wait_only; /* the last option given that is valid for wait only */
};

/* flag is for the word `on`. */
static int set_fail_or_wait(
    struct parsed *parsed, const char *option, const char *value, const char *on, unsigned flag)
{
	parsed->wait_only = option;
	if (strcmp(value, "wait") != 0 && strcmp(value, "fail") != 0)
		return usage(option, value, "use fail or wait");
	if (strcmp(value, on) == 0)
		parsed->line.options.flags |= flag;
	else
		parsed->line.options.flags &= ~flag;
	return 0;
}

static int set_legend(struct parsed *parsed, const char *value)
{
	size_t digits = strcspn(value, "=");
	uint64_t code;

	if (value[digits] != '=' || number_parse(value, digits, 255, &code) != 0)
		return usage("--legend", value, "not CODE=TEXT with an exit status from 0 to 255");
	parsed->line.legend[code] = value + digits + 1;
	return 0;
}

static int set(struct parsed *parsed, int opt, const char *value)
{
	struct command_line *line = &parsed->line;

	switch (opt) {
	case OPT_TIMEOUT:
		parsed->wait_only = "--timeout";
		if (duration_parse(value, &line->timeout_ms) != 0)
			return usage(
			    "--timeout", value, "not a duration such as 5, 0.5, 500ms or 2m, at most 1000h");
		return 0;
	case OPT_ANY:
	case OPT_ALL:
		parsed->wait_only = opt == OPT_ANY ? "--any" : "--all";
		line->any = opt == OPT_ANY;
		return 0;
	case OPT_NOT_STARTED:
		return set_fail_or_wait(parsed, "--not-started", value, "wait", READYD_OPTION_AWAIT_START);
	case OPT_STALE:
		return set_fail_or_wait(parsed, "--stale", value, "fail", READYD_OPTION_FAIL_STALE);
	case OPT_STRICT_AGE:
		line->options.flags |= READYD_OPTION_STRICT_AGE;
		return 0;
	case OPT_LEGEND:
		return set_legend(parsed, value);
	case OPT_JSON:
		line->json = true;
		return 0;
	case 'q':
		line->quiet = true;
		return 0;
	case 's':
		line->options.socket = value;
		return 0;
	case 'd':
		line->options.dir = value;
		return 0;
	case OPT_PREFIX:
		line->options.prefix = value;
		return 0;
	case OPT_NO_FALLBACK:
		line->options.backend = READYD_BACKEND_DAEMON;
		return 0;
	case OPT_VERSION:
		printf("readyctl %s\n", PACKAGE_VERSION);
		parsed->done = true;
		return 0;
	case 'h':
		fputs(help, stdout);
		parsed->done = true;
		return 0;
	default:
		return -1;
	}
}

static int find_command(struct parsed *parsed, const char *name)
{
	if (name == NULL)
		return usage("no command", "", "use wait, status, list, ping or stats");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, name) == 0)
			parsed->command = &commands[i];
	if (parsed->command == NULL)
		return usage("unknown command", name, "use wait, status, list, ping or stats");
	if (parsed->wait_only != NULL && !parsed->command->waits)
		return usage(parsed->wait_only, "", "valid for wait only");
	return 0;
}

/* A marker's name has no leading zero either. */
static bool has_leading_zero(const char *word)
{
	const char *colon = strchr(word, ':');

	return word[0] == '0' || (colon != NULL && colon[1] == '0');
}

static int take_pids(struct parsed *parsed, char **words, size_t count)
{
	struct command_line *line = &parsed->line;
	struct named_process *process;

	if (!parsed->command->takes_pids)
		return count == 0 ? 0 : usage("extra argument", words[0], "this command takes no arguments");
	if (count == 0)
		return usage("no process", "", "name at least one pid");
	line->processes = calloc(count, sizeof(*line->processes));
	if (line->processes == NULL)
		exit(command_failed(line, parsed->command->waits ? "cannot wait" : "cannot ask"));
	for (size_t i = 0; i < count; i++) {
		process = &line->processes[line->process_count++];
		if (has_leading_zero(words[i]) || span_process((struct span){words[i], strlen(words[i])},
						      &process->pid, &process->start) != 0)
			return usage("process", words[i],
			    "not PID or PID:START, positive decimal numbers without leading zeros");
	}
	return 0;
}

static int parse(struct parsed *parsed, int argc, char **argv)
{
	int opt;

	parsed->line.options.size = sizeof(parsed->line.options);
	parsed->line.timeout_ms = -1;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":qs:d:h", longopts, NULL)) != -1) {
		if (opt == ':')
			return usage("option", argv[optind - 1], "requires a value");
		if (opt == '?')
			return usage("option", argv[optind - 1], "unknown, or does not take a value");
		if (set(parsed, opt, optarg) != 0 || parsed->done)
			return parsed->done ? 0 : -1;
	}
	if (find_command(parsed, argv[optind]) != 0 || usage_check(&parsed->line.options) != 0)
		return -1;
	return take_pids(parsed, argv + optind + 1, (size_t)(argc - optind - 1));
}

static int run(struct parsed *parsed)
{
	if (parsed->command->looks && lookout_is_needed(&parsed->line))
		return lookout_run(&parsed->line, parsed->command->run, parsed->command->waits);
	return parsed->command->run(&parsed->line);
}

int main(int argc, char **argv)
{
	struct parsed parsed = {0};
	int code = EXIT_USAGE;

	/* Writing to a closed pipe is then an error, see output_finish(). */
	signal(SIGPIPE, SIG_IGN);
	program_fill_standard_descriptors();
	if (parse(&parsed, argc, argv) != 0)
		goto out;
	if (parsed.done) {
		code = output_finish() == 0 ? EXIT_READY : EXIT_FAILED;
		goto out;
	}
	/* Each process takes a pidfd; fewer need no more than the limit that everything has. */
	if (parsed.line.process_count > 100)
		(void)program_raise_descriptor_limit();
	code = run(&parsed);
out:
	free(parsed.line.processes);
	return code;
}
