/* The options of readyctl: one table for parsing, for help and for what completes them. */
#ifndef CLIENT_OPTIONS_H
#define CLIENT_OPTIONS_H

#include "client/ctl/command_line.h"
#include "src/arguments.h"

/* Commands, as bits. */
#define FOR_WAIT    0x1u
#define FOR_STATUS  0x2u
#define FOR_LIST    0x4u
#define FOR_PING    0x8u
#define FOR_STATS   0x10u
#define FOR_HELP    0x20u
#define FOR_RUN	    0x40u
#define FOR_MARK    0x80u
#define FOR_MONITOR 0x100u
#define FOR_ALL	    0x1ffu

enum {
	OPT_HELP = 'h',
	OPT_VERSION = 'V',
	/* for run alone; see run_options_set() */
	OPT_KILL_AFTER = 512,
	OPT_FOREGROUND,
	OPT_DETACH,
	OPT_NOTIFY,
	OPT_NOTIFY_FD,
	OPT_LISTEN,
	OPT_LINE
};

extern const struct arguments_option options_table[];

/* Applies the option that arguments_next() has found, other than those above. 0, or -1 after reporting a
 * wrong value. */
int options_set(struct command_line *line, int option, const char *value);

/* Takes a duration that the option or variable `what` has. 0, or -1 after reporting that it is none. */
int options_duration(const char *what, const char *value, int64_t *ms);

/* Applies the variables that stand for options, and checks what the library would refuse. 0, or -1 after
 * reporting it. */
int options_finish(struct command_line *line, unsigned command);

#endif
