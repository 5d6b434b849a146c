/* readyctl's commands and what the command line says to them. */
#ifndef CLIENT_COMMAND_H
#define CLIENT_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "readyd/readyd.h"

/* Exit codes that stand for no verdict; see verdict_exit_code() for the others. */
enum { EXIT_READY = 0, EXIT_PENDING = 1, EXIT_USAGE = 2, EXIT_TIMED_OUT = 124, EXIT_FAILED = 125 };

struct named_process {
	pid_t pid;
	uint64_t start; /* 0: whichever process has the pid */
};

struct command_line {
	struct readyd_options options;
	bool json, quiet, any;
	int64_t timeout_ms; /* -1: none */
	struct named_process *processes;
	size_t process_count;
	const char *legend[256]; /* what the caller calls an exit status, NULL where it has no word for it */
};

int command_wait(const struct command_line *line);
int command_status(const struct command_line *line);
int command_list(const struct command_line *line);
int command_ping(const struct command_line *line);
int command_stats(const struct command_line *line);

/* The exit code of one verdict, for `status`; a wait that timed out has EXIT_TIMED_OUT instead of
 * EXIT_PENDING. */
int verdict_exit_code(enum readyd_verdict verdict);

/* Of an unreachable process, says on stderr in words what is in the way. */
void command_say_why(const struct readyd_answer *answer);

/* Says on stderr what failed, why (errno) and what to do, and returns EXIT_FAILED. */
int command_failed(const struct command_line *line, const char *what);

#endif
