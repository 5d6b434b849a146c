/*
 * Fail-stop allocation. A daemon that runs out of memory and goes on would leave clients connected with
 * neither an answer nor end of file; one that ends makes every client fall back to the marker file at once.
 */
#ifndef DAEMON_XALLOC_H
#define DAEMON_XALLOC_H

#include <stddef.h>

/* Zeroed; never NULL: the process ends instead, after one line on stderr. */
void *xalloc_new(size_t size);
void xalloc_free(void *block);
/* Like realloc(3); added memory is not zeroed. */
void *xalloc_resize(void *block, size_t size);

#endif
