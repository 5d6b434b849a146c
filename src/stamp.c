#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "src/clock.h"
#include "src/shortage.h"
#include "src/stamp.h"

uint32_t stamp_fs_type(const char *dir)
{
	struct statfs fs;

	return statfs(dir, &fs) == 0 ? (uint32_t)fs.f_type : 0;
}

void stamp_trust_by_type(const char *dir, const struct timespec *stamp, struct stamp_trust *trust)
{
	stamp_trust_assume(stamp_fs_type(dir), stamp, trust);
}

static int stat_unnamed(const char *dir, struct stat *st)
{
	int fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600), result, error;

	if (fd < 0)
		return -1;
	result = fstat(fd, st);
	error = errno;
	close(fd);
	errno = error;
	return result;
}

bool stamp_measure(const char *dir, struct stamp_trust *trust)
{
	enum stamp_clock clock = stamp_clock_of(stamp_fs_type(dir));
	int64_t before = clock_now_ns(CLOCK_REALTIME);
	struct stat st;

	if (stat_unnamed(dir, &st) == 0) {
		errno = EAGAIN;
		return stamp_trust_narrow(clock, before, &st.st_ctim, clock_now_ns(CLOCK_REALTIME), trust);
	}
	if (clock == STAMP_CLOCK_LAYER && !is_shortage(errno))
		trust->margin_ns = 0;
	return false;
}

bool stamp_read(const char *dir, const struct timespec *stamp, int64_t then, struct stamp_trust *trust)
{
	stamp_trust_by_type(dir, stamp, trust);
	return !stamp_trust_is_tested(trust, clock_to_ns(stamp) - then) || stamp_measure(dir, trust) ||
	       !is_shortage(errno);
}
