/* The command lines of `readyctl run` and `readyctl mark`. */
#ifndef CLIENT_RUN_OPTIONS_H
#define CLIENT_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "readyd/readyd.h"

/* What tells that the worker is ready. Its own marker always does. */
enum run_sign { SIGN_MARKER, SIGN_NOTIFY, SIGN_NOTIFY_FD, SIGN_LISTEN, SIGN_LINE };

enum run_print { PRINT_DEFAULT, PRINT_PID, PRINT_JSON };

struct run_options {
	struct readyd_options options;
	const char *command; /* "run" or "mark" */
	int64_t timeout_ms;  /* -1: none */
	int64_t kill_after_ms;
	bool detach, quiet, help;
	bool foreground;      /* as the option says; it is the default, too */
	const char *run_only; /* the last option given that is valid for run only */
	enum run_print print;
	enum run_sign sign;
	int notify_fd;		/* SIGN_NOTIFY_FD */
	const char *sign_value; /* SIGN_LISTEN: PORT or PATH; SIGN_LINE: the regular expression */
	char **argv;		/* of the worker, for run */
	pid_t pid;		/* for mark; 0: none was given */
};

/* Whether the command line is that of one of these commands: options of theirs may come before it. */
bool run_options_are_meant(char **argv);

/* 0, or -1 after a message. Ends with the first word that is not an option: what follows is the worker's. */
int run_options_parse(struct run_options *o, char **argv);

/* What --help prints. */
const char *run_options_help(const struct run_options *o);

#endif
