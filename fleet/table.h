/* Hash tables: uthash, which on a failed allocation would exit(-1) without a message, with memory.h. */
#ifndef FLEET_TABLE_H
#define FLEET_TABLE_H

#include <stdlib.h>

#include "fleet/memory.h"

#define uthash_malloc(size)	 memory_new(size)
#define uthash_free(block, size) free(block)
#include <uthash.h>

#endif
