/* On which processors who may run. The scheduler's choice differs from round to round, and to wake somebody
 * on another, idle processor takes longer than most of what is measured. */
#ifndef BENCH_PROCESSORS_H
#define BENCH_PROCESSORS_H

#include <sched.h>
#include <stdbool.h>
#include <sys/types.h>

/* The first of those that this process may use now, and the others; false where there is only one. */
bool processors_split(cpu_set_t *first, cpu_set_t *others);

/* 0: this process, and what it starts from now on. */
void processors_allow(pid_t pid, const cpu_set_t *set);

#endif
