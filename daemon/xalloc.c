#include "config.h"

#include <stdlib.h>
#include <unistd.h>

#include "daemon/xalloc.h"

static void *checked(void *block)
{
	static const char text[] = "readyd: out of memory, stopping; clients fall back to the marker files\n";

	if (block != NULL)
		return block;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(71); /* stderr may not be read: the exit status has to suffice */
	_exit(71);
}

void *xalloc_new(size_t size)
{
	return checked(calloc(1, size > 0 ? size : 1));
}

void xalloc_free(void *block)
{
	free(block);
}

void *xalloc_resize(void *block, size_t size)
{
	return checked(realloc(block, size > 0 ? size : 1));
}
