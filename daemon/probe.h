/* Finds out whether a daemon serves a socket that is in the way. */
#ifndef DAEMON_PROBE_H
#define DAEMON_PROBE_H

#include <stdint.h>

enum probe {
	PROBE_DEAD,   /* no process listens there */
	PROBE_SILENT, /* it does not answer in time: a manager that has not started the daemon yet, or frozen
		       */
	PROBE_ANSWERED, /* a process serves it */
	PROBE_UNKNOWN	/* cannot be asked, see errno */
};

/* Connects and sends PING. Blocks for at most so many milliseconds, and only where a process listens. */
enum probe probe_socket(const char *path, int64_t ms);

#endif
