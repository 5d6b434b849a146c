/*
 * The reference worker: allocates a known number of bytes with jemalloc, keeps them live, and creates its
 * marker.
 *
 * Another process observes the allocator of this one, so nothing else may disturb it. Everything that could
 * allocate or enter the kernel is done before the allocation; from the access to the allocated byte to the
 * marker there are exactly three system calls (openat, write, close), and after that only the threads of
 * --churn use the heap.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef HAVE_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

#include "readyd/marker.h"

#define PROGRAM		 "ktstr-jemalloc-alloc-worker"
#define TASK_DIR	 "/proc/self/task"
#define PARK_SECONDS	 3600
#define CHURN_LIFE_NS	 (100 * 1000L)
#define CHURN_BACKOFF_NS (10 * 1000 * 1000L)

enum exit_code {
	EXIT_OUTPUT = 1,
	EXIT_ZERO_BYTES = 2,
	EXIT_NOT_SINGLE_THREADED = 3,
	EXIT_MARKER = 4,
	EXIT_USAGE = 5,
	EXIT_TASKS_UNREADABLE = 6,
};

struct request {
	size_t bytes;
	bool churn;
};

/* struct linux_dirent64 of getdents64(2), which not every libc declares. */
struct kernel_dirent {
	uint64_t inode;
	int64_t offset;
	uint16_t length;
	uint8_t type;
	char name[];
};

/* Volatile, so that the compiler cannot remove the allocation as unused. */
static void *volatile live_block;

/* Gives up on an error, such as EPIPE without a reader: that must not end a worker. */
static void write_all(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, text, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return;
		text += written;
		length -= (size_t)written;
	}
}

/* Prints one line, even if an argument that it quotes contains control characters, and exits. */
__attribute__((noreturn, format(printf, 2, 3))) static void fail(enum exit_code code, const char *format, ...)
{
	char line[PATH_MAX + 256] = READYD_WORKER_STDERR_PREFIX " ";
	const size_t start = strlen(line);
	size_t length;
	va_list args;

	va_start(args, format);
	vsnprintf(line + start, sizeof(line) - start - 1, format, args);
	va_end(args);
	length = strlen(line);
	for (size_t i = 0; i < length; i++)
		if (iscntrl((unsigned char)line[i]))
			line[i] = '?';
	line[length] = '\n';
	write_all(STDERR_FILENO, line, length + 1);
	_exit((int)code);
}

__attribute__((noreturn)) static void end_output(void)
{
	if (fflush(stdout) == 0)
		exit(EXIT_SUCCESS);
	fail(EXIT_OUTPUT, "cannot write to standard output: %s", strerror(errno));
}

__attribute__((noreturn)) static void print_help(void)
{
	puts("Usage: " PROGRAM " [--churn] BYTES\n"
	     "Allocates BYTES, keeps them live, and then creates the marker file\n"
	     "" READYD_MARKER_PREFIX "<pid>. Only a signal ends it.\n"
	     "\n"
	     "      --churn    afterwards start and join short-lived threads forever, instead of sleeping\n"
	     "      --help     print this and exit\n"
	     "      --version  print the versions of program and allocator and exit\n"
	     "\n"
	     "" READYD_MARKER_OVERRIDE_ENV " in the environment names another marker file.\n"
	     "\n"
	     "Exit status: 2 BYTES is 0; 3 more than one thread; 4 the marker cannot be written;\n"
	     "5 wrong usage, or BYTES out of range; 6 " TASK_DIR " cannot be read.");
	end_output();
}

__attribute__((noreturn)) static void print_version(void)
{
#ifdef HAVE_JEMALLOC
	const char *version = "unknown";
	size_t size = sizeof(version); /* NOLINT(bugprone-sizeof-expression): it is given a pointer */

	mallctl("version", &version, &size, NULL, 0);
	printf("%s %s\njemalloc %s\n", PROGRAM, PACKAGE_VERSION, version);
#else
	printf("%s %s\n", PROGRAM, PACKAGE_VERSION);
#endif
	end_output();
}

/* strtoull(3) accepts the sign, and returns ULLONG_MAX on overflow, which the bound rejects. */
static size_t parse_bytes(const char *text)
{
	const char *digits = text + (*text == '+');
	const unsigned long long value = strtoull(text, NULL, 10);

	if (*digits == '\0' || digits[strspn(digits, "0123456789")] != '\0')
		fail(EXIT_USAGE, "BYTES is '%.64s'; give a plain decimal number without unit", text);
	if (value > PTRDIFF_MAX)
		fail(EXIT_USAGE, "BYTES is %.64s, out of range; give at most %td", text, PTRDIFF_MAX);
	if (value == 0)
		fail(EXIT_ZERO_BYTES, "BYTES is 0, which leaves nothing to observe; give at least 1");
	return (size_t)value;
}

static void parse_option(const char *argument, struct request *request)
{
	if (strcmp(argument, "--churn") == 0)
		request->churn = true;
	else if (strcmp(argument, "--help") == 0)
		print_help();
	else if (strcmp(argument, "--version") == 0)
		print_version();
	else
		fail(EXIT_USAGE, "unknown option '%.64s'; see --help", argument);
}

