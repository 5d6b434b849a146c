/* Words of a line: what the wire's parsers read with. Pure, no allocation. */
#ifndef SRC_SPAN_H
#define SRC_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A part of a line, not terminated: the parsers cut words off its front. */
struct span {
	const char *at;
	size_t len;
};

/* The line without its newline and the carriage return before it. */
struct span span_trim(const char *line, size_t len);

/* Cuts the first word off rest; an empty word when there is none left. */
struct span span_next_word(struct span *rest);

/* Whether the word is the name, in any case of letters. */
bool span_is(struct span word, const char *name);

/* A positive decimal number that fits a pid. 0 or -1. */
int span_pid(struct span word, pid_t *pid);

/* "pid" or "pid:start", which names one process for ever; start is 0 where it is not given. */
int span_process(struct span word, pid_t *pid, uint64_t *start);

#endif
