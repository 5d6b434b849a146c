#include "config.h"

#include <linux/magic.h>

#include "src/clock.h"
#include "src/stamp_trust.h"

#define SECOND_NS     1000000000LL
#define FAT_SECOND_NS (2 * SECOND_NS)

/* Not in <linux/magic.h>, or not in that of every system that this is built on. */
#define MAGIC_BCACHEFS 0xca451a4eu
#define MAGIC_EXFAT    0x2011bab0u
#define MAGIC_HFSPLUS  0x0000482bu
#define MAGIC_JFS      0x3153464au
#define MAGIC_NTFS3    0x7366746eu
#define MAGIC_UDF      0x15013346u
#define MAGIC_ZFS      0x2fc12fc1u

enum stamp_clock stamp_clock_of(uint32_t f_type)
{
	switch (f_type) {
	case TMPFS_MAGIC:
	case RAMFS_MAGIC:
	case HUGETLBFS_MAGIC:
	case EXT4_SUPER_MAGIC: /* ext2 and ext3 have the same */
	case XFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case F2FS_SUPER_MAGIC:
	case NILFS_SUPER_MAGIC:
	case REISERFS_SUPER_MAGIC:
	case MSDOS_SUPER_MAGIC:
	case MAGIC_BCACHEFS:
	case MAGIC_EXFAT:
	case MAGIC_HFSPLUS:
	case MAGIC_JFS:
	case MAGIC_NTFS3:
	case MAGIC_UDF:
	case MAGIC_ZFS:
		return STAMP_CLOCK_KERNEL;
	case OVERLAYFS_SUPER_MAGIC:
	case ECRYPTFS_SUPER_MAGIC:
		return STAMP_CLOCK_LAYER;
	default:
		return STAMP_CLOCK_OTHER;
	}
}

static int64_t grain_of(uint32_t f_type, const struct timespec *stamp)
{
	if (stamp->tv_nsec != 0)
		return STAMP_GRAIN_NS;
	return f_type == MSDOS_SUPER_MAGIC ? FAT_SECOND_NS : SECOND_NS;
}

void stamp_trust_assume(uint32_t f_type, const struct timespec *stamp, struct stamp_trust *trust)
{
	*trust = (struct stamp_trust){.grain_ns = grain_of(f_type, stamp)};
	if (stamp_clock_of(f_type) != STAMP_CLOCK_KERNEL)
		trust->margin_ns = STAMP_MARGIN_NS;
}

bool stamp_trust_narrow(enum stamp_clock clock, int64_t before, const struct timespec *stamp, int64_t after,
    struct stamp_trust *trust)
{
	int64_t shown = clock_to_ns(stamp), least, most;

	if (after < before)
		return false;
	if (stamp->tv_nsec == 0 && trust->grain_ns < SECOND_NS)
		trust->grain_ns = SECOND_NS;
	trust->measured = true;
	/* It showed between `shown` and `shown` plus the grain, at a moment between before and after. */
	least = shown - after;
	most = shown + trust->grain_ns - before;
	if (clock == STAMP_CLOCK_KERNEL || (clock == STAMP_CLOCK_LAYER && least <= 0 && most >= 0)) {
		trust->margin_ns = 0;
		return true;
	}
	trust->skew_ns = least + (most - least) / 2;
	trust->margin_ns = (most - least + 1) / 2;
	return true;
}

bool stamp_trust_is_tested(const struct stamp_trust *trust, int64_t difference)
{
	int64_t most = trust->grain_ns + trust->margin_ns + clock_tick_ns();

	return trust->margin_ns > 0 && difference > -most && difference < most;
}
