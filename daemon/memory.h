/*
 * Fail-stop allocation. A daemon that is out of memory and goes on leaves clients connected with neither
 * answer nor end of file; one that ends makes every client fall back to the marker file at once.
 */
#ifndef DAEMON_MEMORY_H
#define DAEMON_MEMORY_H

#include <stddef.h>

/* Zeroed; never NULL: the process ends instead, after one line on stderr. */
void *memory_alloc(size_t size);
void memory_free(void *block);
/* Like realloc(3); what is added is not zeroed. */
void *memory_resize(void *block, size_t size);

#endif
