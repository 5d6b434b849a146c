/* src/stamp.h in the simulated world: the marker directory is a tmpfs, stamped by the kernel's clock. */
#include "config.h"

#include <errno.h>
#include <linux/magic.h>

#include "src/clock.h"
#include "src/stamp.h"
#include "tests/sim/faults.h"

void stamp_trust_by_type(const char *dir, const struct timespec *stamp, struct stamp_trust *trust)
{
	(void)dir;
	stamp_trust_assume(TMPFS_MAGIC, stamp, trust);
}

bool stamp_measure(const char *dir, struct stamp_trust *trust)
{
	struct timespec now;
	int64_t before = clock_now_ns(CLOCK_REALTIME);

	(void)dir;
	if (fault(FAULT_FD_REFUSED)) {
		errno = EMFILE;
		return false;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	errno = EAGAIN;
	return stamp_trust_narrow(STAMP_CLOCK_KERNEL, before, &now, clock_now_ns(CLOCK_REALTIME), trust);
}

bool stamp_read(const char *dir, const struct timespec *stamp, int64_t then, struct stamp_trust *trust)
{
	(void)then;
	stamp_trust_by_type(dir, stamp, trust);
	return true;
}
