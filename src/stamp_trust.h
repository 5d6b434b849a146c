/*
 * How far the stamps of a file system can be trusted. Pure functions, so that a table can test them; the
 * system calls are in src/stamp.h.
 *
 * A marker's stamp comes from the clock of its file system, the start of a process from the kernel's. Only
 * what is known of the difference makes a stamp evidence: a stamp S stands for a moment in [S, S + grain_ns]
 * of the file system's clock, which is ours plus skew_ns, give or take margin_ns.
 */
#ifndef SRC_STAMP_TRUST_H
#define SRC_STAMP_TRUST_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* The kernel stamps files with a coarse clock (current_time(), fs/inode.c) that advances with the timer tick,
 * every 10 ms or more often (HZ is at least 100, see time(7)). In a virtual machine that is preempted, the
 * tick is late. */
#define STAMP_GRAIN_NS 40000000LL

/* By how much the clock of an NFS or SMB server, of a host or of a FUSE program may differ from ours. */
#define STAMP_MARGIN_NS 5000000000LL

struct stamp_trust {
	int64_t grain_ns;  /* stamps are rounded down to this */
	int64_t margin_ns; /* the clock may differ from what skew_ns says by this much, either way */
	int64_t skew_ns;   /* the file system's clock minus CLOCK_REALTIME, where measured; else 0 */
	bool measured;
};

/* The clock that stamps the files of a file system. */
enum stamp_clock {
	STAMP_CLOCK_KERNEL, /* our kernel's */
	STAMP_CLOCK_LAYER,  /* that of the file system below: nearly always our kernel's */
	STAMP_CLOCK_OTHER   /* a server's or a program's, or not known */
};

/* f_type is that of statfs(2); 0: not known. */
enum stamp_clock stamp_clock_of(uint32_t f_type);

/* What is known without a measurement. A stamp of a whole second has been rounded to seconds. */
void stamp_trust_assume(uint32_t f_type, const struct timespec *stamp, struct stamp_trust *trust);

/* Narrows what was assumed: a file that was created between `before` and `after` (CLOCK_REALTIME) has this
 * stamp. Of our kernel's clock only the grain is new; that of a layer is our kernel's if the stamp agrees.
 * False: the clock was set back in between, so nothing follows. */
bool stamp_trust_narrow(enum stamp_clock clock, int64_t before, const struct timespec *stamp, int64_t after,
    struct stamp_trust *trust);

/* Whether a difference between a stamp and a moment of our clock is so small that the margin decides. */
bool stamp_trust_is_tested(const struct stamp_trust *trust, int64_t difference);

#endif
