/*
 * The standard output or error of a worker, which is copied to our own and read on the way. It never blocks:
 * what cannot be written stays here, and the worker then waits as if it wrote there itself.
 */
#ifndef CLIENT_RUN_STREAM_H
#define CLIENT_RUN_STREAM_H

#include <poll.h>
#include <stdbool.h>

#include "client/ctl/lines.h"

struct run_stream {
	int from; /* the pipe that the worker writes to; -1: it has no writer or reader any more */
	int into; /* the worker's end of it, until run_stream_started() */
	int to;	  /* where it goes */
	bool own_to, is_socket; /* to was opened here; it is a socket */
	char held[4096];	/* read, but not written yet */
	size_t at, count;
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

/* Writes what was read or lies in the pipe, however long its reader takes, unless a signal comes. Does not
 * wait for the end of the pipe: descendants of the worker may hold it. */
void run_stream_drain(struct run_stream *s);

#endif
