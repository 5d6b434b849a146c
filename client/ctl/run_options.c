#include "config.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "client/ctl/command_line.h"
#include "client/ctl/options.h"
#include "client/ctl/run_options.h"
#include "client/ctl/usage.h"
#include "src/number.h"

/* How long a worker that is to end may take after SIGTERM. */
#define KILL_AFTER_MS 10000

static int set_sign(struct run_options *o, enum run_sign sign, const char *name, const char *value)
{
	if (o->sign != SIGN_MARKER && o->sign != sign)
		return usage(name, "", "use one of --notify, --notify-fd, --listen and --line");
	o->sign = sign;
	o->sign_value = value;
	return 0;
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
	uint64_t port;

	if (value[0] != '@' && strchr(value, '/') == NULL &&
	    (number_parse(value, strlen(value), 65535, &port) != 0 || port == 0))
		return usage("--listen", value,
		    "use a port from 1 to 65535, @NAME, or a path with a slash such as ./socket");
	return set_sign(o, SIGN_LISTEN, "--listen", value);
}

int run_options_set(struct run_options *o, int option, const char *value)
{
	switch (option) {
	case OPT_KILL_AFTER:
		o->has_kill_after = true;
		return options_duration("--kill-after", value, &o->kill_after_ms);
	case OPT_FOREGROUND:
		o->foreground = true;
		return 0;
	case OPT_DETACH:
		o->detach = true;
		return 0;
	case OPT_NOTIFY:
		return set_sign(o, SIGN_NOTIFY, "--notify", value);
	case OPT_NOTIFY_FD:
		return set_notify_fd(o, value);
	case OPT_LISTEN:
		return set_listen(o, value);
	case OPT_LINE:
		return set_sign(o, SIGN_LINE, "--line", value);
	default:
		return -1;
	}
}

/* What only makes sense with something else, or without. */
static int check(const struct run_options *o)
{
	if (o->detach && o->foreground)
		return usage("--detach", "", "not with --foreground");
	if (o->detach && o->sign == SIGN_LINE)
		return usage("--line", "",
		    "not with --detach, since the output of the worker would end with readyctl");
	if (o->argv == NULL)
		return usage("no command to run", "", "use readyctl run -- COMMAND [ARGUMENT...]");
	return 0;
}

int run_options_of(const struct command_line *line, struct run_options *o)
{
	*o = line->run;
	o->options = line->options;
	o->timeout_ms = line->timeout_ms;
	if (!o->has_kill_after)
		o->kill_after_ms = KILL_AFTER_MS;
	o->quiet = line->quiet;
	if (line->prints && !line->json && !line->pids_only)
		return usage("--print", "line", "use pid or json");
	if (line->json || line->pids_only)
		o->print = line->json ? PRINT_JSON : PRINT_PID;
	o->argv = line->command;
	return check(o);
}

static const char *hint_for(const char *word)
{
	size_t digits = strspn(word, "0123456789");

	_Static_assert(INT_MAX == 2147483647, "the message gives the limit");
	if (digits == 0 || word[digits] != '\0' || (word[0] == '0' && digits > 1))
		return "not a PID, a positive decimal number without leading zeros";
	return "out of range; a pid is from 1 to 2147483647";
}

int run_options_take_pid(struct run_options *o, const char *word)
{
	uint64_t pid;

	if (o->pid != 0)
		return usage("extra argument", word, "mark takes one pid");
	if (word[0] == '0' || number_parse(word, strlen(word), INT_MAX, &pid) != 0)
		return usage("process", word, hint_for(word));
	o->pid = (pid_t)pid;
	return 0;
}
