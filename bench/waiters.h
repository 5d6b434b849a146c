/* The processes that wait, in one field after the other. */
#ifndef BENCH_WAITERS_H
#define BENCH_WAITERS_H

#include "bench/field.h"

/* Makes sure that there are enough of them, all at home, and gives the field its share of them. */
void waiters_gather(struct field *field);
/* Sends those of the field out to wait. */
void waiters_send(const struct field *field);
/* How many there are, in the field or not. */
int waiters_count(void);

#endif
