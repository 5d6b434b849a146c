/* Errors in the command line and the environment, one line each on stderr. */
#ifndef CLIENT_USAGE_H
#define CLIENT_USAGE_H

#include "readyd/readyd.h"

/* The command, for the hint that the messages end with; before it is known, there is none. */
void usage_set_command(const char *name);

/* Reports a wrong value (may be empty) of what, an option or a variable, with a hint. */
void usage_report(const char *what, const char *value, const char *hint);

/* The same; returns -1. Inline, so that an analyzer knows that. */
static inline int usage(const char *what, const char *value, const char *hint)
{
	usage_report(what, value, hint);
	return -1;
}

/* The socket that is used. */
const char *usage_socket(const struct readyd_options *options);

/* Checks the options, and the variables that are used if an option is missing. 0, or -1 after reporting the
 * first that cannot be used. */
int usage_check(const struct readyd_options *options);

#endif
