/*
 * Descriptors or memory have run out. What could not be examined for that reason is unknown: it speaks
 * neither for nor against anything, and has to be tried again.
 */
#ifndef SRC_SHORTAGE_H
#define SRC_SHORTAGE_H

#include <errno.h>
#include <stdbool.h>

static inline bool is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM;
}

#endif
