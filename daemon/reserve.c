#include "config.h"

#include <sys/resource.h>

#include "daemon/reserve.h"

/* Examining one process takes at most 6 at a time: its pidfd, a walk of /proc, and pidfd, status and
 * threads of another process. One more may be a client that waits for room (listener.c). */
#define RESERVED 9

bool reserve_allows(int fd)
{
	struct rlimit files;

	return getrlimit(RLIMIT_NOFILE, &files) != 0 || (rlim_t)fd + RESERVED < files.rlim_cur;
}
