#include "config.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "client/ctl/command.h"
#include "client/ctl/duration.h"
#include "client/ctl/lookout.h"
#include "client/ctl/output.h"
#include "readyd/marker.h"
#include "src/number.h"
#include "src/span.h"

enum {
	OPT_TIMEOUT = 256,
	OPT_ANY,
	OPT_ALL,
	OPT_JSON,
	OPT_NO_FALLBACK,
	OPT_PREFIX,
	OPT_NOT_STARTED,
	OPT_LEGEND,
	OPT_VERSION
};

static const struct option longopts[] = {
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"any", no_argument, NULL, OPT_ANY},
    {"all", no_argument, NULL, OPT_ALL},
    {"not-started", required_argument, NULL, OPT_NOT_STARTED},
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
    "Waits for, or tells, whether worker processes have said that they are ready.\n"
    "PID:START names one process, as answers do (start=START), even when the pid has passed on.\n"
    "\n"
    "      --timeout DURATION  give up after 5, 0.5, 500ms, 2m, ... (no default: waits for ever)\n"
    "      --any               wait until one of the processes is ready\n"
    "      --all               wait until all are ready; end when one cannot be any more (default)\n"
    "      --not-started=fail|wait  a pid that no process has yet has died (default), or is waited for\n"
    "      --legend CODE=TEXT  what exit status CODE means; shown with it\n"
    "      --json              one JSON object a line\n"
    "  -q, --quiet             no answers on standard output, only the exit status\n"
    "  -s, --socket PATH       the daemon's socket (" READYD_DEFAULT_SOCKET ")\n"
    "  -d, --dir DIR           the marker directory (the daemon's, else " READYD_MARKER_DIR ")\n"
    "      --prefix NAME       the markers' name without the pid (the daemon's, else\n"
    "                          " READYD_MARKER_NAME_PREFIX ")\n"
    "      --no-fallback       fail where the daemon cannot be had, instead of watching the file\n"
    "  -h, --help              print this and exit\n"
    "      --version           print the version and exit\n"
    "\n"
    "Exit status: 0 ready, 1 pending, 2 usage, 3 died, 4 exited, 5 stale, 6 unreachable,\n"
    "124 timed out, 125 failure. With several processes: of the first that is not ready.\n"
    "See readyctl(1).\n";

static int usage(const char *what, const char *value, const char *hint)
{
	fprintf(stderr, "readyctl: %s%s%s%s: %s; try 'readyctl --help'\n", what, value[0] != '\0' ? " '" : "",
	    value, value[0] != '\0' ? "'" : "", hint);
	return -1;
}

struct parsed {
	struct command_line line;
	const struct command *command;
	bool done;	       /* --help or --version: answered */
	const char *wait_only; /* the last option that only wait takes */
};

static int set_not_started(struct parsed *parsed, const char *value)
{
	parsed->wait_only = "--not-started";
	if (strcmp(value, "wait") == 0)
		parsed->line.options.flags |= READYD_OPTION_AWAIT_START;
	else if (strcmp(value, "fail") == 0)
		parsed->line.options.flags &= ~READYD_OPTION_AWAIT_START;
	else
		return usage("--not-started", value, "say fail or wait");
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
		return set_not_started(parsed, value);
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
		return usage("no command", "", "say wait, status, list, ping or stats");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, name) == 0)
			parsed->command = &commands[i];
	if (parsed->command == NULL)
		return usage("unknown command", name, "say wait, status, list, ping or stats");
	if (parsed->wait_only != NULL && !parsed->command->waits)
		return usage(parsed->wait_only, "", "only wait takes it");
	return 0;
}

/* No pid is written so, and a marker's name with such a number is no marker's. */
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
		return count == 0 ? 0 : usage("extra argument", words[0], "this command takes none");
	if (count == 0)
		return usage("no process", "", "name at least one pid");
	line->processes = calloc(count, sizeof(*line->processes));
	if (line->processes == NULL)
		return usage("out of memory", "", "name fewer pids");
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

	parsed->line.timeout_ms = -1;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":qs:d:h", longopts, NULL)) != -1) {
		if (opt == ':')
			return usage("option", argv[optind - 1], "takes a value");
		if (opt == '?')
			return usage("option", argv[optind - 1], "unknown, or takes no value");
		if (set(parsed, opt, optarg) != 0 || parsed->done)
			return parsed->done ? 0 : -1;
	}
	if (find_command(parsed, argv[optind]) != 0)
		return -1;
	return take_pids(parsed, argv + optind + 1, (size_t)(argc - optind - 1));
}

/* A set of processes takes a pidfd each, which needs no more than this. */
static void raise_descriptor_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

/* A standard descriptor that is closed would be taken by the next open, and then be written into. In its
 * place comes one that cannot be written to, so that a closed standard output shows as a failure. */
static void fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
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

	/* A reader that has gone away shows as a failed write. */
	signal(SIGPIPE, SIG_IGN);
	fill_standard_descriptors();
	if (parse(&parsed, argc, argv) != 0)
		goto out;
	if (parsed.done) {
		code = output_finish() == 0 ? EXIT_READY : EXIT_FAILED;
		goto out;
	}
	if (parsed.line.process_count > 100)
		raise_descriptor_limit();
	code = run(&parsed);
out:
	free(parsed.line.processes);
	return code;
}