/* Not by getopt_long(3), which accepts abbreviations: a later version with another option could not. */
static struct request parse_arguments(int argc, char **argv)
{
	struct request request = {0};
	const char *bytes = NULL;
	bool options = true;

	for (argv += argc > 0; *argv != NULL; argv++) {
		if (options && strcmp(*argv, "--") == 0)
			options = false;
		else if (options && (*argv)[0] == '-' && (*argv)[1] != '\0')
			parse_option(*argv, &request);
		else if (bytes == NULL)
			bytes = *argv;
		else
			fail(EXIT_USAGE, "'%.64s' is one argument too many; see --help", *argv);
	}
	if (bytes == NULL)
		fail(EXIT_USAGE, "BYTES is missing; give the number of bytes to allocate, see --help");
	request.bytes = parse_bytes(bytes);
	return request;
}

/* Returns buf, which has READYD_MARKER_PATH_SIZE bytes, or the path from the environment. */
static const char *marker_path(char *buf, pid_t pid)
{
	const char *override = getenv(READYD_MARKER_OVERRIDE_ENV);

	if (override != NULL && *override != '\0')
		return override;
	readyd_marker_path(buf, READYD_MARKER_PATH_SIZE, (uint32_t)pid);
	return buf;
}

/* An allocator may start threads when it is first used; do that before the threads are counted. */
static void start_allocator(void)
{
	live_block = malloc(1);
	free(live_block);
}

/* Without opendir(3), which allocates. -1 with errno. */
static int count_entries(int directory)
{
	_Alignas(struct kernel_dirent) char buffer[4096];
	const struct kernel_dirent *entry;
	long filled;
	int count = 0;

	while ((filled = syscall(SYS_getdents64, directory, buffer, sizeof(buffer))) > 0) {
		for (long at = 0; at < filled; at += entry->length) {
			entry = (const void *)(buffer + at);
			count += entry->name[0] != '.';
		}
	}
	return filled < 0 ? -1 : count;
}

static void require_single_thread(void)
{
	const int tasks = open(TASK_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const int threads = tasks < 0 ? -1 : count_entries(tasks);

	if (threads < 0)
		fail(EXIT_TASKS_UNREADABLE, "cannot read " TASK_DIR ": %s; mount procfs on /proc",
		    strerror(errno));
	close(tasks);
	if (threads != 1)
		fail(EXIT_NOT_SINGLE_THREADED,
		    TASK_DIR " has %d threads instead of 1, typically because of "
			     "MALLOC_CONF=background_thread:true; start without it, or with --churn",
		    threads);
}

/*
 * Accesses one byte only: the allocator's counters are what is observed, and set-up must not take longer for
 * more BYTES. Fresh pages are zeroed by the kernel, so jemalloc's calloc(3) does not touch them either.
 */
static void allocate(size_t bytes)
{
	live_block = calloc(1, bytes);
	if (live_block == NULL)
		fail(EXIT_USAGE, "cannot allocate %zu bytes: %s; give fewer BYTES", bytes, strerror(errno));
	(void)*(const volatile char *)live_block;
}

static void announce(pid_t pid, size_t bytes)
{
	char line[sizeof(READYD_WORKER_BREADCRUMB_FORMAT) + 40];
	const int length = snprintf(line, sizeof(line), READYD_WORKER_BREADCRUMB_FORMAT, (unsigned long)pid,
	    (unsigned long long)bytes);

	write_all(STDOUT_FILENO, line, (size_t)length);
}

static void *live_shortly(void *unused)
{
	nanosleep(&(struct timespec){.tv_nsec = CHURN_LIFE_NS}, NULL);
	return unused;
}

/* Starting a thread may fail for a while (limit of the pids cgroup, no memory); a worker survives that. */
__attribute__((noreturn)) static void churn(void)
{
	pthread_t thread;

	for (;;) {
		if (pthread_create(&thread, NULL, live_shortly, NULL) == 0)
			pthread_join(thread, NULL);
		else
			nanosleep(&(struct timespec){.tv_nsec = CHURN_BACKOFF_NS}, NULL);
	}
}

__attribute__((noreturn)) static void park(void)
{
	for (;;)
		sleep(PARK_SECONDS);
}

int main(int argc, char **argv)
{
	const struct request request = parse_arguments(argc, argv);
	const pid_t pid = getpid();
	char own_path[READYD_MARKER_PATH_SIZE];
	const char *path = marker_path(own_path, pid);

	signal(SIGPIPE, SIG_IGN);
	start_allocator();
	if (!request.churn)
		require_single_thread();
	allocate(request.bytes);
	if (readyd_marker_write(path) != 0)
		fail(EXIT_MARKER, "failed to write ready marker %s: %s; clear that name, or make room for it",
		    path, strerror(errno));
	announce(pid, request.bytes);
	if (request.churn)
		churn();
	park();
}
