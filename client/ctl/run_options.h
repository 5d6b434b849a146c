/* What `readyctl run` and `readyctl mark` take besides the options that all commands have. */
#ifndef CLIENT_RUN_OPTIONS_H
#define CLIENT_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "readyd/readyd.h"

struct command_line;

/* What tells that the worker is ready. Its own marker always does. */
enum run_sign { SIGN_MARKER, SIGN_NOTIFY, SIGN_NOTIFY_FD, SIGN_LISTEN, SIGN_LINE };

enum run_print { PRINT_DEFAULT, PRINT_PID, PRINT_JSON };

struct run_options {
	struct readyd_options options;
	int64_t timeout_ms; /* -1: none */
	int64_t kill_after_ms;
	bool has_kill_after;
	bool detach, quiet;
	bool foreground; /* as the option says; it is the default, too */
	enum run_print print;
	enum run_sign sign;
	int notify_fd;		/* SIGN_NOTIFY_FD */
	const char *sign_value; /* SIGN_LISTEN: PORT or PATH; SIGN_LINE: the regular expression */
	char **argv;		/* of the worker, for run */
	pid_t pid;		/* for mark; 0: none was given */
};

/* Applies an option of options_table that is for run alone. 0, or -1 after reporting a wrong value. */
int run_options_set(struct run_options *o, int option, const char *value);

/* The options of the command line, checked together. 0, or -1 after reporting what does not fit. */
int run_options_of(const struct command_line *line, struct run_options *o);

/* The operand of mark. 0, or -1 after reporting that it is none. */
int run_options_take_pid(struct run_options *o, const char *word);

#endif
