/* One run of a worker: its parts, and the turns of its loop. */
#ifndef CLIENT_RUN_H
#define CLIENT_RUN_H

#include "client/ctl/command_line.h"
#include "client/ctl/run_child.h"
#include "client/ctl/run_look.h"
#include "client/ctl/run_options.h"
#include "client/ctl/run_report.h"
#include "client/ctl/run_signals.h"
#include "client/ctl/run_signs.h"
#include "client/ctl/run_stream.h"
#include "client/ctl/run_terminal.h"

struct run {
	const struct command_line *line;
	const struct run_options *options;
	struct run_signals signals;
	struct run_terminal terminal;
	struct run_child child;
	struct run_stream out, err;
	struct run_signs signs;
	struct run_look look;
	struct run_report report;
	int64_t deadline; /* clock_ms(); -1: none. Put off by the time that job control stops us */
	bool given;	  /* the worker has the terminal, or had it */
	bool hurry;	  /* it is being ended, and a signal asks for SIGKILL */
	int die_by;	  /* the signal that the worker has ended by and readyctl is to; 0: none */
	uint64_t passed;  /* the signals that were passed on, one bit each */
	int64_t
	    err_began; /* where our standard error was, if it is a regular file of the worker, too; -1: not */
	char message[LINES_SIZE];
};

/* Sleeps until something happens, but not beyond that time (clock_ms(); -1: no limit); passes signals on,
 * copies output, and notes how the worker is. The caller looks at the parts then. */
void run_turn(struct run *r, int64_t until);

/* Waits until the worker is ready and, if readyctl stays, until it has ended; or until it is clear that it
 * does not become ready. Returns the exit code; r->die_by instead, if that is not 0. */
int run_until_decided(struct run *r);

/* Copies what is left of the output of the worker, and reports how the run ends. Returns the exit code. */
int run_finish(struct run *r, enum run_code_kind kind, int code);

/* Ends the worker and its process group: SIGTERM, then SIGKILL. Returns when none of it is left, or 2 seconds
 * after SIGKILL. The worker is then reaped, if it has ended. */
void run_end_group(struct run *r);

#endif
