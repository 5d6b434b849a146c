/*
 * A worker that acts by a list of steps, and writes down when each began and ended: see README.md.
 *
 *	chaos-worker LOG NAME DIRECTORY STEP...
 *
 * LOG is appended to, a line for each moment: NAME, CLOCK_MONOTONIC in nanoseconds, try, did, failed, up or
 *bye, the step. The steps are create, empty, rename, link, tmpfile (ways of making the marker), rewrite,
 *remove, directory, symlink, fifo (what is in the way), clear (of that), exec, headless (the first thread
 *ends), sleep:US, exit:STATUS, kill:SIGNAL and park.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "readyd/marker.h"

static struct {
	const char *log_path, *name, *directory, *program;
	int log;
	char **steps;
	char marker[600], other[600];
} w;

static void note(const char *what, const char *step)
{
	struct timespec now;
	char line[256];
	int length;

	clock_gettime(CLOCK_MONOTONIC, &now);
	length = snprintf(line, sizeof(line), "%s %lld %s %s\n", w.name,
	    (long long)now.tv_sec * 1000000000LL + now.tv_nsec, what, step);
	if (write(w.log, line, (size_t)length) != length)
		_exit(90);
}

/* Only a regular file of our own counts: what lay there before may be another user's. */
static int fill(int fd, const char *text)
{
	struct stat st;
	int result = -1;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	    write(fd, text, strlen(text)) == (ssize_t)strlen(text))
		result = 0;
	return close(fd) == 0 ? result : -1;
}

static int write_file(const char *path, int flags, const char *text)
{
	return fill(open(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags, 0644), text);
}

static int make_by_rename(void)
{
	if (write_file(w.other, O_CREAT | O_EXCL, "ready\n") < 0)
		return -1;
	if (rename(w.other, w.marker) == 0)
		return 0;
	unlink(w.other);
	return -1;
}

static int make_by_link(void)
{
	int result;

	if (write_file(w.other, O_CREAT | O_EXCL, "ready\n") < 0)
		return -1;
	result = link(w.other, w.marker);
	/* It fails if the directory has been covered since; the marker is there all the same. */
	(void)!unlink(w.other);
	return result;
}

static int make_by_tmpfile(void)
{
	char path[64];
	int result, fd = open(w.directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);

	if (fd < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	result = linkat(AT_FDCWD, path, AT_FDCWD, w.marker, AT_SYMLINK_FOLLOW);
	(void)fill(fd, "ready\n");
	return result;
}

static int clear(void)
{
	return unlink(w.marker) == 0 || rmdir(w.marker) == 0 ? 0 : -1;
}

/* Returns the result of a step on the marker, or 1 if it is another step. */
static int act_on_marker(const char *step)
{
	if (strcmp(step, "create") == 0)
		return write_file(w.marker, O_CREAT | O_TRUNC, "ready\n");
	if (strcmp(step, "empty") == 0)
		return write_file(w.marker, O_CREAT | O_TRUNC, "");
	if (strcmp(step, "rename") == 0)
		return make_by_rename();
	if (strcmp(step, "link") == 0)
		return make_by_link();
	if (strcmp(step, "tmpfile") == 0)
		return make_by_tmpfile();
	if (strcmp(step, "rewrite") == 0)
		return write_file(w.marker, O_TRUNC, "ready again\n");
	if (strcmp(step, "remove") == 0)
		return unlink(w.marker);
	if (strcmp(step, "directory") == 0)
		return mkdir(w.marker, 0755);
	if (strcmp(step, "symlink") == 0)
		return symlink("/dev/null", w.marker);
	if (strcmp(step, "fifo") == 0)
		return mkfifo(w.marker, 0644);
	return strcmp(step, "clear") == 0 ? clear() : 1;
}

static void run(char **steps);

static void *go_on(void *steps)
{
	run((char **)steps);
	return NULL;
}

/* The process lives on in another thread; its first one is a zombie. */
static void end_first_thread(char **rest)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, go_on, rest) != 0)
		_exit(91);
	pthread_exit(NULL);
}

static void exec_with(char **rest)
{
	char **arguments = calloc(64, sizeof(*arguments));
	int count = 0;

	if (arguments == NULL)
		_exit(92);
	arguments[count++] = (char *)w.program;
	arguments[count++] = (char *)w.log_path;
	arguments[count++] = (char *)w.name;
	arguments[count++] = (char *)w.directory;
	while (*rest != NULL && count < 63)
		arguments[count++] = *rest++;
	execv(w.program, arguments);
	_exit(93);
}

static void run_other(char **steps)
{
	const char *value = strchr(*steps, ':');
	long number = value == NULL ? 0 : strtol(value + 1, NULL, 10);

	if (strncmp(*steps, "sleep:", 6) == 0) {
		usleep((useconds_t)number);
	} else if (strcmp(*steps, "exec") == 0) {
		exec_with(steps + 1);
	} else if (strcmp(*steps, "headless") == 0) {
		end_first_thread(steps + 1);
	} else if (strcmp(*steps, "park") == 0) {
		for (;;)
			pause();
	} else {
		note("bye", *steps);
		if (strncmp(*steps, "kill:", 5) == 0)
			kill(getpid(), (int)number);
		_exit((int)number);
	}
}

static void run(char **steps)
{
	char *step;
	int result;

	for (; (step = *steps) != NULL; steps++) {
		if (strchr(step, ':') != NULL || strcmp(step, "exec") == 0 || strcmp(step, "headless") == 0 ||
		    strcmp(step, "park") == 0) {
			run_other(steps);
			continue;
		}
		note("try", step);
		result = act_on_marker(step);
		note(result == 0 ? "did" : "failed", step);
		if (result > 0)
			_exit(94);
	}
	note("bye", "exit:0");
	_exit(0);
}

int main(int argc, char **argv)
{
	char pid[32];

	if (argc < 5)
		return 2;
	w.program = argv[0];
	w.log_path = argv[1];
	w.name = argv[2];
	w.directory = argv[3];
	w.log = open(w.log_path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (w.log < 0)
		return 95;
	snprintf(
	    w.marker, sizeof(w.marker), "%s/%s%d", w.directory, READYD_MARKER_NAME_PREFIX, (int)getpid());
	snprintf(w.other, sizeof(w.other), "%s/other.%s", w.directory, w.name);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	note("up", pid);
	run(argv + 4);
}
