#include <elf.h>

#include "probe/tls.h"

/* The two words before the variables of AArch64 (variant I of thread-local storage). */
#define AARCH64_HEADER 16

static int round_up(uint64_t value, uint64_t align, uint64_t *rounded)
{
	/* elf(5): 0 and 1 mean no alignment. */
	const uint64_t mask = align == 0 ? 0 : align - 1;

	if ((align & mask) != 0 || value > UINT64_MAX - mask)
		return -1;
	*rounded = (value + mask) & ~mask;
	return 0;
}

/* Where the variables of the executable begin. */
static int block_address(const struct tls_layout *layout, uint64_t thread_pointer, uint64_t *block)
{
	uint64_t distance;

	switch (layout->machine) {
	case EM_X86_64:
		if (round_up(layout->memsz, layout->align, &distance) != 0 || distance > thread_pointer)
			return -1;
		*block = thread_pointer - distance;
		return 0;
	case EM_AARCH64:
		if (round_up(AARCH64_HEADER, layout->align, &distance) != 0)
			return -1;
		return __builtin_add_overflow(thread_pointer, distance, block) ? -1 : 0;
	default:
		return -1;
	}
}

int tls_address(const struct tls_layout *layout, uint64_t thread_pointer, uint64_t offset, uint64_t size,
    uint64_t *address)
{
	uint64_t end;

	if (block_address(layout, thread_pointer, address) != 0 ||
	    __builtin_add_overflow(*address, layout->symbol, address) ||
	    __builtin_add_overflow(*address, offset, address) || __builtin_add_overflow(*address, size, &end))
		return -1;
	return 0;
}
