/*
 * For probes: where jemalloc keeps a thread's counters of allocated and deallocated bytes. A probe that reads
 * DWARF finds them under the names that jemalloc's own sources give them; the note also survives strip(1).
 */
#include "config.h"

#ifdef HAVE_TSD_OFFSETS

#include <stddef.h>
#include <stdint.h>

#include "worker/tsd_offsets.h"

#define COUNTER(name) cant_access_tsd_items_directly_use_a_getter_or_setter_thread_##name

/* jemalloc's own has many more members. */
struct tsd_s {
	char before[TSD_ALLOCATED];
	uint64_t COUNTER(allocated);
	char between[TSD_DEALLOCATED - TSD_ALLOCATED - sizeof(uint64_t)];
	uint64_t COUNTER(deallocated);
};

_Static_assert(offsetof(struct tsd_s, COUNTER(allocated)) == TSD_ALLOCATED, "calibrated");
_Static_assert(offsetof(struct tsd_s, COUNTER(deallocated)) == TSD_DEALLOCATED, "calibrated");

/* Without an object that mentions the type, the compiler would not describe it. */
__attribute__((used)) static const struct tsd_s *thread_state;

/* An ELF note, see elf(5); ktstr-jemalloc-alloc-worker(1) describes it. */
__attribute__((used, aligned(4), section(".note.readyd"))) static const struct {
	uint32_t name_size, description_size, type;
	char name[8];
	uint32_t allocated, deallocated;
	char version[64];
} note = {
    .name_size = sizeof("readyd"),
    .description_size = 2 * sizeof(uint32_t) + sizeof(note.version),
    .type = 1,
    .name = "readyd",
    .allocated = TSD_ALLOCATED,
    .deallocated = TSD_DEALLOCATED,
    .version = TSD_JEMALLOC,
};

#endif
