/*
 * Usage: tsd_check VALUE ALLOCATED DEALLOCATED
 * Whether the linked jemalloc keeps the counters of each thread at these offsets (decimal) from its symbol
 * tsd_tls, which has this value (hexadecimal) in this program. tests/e2e_worker.sh takes the offsets from the
 * worker.
 */
#include "config.h"

#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <jemalloc/jemalloc.h>

#define BYTES 1234567

static uint64_t value, allocated, deallocated;
static int wrong;

static int take_tls_block(struct dl_phdr_info *info, size_t size, void *block)
{
	(void)size;
	*(char **)block = info->dlpi_tls_data;
	return 1;
}

static void compare(const char *name, uint64_t offset)
{
	char *block = NULL;
	uint64_t told = 0, found;
	size_t size = sizeof(told);

	dl_iterate_phdr(take_tls_block, &block);
	wrong |= mallctl(name, &told, &size, NULL, 0);
	found = *(uint64_t *)(void *)(block + value + offset);
	printf("%s: %llu, at the offset: %llu\n", name, (unsigned long long)told, (unsigned long long)found);
	wrong |= told < BYTES || told != found;
}

static void *in_thread(void *unused)
{
	void *volatile freed = malloc(BYTES);
	void *volatile kept;

	free(freed);
	kept = malloc(BYTES);
	compare("thread.allocated", allocated);
	compare("thread.deallocated", deallocated);
	free(kept);
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc != 4)
		return 2;
	value = strtoull(argv[1], NULL, 16);
	allocated = strtoull(argv[2], NULL, 10);
	deallocated = strtoull(argv[3], NULL, 10);
	in_thread(NULL);
	if (pthread_create(&thread, NULL, in_thread, NULL) != 0 || pthread_join(thread, NULL) != 0)
		return 2;
	return wrong != 0;
}
