/*
 * The daemon's end of a connection, which does what a script says: bytes and lines of any kind, in any
 * pieces, with descriptors of any kind or without.
 */
#ifndef TESTS_FUZZ_PEER_H
#define TESTS_FUZZ_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/fuzz/fuzz.h"

#define PEER_PROCESSES 4

/* The processes that scripts name: this one, a child that sleeps, one that does not exist, and the child with
 * another start. */
struct peer_process {
	pid_t pid;
	uint64_t start;
};

struct peer {
	char socket[64];      /* where it listens */
	const char *dir;      /* that it says it serves */
	int listener, server; /* server -1: there is no connection */
	struct peer_process processes[PEER_PROCESSES];
	char told[16384]; /* all that was sent, as far as it fits; terminated by a NUL */
	size_t told_len;
	bool told_all; /* it fits */
	bool
	    sent_byte; /* a descriptor that polls as readable has been sent, which means "ready" for a gate */
};

/* Once, before any input: starts the child, and listens. */
void peer_begin(struct peer *peer, const char *dir);
/* For the next input. */
void peer_reset(struct peer *peer);
/* Takes a new connection in place of the last one. */
void peer_accept(struct peer *peer);
/* Does the next thing of the script. */
void peer_act(struct peer *peer, struct fuzz_input *input);
void peer_hang_up(struct peer *peer);

/* Whether this word, in any case, is in what was sent, or may be. */
bool peer_may_have_told(const struct peer *peer, const char *word);

#endif
