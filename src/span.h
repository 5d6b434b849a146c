/* Words of a line, for the parsers of the protocol. No I/O, no allocation. */
#ifndef SRC_SPAN_H
#define SRC_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A part of a line, not terminated by a NUL; the caller owns the line. */
struct span {
	const char *at;
	size_t len;
};

/* The line without its newline and a carriage return before that. */
struct span span_trim(const char *line, size_t len);

/* Removes the first word from the front of rest and returns it; an empty word at the end of the line. */
struct span span_next_word(struct span *rest);

/* Whether the word equals name, ignoring case. */
bool span_is(struct span word, const char *name);

/* Parses a decimal number from 1 to INT_MAX. 0 or -1. */
int span_pid(struct span word, pid_t *pid);

/* Parses "pid" or "pid:start", which identifies one process; start is 0 if it is not given. 0 or -1. */
int span_process(struct span word, pid_t *pid, uint64_t *start);

/* Parses "epoch:seq", a position of a monitor. 0 or -1. */
int span_token(struct span word, uint64_t *epoch, uint64_t *seq);

#endif
