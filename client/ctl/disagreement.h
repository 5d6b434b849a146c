/* Why a daemon that answers cannot be used: it speaks of other processes or markers than this command
 * (EXDEV). */
#ifndef CLIENT_DISAGREEMENT_H
#define CLIENT_DISAGREEMENT_H

#include <stddef.h>

#include "client/ctl/command_line.h"

/* Asks the local daemon what it serves, for a second at most, and says what differs and what to do about it.
 */
void disagreement_describe(const struct command_line *line, char *text, size_t size);

#endif
