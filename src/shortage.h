/*
 * Whether an errno value means that descriptors or memory ran out. What could not be examined for that reason
 * is unknown: draw no conclusion from it, and try again.
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
