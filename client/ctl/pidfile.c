#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/ctl/pidfile.h"
#include "src/process.h"
#include "src/span.h"

#define READ_LEAST_MS 50
#define READ_MOST_MS  1000

/* The first bytes of the file; -1 with errno. Opening a FIFO would block. */
static ssize_t read_start(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t got;
	int error;

	if (fd < 0)
		return -1;
	got = read(fd, text, size - 1);
	error = errno;
	close(fd);
	errno = error;
	if (got >= 0)
		text[got] = '\0';
	return got;
}

/* The first word: some files have more lines. */
static pid_t pid_in(const char *text)
{
	pid_t pid;
	size_t length = 0;

	while (isspace((unsigned char)*text))
		text++;
	while (text[length] != '\0' && !isspace((unsigned char)text[length]))
		length++;
	return span_pid((struct span){text, length}, &pid) == 0 ? pid : 0;
}

bool pidfile_is_alive(pid_t pid, uint64_t *start)
{
	struct process process;
	bool alive;

	process_open(&process, pid);
	alive = process_life(&process) != PROCESS_GONE;
	*start = process.start_known ? process.start : 0;
	process_close(&process);
	return alive;
}

enum pidfile pidfile_read(struct named_process *process, const char **why)
{
	char text[64];
	pid_t pid;

	if (read_start(process->pid_file, text, sizeof(text)) < 0) {
		*why = "is missing";
		return errno == ENOENT || errno == ENOTDIR || errno == EAGAIN ? PIDFILE_NOT_YET
									      : PIDFILE_FAILED;
	}
	pid = pid_in(text);
	*why = pid == 0 ? "does not begin with a pid" : "names a process that does not exist";
	if (pid == 0 || !pidfile_is_alive(pid, &process->start))
		return PIDFILE_NOT_YET;
	process->pid = pid;
	return PIDFILE_NAMED;
}

/* The directory, where a file that is replaced raises events too. */
static bool watch_directory(int fd, const char *path)
{
	const char *slash = strrchr(path, '/');
	int length = slash == NULL ? 0 : slash == path ? 1 : (int)(slash - path);
	char dir[PATH_MAX];

	if (snprintf(dir, sizeof(dir), "%.*s", length, path) >= (int)sizeof(dir))
		return false;
	return inotify_add_watch(fd, length == 0 ? "." : dir,
		   IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_MODIFY | IN_ONLYDIR) >= 0;
}

void pidfile_watch_arm(struct pidfile_watch *watch, const struct command_line *line)
{
	if (watch->armed)
		return;
	if (watch->fd < 0)
		watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	watch->armed = watch->fd >= 0;
	for (size_t i = 0; watch->fd >= 0 && i < line->process_count; i++)
		if (line->processes[i].pid == 0 && !watch_directory(watch->fd, line->processes[i].pid_file))
			watch->armed = false;
}

bool pidfile_watch_drain(struct pidfile_watch *watch)
{
	char events[4096];
	bool any = false;
	ssize_t got;

	while ((got = read(watch->fd, events, sizeof(events))) > 0)
		any = true;
	if (got < 0 && errno != EAGAIN && errno != EINTR)
		pidfile_watch_close(watch);
	return any;
}

void pidfile_watch_close(struct pidfile_watch *watch)
{
	if (watch->fd >= 0)
		close(watch->fd);
	*watch = (struct pidfile_watch){.fd = -1};
}

int64_t pidfile_interval(int64_t waited_ms)
{
	int64_t ms = waited_ms / 2;

	if (ms < READ_LEAST_MS)
		return READ_LEAST_MS;
	return ms > READ_MOST_MS ? READ_MOST_MS : ms;
}
