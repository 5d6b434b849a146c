/* Commands that are programs of their own, readyctl-NAME, so that readyctl needs none of their libraries. */
#ifndef CLIENT_EXTERNAL_H
#define CLIENT_EXTERNAL_H

#include <stdbool.h>

/* Becomes readyctl-NAME, which lies beside readyctl, in its directory of helper programs, or in PATH;
 * words[0] is NAME, the others are its arguments. If that fails, reports it and returns the exit code. */
int external_run(char **words);

#endif
