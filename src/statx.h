/* statx(2), for C libraries that do not have it. */
#ifndef SRC_STATX_H
#define SRC_STATX_H

#include <sys/stat.h>

/* musl has it since 1.2.5. */
#ifndef STATX_INO
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* include/uapi/linux/stat.h, which cannot be included beside <sys/stat.h> of every C library */
struct statx_timestamp {
	int64_t tv_sec;
	uint32_t tv_nsec;
	int32_t reserved;
};
struct statx {
	uint32_t stx_mask, stx_blksize;
	uint64_t stx_attributes;
	uint32_t stx_nlink, stx_uid, stx_gid;
	uint16_t stx_mode, spare0[1];
	uint64_t stx_ino, stx_size, stx_blocks, stx_attributes_mask;
	struct statx_timestamp stx_atime, stx_btime, stx_ctime, stx_mtime;
	uint32_t stx_rdev_major, stx_rdev_minor, stx_dev_major, stx_dev_minor;
	uint64_t stx_mnt_id, spare[13];
};
_Static_assert(sizeof(struct statx) == 256, "as the kernel fills it in");
#define STATX_INO    0x100
#define STATX_BTIME  0x800
#define STATX_MNT_ID 0x1000
#ifndef AT_STATX_DONT_SYNC
#define AT_STATX_DONT_SYNC 0x4000
#endif

static inline int statx(int dir_fd, const char *path, int flags, unsigned mask, struct statx *found)
{
	return (int)syscall(SYS_statx, dir_fd, path, flags, mask, found);
}
#endif

#endif
