/*
 * What the probe reads of an executable: symbols, the TLS segment, debugging information, the note. The
 * libraries of elfutils are those of the system, without instrumentation.
 */
#include "config.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe/dwarf.h"
#include "probe/image.h"
#include "probe/note.h"
#include "probe/offsets.h"
#include "tests/fuzz/fuzz.h"

static void check_failure(const struct failure *failure)
{
	fuzz_check(memchr(failure->text, '\0', sizeof(failure->text)) != NULL);
	fuzz_check(failure->text[0] != '\0');
	fuzz_check(failure_name(failure->kind) != NULL);
}

/* Where both say yes, the counters of a thread have addresses, or the arithmetic says that it overflows. */
static void check_address(const struct tls_layout *layout, const struct offsets *offsets)
{
	uint64_t allocated, deallocated;

	fuzz_check(offsets->allocated < offsets->deallocated);
	if (tls_address(layout, 1u << 30, offsets->allocated, 8, &allocated) != 0 ||
	    tls_address(layout, 1u << 30, offsets->deallocated, 8, &deallocated) != 0)
		return;
	fuzz_check(deallocated - allocated == offsets->deallocated - offsets->allocated);
}

static void one(const uint8_t *data, size_t size)
{
	struct failure failure = {.text = ""};
	struct tls_layout layout = {0};
	struct offsets offsets = {0, 0};
	char path[64];
	const int fd = fuzz_memory_file(data, size);
	bool has_layout, has_offsets;

	fuzz_memory_path(fd, path);
	(void)image_has_jemalloc(fd);
	has_layout = image_layout(fd, path, &layout, &failure) == 0;
	if (!has_layout)
		check_failure(&failure);
	failure.text[0] = '\0';
	has_offsets = offsets_find(fd, path, &offsets, &failure) == 0;
	if (!has_offsets)
		check_failure(&failure);
	if (has_layout && has_offsets)
		check_address(&layout, &offsets);
	close(fd);
}

const struct fuzz_target fuzz_target = {.name = "elf", .one = one};
