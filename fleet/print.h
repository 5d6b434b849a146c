/* What readyctl-fleet prints of processes: the words of readyctl(1), with the node before the pid. */
#ifndef FLEET_PRINT_H
#define FLEET_PRINT_H

#include "fleet/decision.h"

/* last: the word of what was known last, where that is not the answer. NULL: none. */
void print_answer(const char *node, const struct readyd_answer *answer, const char *last, const char *name);
/* The verdict that a decision does not confirm; NULL: there is none. */
const char *print_last(const struct decision *decision);
/* Why there is no answer yet. */
void print_cause(char *text, size_t size, const char *node, const struct decision *decision);
/* 0, or -1 if this or an earlier call could not write to standard output, which is reported once: what was
 * printed then is lost. */
int print_flush(void);

#endif
