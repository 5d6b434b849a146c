#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench/harness.h"

static bool is_child;

int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* One write(2) for each line, since thousands of processes may report at once. */
static void report(const char *prefix, const char *format, va_list args, int error)
{
	char line[1024];
	int len = snprintf(line, sizeof(line), "%s", prefix);

	len += vsnprintf(line + len, sizeof(line) / 2, format, args);
	if (error != 0)
		len += snprintf(line + len, sizeof(line) / 4, ": %s", strerror(error));
	line[len++] = '\n';
	(void)!write(STDERR_FILENO, line, (size_t)len);
}

/* A child must not run the exit handlers: they stop the servers. */
__attribute__((noreturn)) static void terminate(void)
{
	if (is_child)
		_exit(1);
	exit(1);
}

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	report("bench: ", format, args, 0);
	va_end(args);
	terminate();
}

void fail_errno(const char *format, ...)
{
	int error = errno;
	va_list args;

	va_start(args, format);
	report("bench: ", format, args, error);
	va_end(args);
	terminate();
}

void left_out(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	report("bench: left out: ", format, args, 0);
	va_end(args);
}

void progress(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	report("", format, args, 0);
	va_end(args);
}

pid_t bench_fork(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		fail_errno("fork");
	if (pid > 0)
		return pid;
	is_child = true;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	return 0;
}

int64_t cpu_of(pid_t pid)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
		return 0;
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t cpu_of_reaped(void)
{
	struct rusage usage;

	getrusage(RUSAGE_CHILDREN, &usage);
	return ((int64_t)usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000 +
	       ((int64_t)usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

void sleep_us(long us)
{
	struct timespec duration = {us / 1000000, us % 1000000 * 1000};

	nanosleep(&duration, NULL);
}

void samples_add(struct samples *samples, int64_t value)
{
	if (samples->count == samples->capacity) {
		samples->capacity = samples->capacity == 0 ? 64 : 2 * samples->capacity;
		samples->values = realloc(samples->values, samples->capacity * sizeof(*samples->values));
		if (samples->values == NULL)
			fail_errno("samples");
	}
	samples->values[samples->count++] = value;
}

void samples_fini(struct samples *samples)
{
	free(samples->values);
	*samples = (struct samples){0};
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int64_t samples_quantile(struct samples *samples, double share)
{
	size_t at = (size_t)((double)samples->count * share);

	if (samples->count == 0)
		fail("no samples");
	qsort(samples->values, samples->count, sizeof(*samples->values), by_value);
	return samples->values[at < samples->count ? at : samples->count - 1];
}

void raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

long max_processes(void)
{
	long max = read_number("/proc/sys/kernel/pid_max") / 2;
	struct rlimit processes;

	if (getrlimit(RLIMIT_NPROC, &processes) == 0 && processes.rlim_cur != RLIM_INFINITY &&
	    (long)(processes.rlim_cur / 2) < max)
		max = (long)(processes.rlim_cur / 2);
	return max;
}

long read_number(const char *path)
{
	FILE *file = fopen(path, "re");
	long number = -1;

	if (file == NULL)
		return -1;
	if (fscanf(file, "%ld", &number) != 1)
		number = -1;
	fclose(file);
	return number;
}
