/* The parsed command line. */
#ifndef CLIENT_COMMAND_LINE_H
#define CLIENT_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/ctl/run_options.h"
#include "readyd/readyd.h"

/* Exit codes; see verdict_exit_code() for those of the other verdicts. */
enum {
	EXIT_READY = 0,
	EXIT_PENDING = 1,
	EXIT_USAGE = 2,
	EXIT_TIMED_OUT = 124,
	EXIT_FAILED = 125,
	EXIT_NOT_EXECUTED = 126,
	EXIT_NOT_FOUND = 127
};

struct named_process {
	const char *pid_file;  /* that names it; NULL: its pid was given */
	pid_t pid;	       /* 0: the file has not named a living process yet */
	uint64_t start;	       /* 0: whichever process has the pid */
	uint64_t seen_start;   /* of that one when the wait began, if there are pid files; else 0 */
	uint64_t worker_start; /* of the reference worker, if this pid was seen to be one; else 0 */
};

struct command_line {
	struct readyd_options options;
	bool json, pids_only, quiet;
	bool openmetrics;   /* --openmetrics */
	bool prints;	    /* --json or --print is given */
	bool until_end;	    /* --for=end */
	bool reads_input;   /* more processes are named on standard input */
	size_t count;	    /* --count, or 1 for --any; 0: all processes */
	int64_t began;	    /* clock_ms() */
	int64_t timeout_ms; /* -1: none */
	struct named_process *processes;
	size_t process_count, process_room;
	bool *told; /* for each process: its answer has been printed; NULL: no other process asks for that */
	struct run_options run;	 /* for run and mark, what is theirs alone */
	const char *since;	 /* --since; NULL: the present state */
	char **command;		 /* to execute afterwards, ends with NULL; NULL: none */
	const char *legend[256]; /* what the user calls an exit status; NULL: nothing */
};

static inline bool command_line_is_remote(const struct command_line *line)
{
	return (line->options.flags & READYD_OPTION_REMOTE) != 0;
}

#endif
