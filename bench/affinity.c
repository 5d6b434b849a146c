#include "config.h"

#include "bench/harness.h"
#include "bench/affinity.h"

bool affinity_split(cpu_set_t *first, cpu_set_t *others)
{
	cpu_set_t all;
	int cpu = 0;

	if (sched_getaffinity(0, sizeof(all), &all) != 0)
		fail_errno("sched_getaffinity");
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(first);
	CPU_SET(cpu, first);
	CPU_XOR(others, &all, first);
	return CPU_COUNT(others) > 0;
}

void affinity_set(pid_t pid, const cpu_set_t *set)
{
	if (sched_setaffinity(pid, sizeof(*set), set) != 0)
		fail_errno("sched_setaffinity of %ld", (long)pid);
}
