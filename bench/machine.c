/* What this machine charges for the steps that all waiting is made of. Other results are read beside these,
 * since a guest may need twenty times as long for a page fault or a context switch as its host. */
#include "config.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/affinity.h"
#include "bench/measures.h"

#define REPEATS	 21
#define CALLS	 10000
#define PAGES	 1024
#define SWITCHES 1000
#define PROGRAMS 5

extern char **environ;

static double time_calls(void)
{
	int64_t began = now_ns();

	for (int i = 0; i < CALLS; i++)
		(void)syscall(SYS_getppid);
	return (double)(now_ns() - began) / CALLS;
}

static double time_faults(void)
{
	const long size = sysconf(_SC_PAGESIZE);
	char *pages =
	    mmap(NULL, (size_t)(PAGES * size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int64_t taken;

	if (pages == MAP_FAILED)
		fail_errno("mmap");
	(void)madvise(pages, (size_t)(PAGES * size), MADV_NOHUGEPAGE);
	taken = now_ns();
	for (long i = 0; i < PAGES; i++)
		((volatile char *)pages)[i * size] = 1;
	taken = now_ns() - taken;
	munmap(pages, (size_t)(PAGES * size));
	return (double)taken / PAGES;
}

/* Returns what comes in at one end of a pipe through another; ends when the other end is closed. */
static _Noreturn void echo(int in, int out, const cpu_set_t *cpus)
{
	char byte;

	affinity_set(0, cpus);
	while (read(in, &byte, 1) == 1)
		if (write(out, &byte, 1) != 1)
			break;
	_exit(0);
}

/* Two processes wake each other in turn. */
static double time_switches(const cpu_set_t *mine, const cpu_set_t *theirs)
{
	int there[2], back[2];
	int64_t began;
	char byte = 'x';
	pid_t pid;

	if (pipe2(there, O_CLOEXEC) != 0 || pipe2(back, O_CLOEXEC) != 0)
		fail_errno("pipe");
	pid = bench_fork();
	if (pid == 0) {
		close(there[1]);
		echo(there[0], back[1], theirs);
	}
	affinity_set(0, mine);
	began = now_ns();
	for (int i = 0; i < SWITCHES; i++)
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			fail_errno("pipe");
	began = now_ns() - began;
	close(there[0]), close(there[1]), close(back[0]), close(back[1]);
	waitpid(pid, NULL, 0);
	return (double)began / SWITCHES / 2;
}

static double time_programs(void)
{
	char *argv[] = {"/bin/true", NULL};
	int64_t began = now_ns();
	int status;
	pid_t pid;

	for (int i = 0; i < PROGRAMS; i++)
		if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) != 0 ||
		    waitpid(pid, &status, 0) != pid || status != 0)
			fail("%s: cannot be run", argv[0]);
	return (double)(now_ns() - began) / PROGRAMS;
}

enum { CALL, FAULT, SWITCH, WAKE, PROGRAM, COSTS };
static const char *const names[COSTS] = {"system call", "page fault", "context switch",
    "context switch to the other processor", "fork and exec of /bin/true"};

static void measure_once(struct samples *costs)
{
	cpu_set_t first, others, all;
	bool several = affinity_split(&first, &others);

	CPU_OR(&all, &first, &others);
	samples_add(&costs[CALL], (int64_t)(time_calls() * 1000));
	samples_add(&costs[FAULT], (int64_t)(time_faults() * 1000));
	samples_add(&costs[SWITCH], (int64_t)(time_switches(&first, &first) * 1000));
	affinity_set(0, &all);
	if (several)
		samples_add(&costs[WAKE], (int64_t)(time_switches(&first, &others) * 1000));
	affinity_set(0, &all);
	samples_add(&costs[PROGRAM], (int64_t)(time_programs() * 1000));
}

/* The samples are picoseconds, since a system call takes less than a tenth of a microsecond. */
void measure_machine(const struct bench *bench)
{
	static struct samples costs[COSTS];

	for (int i = 0; i < REPEATS && i < bench->rounds && (i == 0 || now_ns() < bench->until_ns); i++)
		measure_once(costs);
	printf("cost,rounds,us\n");
	for (int i = 0; i < COSTS; i++)
		if (costs[i].count > 0)
			printf("%s,%zu,%.3f\n", names[i], costs[i].count,
			    (double)samples_quantile(&costs[i], 0.5) / 1e6);
}
