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

/* In one write: thousands may speak at once. */
static void say(const char *prefix, const char *format, va_list args, int error)
{
	char line[1024];
	int len = snprintf(line, sizeof(line), "bench: %s", prefix);

	len += vsnprintf(line + len, sizeof(line) / 2, format, args);
	if (error != 0)
		len += snprintf(line + len, sizeof(line) / 4, ": %s", strerror(error));
	line[len++] = '\n';
	(void)!write(STDERR_FILENO, line, (size_t)len);
}

/* Exit handlers stop the servers, which are the parent's. */
__attribute__((noreturn)) static void end(void)
{
	if (is_child)
		_exit(1);
	exit(1);
}

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("", format, args, 0);
	va_end(args);
	end();
}

void fail_errno(const char *format, ...)
{
	int error = errno;
	va_list args;

	va_start(args, format);
	say("", format, args, error);
	va_end(args);
	end();
}

void left_out(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("left out: ", format, args, 0);
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

void nap_us(long us)
{
	struct timespec nap = {us / 1000000, us % 1000000 * 1000};

	nanosleep(&nap, NULL);
}

void samples_add(struct samples *samples, int64_t value)
{
	if (samples->count == samples->room) {
		samples->room = samples->room == 0 ? 64 : 2 * samples->room;
		samples->values = realloc(samples->values, samples->room * sizeof(*samples->values));
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

int64_t samples_at(struct samples *samples, double share)
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

long processes_most(void)
{
	long most = read_number("/proc/sys/kernel/pid_max") / 2;
	struct rlimit processes;

	if (getrlimit(RLIMIT_NPROC, &processes) == 0 && processes.rlim_cur != RLIM_INFINITY &&
	    (long)(processes.rlim_cur / 2) < most)
		most = (long)(processes.rlim_cur / 2);
	return most;
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
