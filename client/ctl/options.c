#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/duration.h"
#include "client/ctl/operands.h"
#include "client/ctl/options.h"
#include "client/ctl/usage.h"
#include "readyd/marker.h"
#include "src/number.h"
#include "src/span.h"
#include "src/vsock.h"

enum {
	OPT_ANY = 256,
	OPT_ALL,
	OPT_COUNT,
	OPT_FOR,
	OPT_PIDFILE,
	OPT_PRINT,
	OPT_JSON,
	OPT_OPENMETRICS,
	OPT_NO_FALLBACK,
	OPT_PREFIX,
	OPT_NOT_STARTED,
	OPT_STALE,
	OPT_STRICT_AGE,
	OPT_LEGEND,
	OPT_SINCE,
	OPT_REMOTE,
};

#define FOR_ANSWERS (FOR_WAIT | FOR_STATUS | FOR_LIST)
#define FOR_ASKING  (FOR_ANSWERS | FOR_PING | FOR_STATS)
#define FOR_RUNNING (FOR_RUN | FOR_MARK)

const struct arguments_option options_table[] = {
    {'t', 't', "timeout", "DURATION",
	"give up after 5, 0.5, 500ms, 2m, 1m30s, ... (READYD_TIMEOUT, else wait forever)",
	FOR_WAIT | FOR_RUN},
    {OPT_KILL_AFTER, 0, "kill-after", "DURATION", "end the worker by SIGKILL so long after SIGTERM (10s)",
	FOR_RUN},
    {OPT_FOREGROUND, 0, "foreground", NULL, "stay until the worker has ended (default)", FOR_RUN},
    {OPT_DETACH, 0, "detach", NULL, "leave the worker running once it is ready, and print its pid", FOR_RUN},
    {OPT_NOTIFY, 0, "notify", NULL, "ready, too, if it sends READY=1 to NOTIFY_SOCKET (sd_notify(3))",
	FOR_RUN},
    {OPT_NOTIFY_FD, 0, "notify-fd", "N", "ready, too, if it writes a newline to descriptor N", FOR_RUN},
    {OPT_LISTEN, 0, "listen", "PORT|PATH", "ready, too, if it listens on this TCP port or unix socket",
	FOR_RUN},
    {OPT_LINE, 0, "line", "REGEX", "ready, too, if it prints a line that matches; not with --detach",
	FOR_RUN},
    {OPT_FOR, 0, "for", "ready|end", "what to wait for: readiness (default), or also the end", FOR_WAIT},
    {OPT_ALL, 0, "all", NULL, "wait for all processes; stop when one no longer can be ready (default)",
	FOR_WAIT},
    {OPT_ANY, 0, "any", NULL, "wait for one of the processes", FOR_WAIT},
    {OPT_COUNT, 0, "count", "N", "wait for N of the processes", FOR_WAIT},
    {OPT_PIDFILE, 0, "pidfile", "FILE", "wait also for the process that FILE names, once it is alive",
	FOR_WAIT},
    {OPT_NOT_STARTED, 0, "not-started", "fail|wait",
	"if no process has the pid: report died (default), or wait for one", FOR_WAIT},
    {OPT_STALE, 0, "stale", "fail|wait",
	"if the marker is not the process's own: report stale, or wait until\nit is (default)", FOR_WAIT},
    {OPT_STRICT_AGE, 0, "strict-age", NULL, "do not assume that a marker as old as the process is its own",
	FOR_WAIT | FOR_STATUS},
    {OPT_LEGEND, 0, "legend", "CODE=TEXT", "print TEXT with the exit status CODE of a process", FOR_ANSWERS},
    {OPT_PRINT, 0, "print", "pid|line|json",
	"print the pids alone, a line for each process (default), or a JSON\nobject", FOR_ANSWERS},
    {OPT_PRINT, 0, "print", "pid|json", "print the pid, or JSON objects", FOR_RUN},
    {OPT_SINCE, 0, "since", "TOKEN", "go on behind this EPOCH:SEQ, which an earlier monitor has printed",
	FOR_MONITOR},
    {OPT_JSON, 0, "json", NULL, "print JSON, as --print=json", FOR_ASKING | FOR_RUN},
    {OPT_JSON, 0, "json", NULL, "print JSON, one object a line, also on a terminal", FOR_MONITOR},
    {OPT_OPENMETRICS, 0, "openmetrics", NULL, "print the counters for Prometheus (OpenMetrics 1.0)",
	FOR_STATS},
    {'q', 'q', "quiet", NULL, "print no answers and no progress, only set the exit status",
	FOR_ASKING | FOR_RUN},
    {'s', 's', "socket", "PATH",
	"the daemon's socket (READYD_SOCKET, else " READYD_DEFAULT_SOCKET ");\n@NAME: an abstract socket; "
	"vsock:CID:PORT: that of a remote daemon",
	FOR_ASKING | FOR_RUNNING | FOR_MONITOR},
    {OPT_REMOTE, 0, "remote", NULL,
	"the socket leads to the daemon of another kernel: only its answers count", FOR_ASKING | FOR_MONITOR},
    {'d', 'd', "dir", "DIR",
	"the marker directory (READYD_DIR, else the daemon's, else " READYD_MARKER_DIR ")",
	FOR_ASKING | FOR_RUNNING | FOR_MONITOR},
    {OPT_PREFIX, 0, "prefix", "NAME",
	"the marker's name without the pid (the daemon's, else\n" READYD_MARKER_NAME_PREFIX ")",
	FOR_ASKING | FOR_RUNNING | FOR_MONITOR},
    {OPT_NO_FALLBACK, 0, "no-fallback", NULL,
	"fail if the daemon is not available, instead of checking the files", FOR_ASKING | FOR_RUNNING},
    {OPT_HELP, 'h', "help", NULL, "print this help and exit", FOR_ALL},
    {OPT_VERSION, 'V', "version", NULL, "print the version and exit", FOR_ALL},
    {0, 0, NULL, NULL, NULL, 0},
};

