#include "config.h"

#include "src/clock.h"
#include "src/stamp_trust.h"

#define SECOND_NS     1000000000LL
#define FAT_SECOND_NS (2 * SECOND_NS)

/* f_type of statfs(2). <linux/magic.h> does not have all, and not every system has that. */
#define MAGIC_BCACHEFS	0xca451a4eu
#define MAGIC_BTRFS	0x9123683eu
#define MAGIC_ECRYPTFS	0x0000f15fu
#define MAGIC_EXFAT	0x2011bab0u
#define MAGIC_EXT4	0x0000ef53u
#define MAGIC_F2FS	0xf2f52010u
#define MAGIC_HFSPLUS	0x0000482bu
#define MAGIC_HUGETLBFS 0x958458f6u
#define MAGIC_JFS	0x3153464au
#define MAGIC_MSDOS	0x00004d44u
#define MAGIC_NILFS	0x00003434u
#define MAGIC_NTFS3	0x7366746eu
#define MAGIC_OVERLAYFS 0x794c7630u
#define MAGIC_RAMFS	0x858458f6u
#define MAGIC_REISERFS	0x52654973u
#define MAGIC_TMPFS	0x01021994u
#define MAGIC_UDF	0x15013346u
#define MAGIC_XFS	0x58465342u
#define MAGIC_ZFS	0x2fc12fc1u

enum stamp_clock stamp_clock_of(uint32_t f_type)
{
	switch (f_type) {
	case MAGIC_TMPFS:
	case MAGIC_RAMFS:
	case MAGIC_HUGETLBFS:
	case MAGIC_EXT4: /* ext2 and ext3 have the same */
	case MAGIC_XFS:
	case MAGIC_BTRFS:
	case MAGIC_F2FS:
	case MAGIC_NILFS:
	case MAGIC_REISERFS:
	case MAGIC_MSDOS:
	case MAGIC_BCACHEFS:
	case MAGIC_EXFAT:
	case MAGIC_HFSPLUS:
	case MAGIC_JFS:
	case MAGIC_NTFS3:
	case MAGIC_UDF:
	case MAGIC_ZFS:
		return STAMP_CLOCK_KERNEL;
	case MAGIC_OVERLAYFS:
	case MAGIC_ECRYPTFS:
		return STAMP_CLOCK_LAYER;
	default:
		return STAMP_CLOCK_OTHER;
	}
}

static int64_t grain_of(uint32_t f_type, const struct timespec *stamp)
{
	if (stamp->tv_nsec != 0)
		return STAMP_GRAIN_NS;
	return f_type == MAGIC_MSDOS ? FAT_SECOND_NS : SECOND_NS;
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
