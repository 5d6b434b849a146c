/* Messages on standard error, one line each. */
#ifndef FLEET_SAY_H
#define FLEET_SAY_H

/* The name that lines begin with, and the command whose --help a wrong command line refers to. */
void say_init(const char *name, const char *help);

__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

/* Reports a wrong value (may be empty) of what, an option or an argument, with a hint. Returns -1. */
int say_usage(const char *what, const char *value, const char *hint);

#endif
