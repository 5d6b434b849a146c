#include "config.h"

#include <string.h>

#include "client/ctl/duration.h"
#include "client/ctl/run_option_rows.h"
#include "client/ctl/usage.h"
#include "src/number.h"

int run_option_duration(const char *name, const char *value, int64_t *ms)
{
	if (duration_parse(value, ms) == 0)
		return 0;
	return usage(name, value, "not a duration such as 5, 0.5, 500ms or 2m, at most 1000h");
}

static int set_timeout(struct run_options *o, const char *value)
{
	return run_option_duration("--timeout", value, &o->timeout_ms);
}

static int set_kill_after(struct run_options *o, const char *value)
{
	return run_option_duration("--kill-after", value, &o->kill_after_ms);
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

static const struct run_option_row rows[] = {
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

const struct run_option_row *run_option_find(const char *word, size_t length)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool by_letter = word[1] != '-' && word[1] != '\0' && word[1] == rows[i].letter;

		if (by_letter || (strlen(rows[i].name) == length && memcmp(rows[i].name, word, length) == 0))
			return &rows[i];
	}
	return NULL;
}
