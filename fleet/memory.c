#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet/memory.h"

static void *check(void *memory)
{
	if (memory != NULL)
		return memory;
	fputs("out of memory\n", stderr);
	exit(125);
}

void *memory_new(size_t size)
{
	return check(calloc(1, size));
}

void *memory_resize(void *memory, size_t count, size_t size)
{
	return check(reallocarray(memory, count, size));
}

char *memory_copy(const char *text)
{
	return check(strdup(text));
}
