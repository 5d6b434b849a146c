/* Complaints about the command line and the environment, each one line on stderr. */
#ifndef CLIENT_USAGE_H
#define CLIENT_USAGE_H

#include "readyd/readyd.h"

/* Says that the value (empty: none) of what, an option or variable, is wrong, and what is right. Returns -1.
 */
int usage(const char *what, const char *value, const char *hint);

/* Whether the options, and the variables that count where an option is missing, can be used. 0, or -1 after
 * saying which one cannot. */
int usage_check(const struct readyd_options *options);

#endif
