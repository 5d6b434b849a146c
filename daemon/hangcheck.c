#include "config.h"

#include "daemon/hangcheck.h"
#include "daemon/log.h"
#include "src/hanging_mounts.h"

void hangcheck_run(struct hangcheck *check, const char *dir)
{
	bool may_hang = hanging_mounts_cross("/proc/self/mountinfo", dir);

	if (may_hang && !check->warned)
		log_warning("%s may be on a network or FUSE file system: while that does not answer, readyd "
			    "does not either, and SIGTERM does not end it; use a local directory",
		    dir);
	check->warned = may_hang;
}
