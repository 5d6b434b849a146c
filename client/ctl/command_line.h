/* The parsed command line. */
#ifndef CLIENT_COMMAND_LINE_H
#define CLIENT_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "readyd/readyd.h"

/* Exit codes; see verdict_exit_code() for those of the other verdicts. */
enum { EXIT_READY = 0, EXIT_PENDING = 1, EXIT_USAGE = 2, EXIT_TIMED_OUT = 124, EXIT_FAILED = 125 };

struct named_process {
	pid_t pid;
	uint64_t start;	       /* 0: whichever process has the pid */
	uint64_t worker_start; /* of the reference worker, if this pid was seen to be one; else 0 */
};

struct command_line {
	struct readyd_options options;
	bool json, quiet, any;
	bool openmetrics; /* for stats */
	int64_t timeout_ms; /* -1: none */
	struct named_process *processes;
	size_t process_count;
	bool *told; /* for each process: its answer has been printed; NULL: no other process asks for that */
	const char *legend[256]; /* what the user calls an exit status; NULL: nothing */
};

#endif