/* flag is for the word `on`. */
static int set_fail_or_wait(
    struct command_line *line, const char *option, const char *value, const char *on, unsigned flag)
{
	if (strcmp(value, "wait") != 0 && strcmp(value, "fail") != 0)
		return usage(option, value, "use fail or wait");
	if (strcmp(value, on) == 0)
		line->options.flags |= flag;
	else
		line->options.flags &= ~flag;
	return 0;
}

static int set_legend(struct command_line *line, const char *value)
{
	size_t digits = strcspn(value, "=");
	uint64_t code;

	if (value[digits] != '=' || number_parse(value, digits, UINT64_MAX, &code) != 0)
		return usage("--legend", value, "not CODE=TEXT");
	if (code > 255)
		return usage("--legend", value, "CODE is out of range; an exit status is from 0 to 255");
	line->legend[code] = value + digits + 1;
	return 0;
}

int options_duration(const char *what, const char *value, int64_t *ms)
{
	if (duration_parse(value, ms) == 0)
		return 0;
	return usage(what, value, errno == ERANGE ? DURATION_RANGE_HINT : DURATION_HINT);
}

static int set_count(struct command_line *line, const char *value)
{
	uint64_t count;

	if (number_parse(value, strlen(value), SIZE_MAX / 2, &count) != 0 || count == 0)
		return usage("--count", value, "use a number from 1 to that of the processes");
	line->count = (size_t)count;
	return 0;
}

static int set_for(struct command_line *line, const char *value)
{
	line->until_end = strcmp(value, "end") == 0;
	return line->until_end || strcmp(value, "ready") == 0 ? 0 : usage("--for", value, "use ready or end");
}

static int set_print(struct command_line *line, const char *value)
{
	line->prints = true;
	line->json = strcmp(value, "json") == 0;
	line->pids_only = strcmp(value, "pid") == 0;
	if (line->json || line->pids_only || strcmp(value, "line") == 0)
		return 0;
	return usage("--print", value, "use pid or json, or line (not with run)");
}

