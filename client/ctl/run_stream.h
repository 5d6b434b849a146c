/*
 * The standard output or error of a worker, which is copied to our own and read on the way. It never blocks:
 * what cannot be written stays here, and the worker then waits as if it wrote there itself.
 */
#ifndef CLIENT_RUN_STREAM_H
#define CLIENT_RUN_STREAM_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/ctl/lines.h"

struct run_stream {
	int from; /* the pipe that the worker writes to; -1: it has no writer or reader any more */
	int into; /* the worker's end of it, until run_stream_started() */
	int to;	  /* where it goes */
	bool own_to, is_socket; /* to was opened here; it is a socket */
	char held[4096];	/* read, but not written yet */
	size_t at, count;
	uint64_t read; /* bytes so far */
	struct lines lines;
};

void run_stream_init(struct run_stream *s);

/* For what is written to our descriptor number `to`. -1 and errno. */
int run_stream_open(struct run_stream *s, int to);
void run_stream_started(struct run_stream *s);
void run_stream_close(struct run_stream *s);

/* What to poll for, and what to do then. */
void run_stream_poll(const struct run_stream *s, struct pollfd *fd);
void run_stream_move(struct run_stream *s);

/* What will have been read when all is that lies in the pipe now. Its end is not waited for, since
 * descendants of the worker may hold it, and may go on writing. */
uint64_t run_stream_target(const struct run_stream *s);

/* Whether so much has been read, and is written; or no more can be. */
bool run_stream_is_done(const struct run_stream *s, uint64_t target);

#endif
