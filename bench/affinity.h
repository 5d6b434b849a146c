/*
 * Pinning processes to CPUs. The scheduler places a process differently from round to round, and waking one
 * on another, idle CPU takes longer than most of what is measured.
 */
#ifndef BENCH_AFFINITY_H
#define BENCH_AFFINITY_H

#include <sched.h>
#include <stdbool.h>
#include <sys/types.h>

/* Splits the CPUs that this process may use into the first one and the others; false if there are no others.
 */
bool affinity_split(cpu_set_t *first, cpu_set_t *others);

/* pid 0: this process, and the children that it starts from now on. */
void affinity_set(pid_t pid, const cpu_set_t *set);

#endif