static int set_since(struct command_line *line, const char *value)
{
	uint64_t epoch, seq;

	if (span_token((struct span){value, strlen(value)}, &epoch, &seq) != 0)
		return usage("--since", value, "not EPOCH:SEQ, as readyctl monitor prints after token=");
	line->since = value;
	return 0;
}

static int set_pidfile(struct command_line *line, const char *value)
{
	if (value[0] == '\0')
		return usage("--pidfile", value, "the name is empty");
	return operands_add(line, (struct named_process){.pid_file = value});
}

int options_set(struct command_line *line, int option, const char *value)
{
	switch (option) {
	case 't':
		return options_duration("--timeout", value, &line->timeout_ms);
	case OPT_FOR:
		return set_for(line, value);
	case OPT_ANY:
	case OPT_ALL:
		line->count = option == OPT_ANY ? 1 : 0;
		return 0;
	case OPT_COUNT:
		return set_count(line, value);
	case OPT_PIDFILE:
		return set_pidfile(line, value);
	case OPT_NOT_STARTED:
		return set_fail_or_wait(line, "--not-started", value, "wait", READYD_OPTION_AWAIT_START);
	case OPT_STALE:
		return set_fail_or_wait(line, "--stale", value, "fail", READYD_OPTION_FAIL_STALE);
	case OPT_STRICT_AGE:
		line->options.flags |= READYD_OPTION_STRICT_AGE;
		return 0;
	case OPT_LEGEND:
		return set_legend(line, value);
	case OPT_PRINT:
		return set_print(line, value);
	case OPT_JSON:
		return set_print(line, "json");
	case OPT_SINCE:
		return set_since(line, value);
	case OPT_OPENMETRICS:
		line->openmetrics = true;
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
	case OPT_REMOTE:
		line->options.flags |= READYD_OPTION_REMOTE;
		return 0;
	case OPT_NO_FALLBACK:
		line->options.backend = READYD_BACKEND_DAEMON;
		return 0;
	default:
		return run_options_set(&line->run, option, value);
	}
}

/* What requires more of the processes than the daemon of another kernel says. */
static int check_remote(struct command_line *line, unsigned command)
{
	const char *backend = secure_getenv("READYD_BACKEND");

	if ((command & FOR_RUNNING) != 0)
		return usage(line->options.socket != NULL ? "--socket" : "READYD_SOCKET",
		    usage_socket(&line->options),
		    "a remote daemon sees no process of this system; give the local one");
	if (line->until_end)
		line->options.flags |= READYD_OPTION_AWAIT_END;
	for (size_t i = 0; i < line->process_count; i++)
		if (line->processes[i].pid_file != NULL)
			return usage("--pidfile", line->processes[i].pid_file,
			    "not with a remote daemon; name the process by the pid that it has there");
	if (line->options.backend == READYD_BACKEND_AUTO && backend != NULL && strcmp(backend, "file") == 0)
		return usage("READYD_BACKEND", backend, "not with a remote daemon; use auto or daemon");
	return 0;
}

static int check_monitor(const struct command_line *line)
{
	const char *backend = secure_getenv("READYD_BACKEND");

	if (line->options.backend != READYD_BACKEND_AUTO || backend == NULL || strcmp(backend, "file") != 0)
		return 0;
	return usage(
	    "READYD_BACKEND", backend, "not with monitor, which requires the daemon; use auto or daemon");
}

int options_finish(struct command_line *line, unsigned command)
{
	const char *timeout = secure_getenv("READYD_TIMEOUT");

	if ((command & (FOR_WAIT | FOR_RUN)) != 0 && line->timeout_ms < 0 && timeout != NULL &&
	    timeout[0] != '\0' && options_duration("READYD_TIMEOUT", timeout, &line->timeout_ms) != 0)
		return -1;
	if (usage_check(&line->options) != 0 || (command == FOR_MONITOR && check_monitor(line) != 0))
		return -1;
	if (vsock_is_address(usage_socket(&line->options)))
		line->options.flags |= READYD_OPTION_REMOTE;
	return (line->options.flags & READYD_OPTION_REMOTE) != 0 ? check_remote(line, command) : 0;
}
