/* Errors in the command line and the environment, one line each on stderr. */
#ifndef CLIENT_USAGE_H
#define CLIENT_USAGE_H

#include "readyd/readyd.h"

/* Reports a wrong value (may be empty) of what, an option or a variable, with a hint. */
void usage_report(const char *what, const char *value, const char *hint);

/* The same; returns -1. Inline, so that an analyzer knows that. */
static inline int usage(const char *what, const char *value, const char *hint)
{
	usage_report(what, value, hint);
	return -1;
}

/* Checks the options, and the variables that are used if an option is missing. 0, or -1 after reporting the
 * first that cannot be used. */
int usage_check(const struct readyd_options *options);

#endif
