/*
 * An executable or a shared object: where jemalloc's thread state is in it.
 */
#ifndef PROBE_IMAGE_H
#define PROBE_IMAGE_H

#include <stdbool.h>

#include "probe/failure.h"
#include "probe/tls.h"

/* The layout of the executable at fd; path is for messages. -1 if it has no jemalloc, or is for another
 * machine. */
int image_layout(int fd, const char *path, struct tls_layout *layout, struct failure *failure);

/* Whether the file at fd contains jemalloc: its thread state, or the function mallctl() for others to call.
 */
bool image_has_jemalloc(int fd);

#endif
