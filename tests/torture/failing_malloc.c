/* Preloaded: the allocations of a program return NULL, the one with the number MALLOC_NTH alone or all from
 * MALLOC_FROM on. MALLOC_COUNT names a file for their number when the program ends. A child goes on counting.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* NOLINTBEGIN(bugprone-reserved-identifier): the C library exports these. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t number, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
/* NOLINTEND(bugprone-reserved-identifier) */

static unsigned long count, nth, from;

static unsigned long number(const char *name)
{
	const char *text = getenv(name);

	return text != NULL ? strtoul(text, NULL, 10) : 0;
}

__attribute__((constructor)) static void begin(void)
{
	nth = number("MALLOC_NTH");
	from = number("MALLOC_FROM");
	count = 0;
}

__attribute__((destructor)) static void end(void)
{
	const char *path = getenv("MALLOC_COUNT");
	unsigned long counted = count;
	FILE *to;

	if (path == NULL || (to = fopen(path, "we")) == NULL)
		return;
	fprintf(to, "%lu\n", counted);
	fclose(to);
}

static bool fails(void)
{
	count++;
	if (count != nth && (from == 0 || count < from))
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
	return fails() ? NULL : __libc_realloc(old, size);
}

void *reallocarray(void *old, size_t n, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) || fails() ? NULL : __libc_realloc(old, bytes);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return fails() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **to, size_t alignment, size_t size)
{
	if (fails())
		return ENOMEM;
	*to = __libc_memalign(alignment, size);
	return *to != NULL ? 0 : ENOMEM;
}
