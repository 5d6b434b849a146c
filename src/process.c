#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/hot.h"
#include "src/process.h"
#include "src/shortage.h"

/* Newer than the headers of some systems that this is built on: pidfd_open(2) (Linux 5.3),
 * pidfd_send_signal(2) (5.1), and PIDFD_GET_INFO (include/uapi/linux/pidfd.h, 6.13; exit code since 6.15). */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

struct pidfd_info_v0 {
	uint64_t mask;
	uint64_t cgroup;
	uint32_t pid, tgid, ppid;
	uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
};
#define GET_INFO   _IOWR(0xFF, 11, struct pidfd_info_v0)
#define INFO_CREDS 0x2u
#define INFO_EXIT  0x8u

/* 0 if the kernel filled in all of what mask asks for (INFO_*), else -1. */
static int get_info(int fd, unsigned mask, struct pidfd_info_v0 *info)
{
	memset(info, 0, sizeof(*info));
	info->mask = mask;
	if (fd < 0 || ioctl(fd, GET_INFO, info) != 0)
		return -1;
	return (info->mask & mask) == mask ? 0 : -1;
}

/* Reads the start of the file into buf and terminates it with a NUL. -1 with errno; ENODATA: it is empty. */
static int read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error;
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, buf, size - 1);
	error = n == 0 ? ENODATA : errno;
	close(fd);
	errno = error;
	if (n <= 0)
		return -1;
	buf[n] = '\0';
	return 0;
}

static int read_proc(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
	return read_file(path, buf, size);
}

/* PF_KTHREAD, include/linux/sched.h */
#define FLAG_KTHREAD 0x00200000u

/* The fields of proc_pid_stat(5) that are used. */
struct stat_line {
	char state;	/* field 3 */
	unsigned flags; /* field 9 */
	uint64_t cpu;	/* fields 14 and 15, user and system time in clock ticks */
	long threads;	/* field 20 */
	uint64_t start; /* field 22 */
	int exit_code;	/* field 52; 0 for readers without ptrace access */
};

/* The command name (field 2) may contain spaces and parentheses, so count fields from its end. */
static int read_stat(pid_t pid, struct stat_line *line)
{
	char buf[1024], *field, *rest;

	if (read_proc(pid, "stat", buf, sizeof(buf)) != 0 || (field = strrchr(buf, ')')) == NULL)
		return -1;
	memset(line, 0, sizeof(*line));
	field = strtok_r(field + 1, " \n", &rest);
	for (int number = 3; field != NULL; number++, field = strtok_r(NULL, " \n", &rest)) {
		if (number == 3)
			line->state = field[0];
		else if (number == 9)
			line->flags = (unsigned)strtoul(field, NULL, 10);
		else if (number == 14 || number == 15)
			line->cpu += strtoull(field, NULL, 10);
		else if (number == 20)
			line->threads = atol(field);
		else if (number == 22)
			line->start = strtoull(field, NULL, 10);
		else if (number == 52)
			line->exit_code = atoi(field);
	}
	return line->start != 0 ? 0 : -1;
}

bool process_exists(pid_t pid)
{
	return kill(pid, 0) == 0 || errno != ESRCH;
}

bool process_is_active(pid_t pid, uint64_t *cpu)
{
	struct stat_line line;
	uint64_t previous = *cpu;

	if (read_stat(pid, &line) != 0)
		return false;
	*cpu = line.cpu + 1; /* 0 means that there was no call yet */
	return strchr("TtZXx", line.state) == NULL && *cpu != previous;
}

pid_t process_ns_pid_of(pid_t pid)
{
	char buf[4096], *line, *end, *last;

	if (read_proc(pid, "status", buf, sizeof(buf)) != 0)
		return is_shortage(errno) ? 0 : pid;
	if ((line = strstr(buf, "\nNSpid:")) == NULL)
		return pid;
	end = strchr(line + 1, '\n');
	if (end == NULL)
		return pid;
	*end = '\0';
	last = strrchr(line, '\t');
	return last != NULL && atoi(last) > 0 ? (pid_t)atoi(last) : pid;
}

pid_t process_newest(void)
{
	char buf[128], *last;

	if (read_file("/proc/loadavg", buf, sizeof(buf)) != 0 || (last = strrchr(buf, ' ')) == NULL)
		return 0;
	return (pid_t)atoi(last);
}

uint64_t process_own_namespace(const char *kind)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", kind);
	return stat(path, &st) == 0 ? st.st_ino : 0;
}

static void copy_stat(struct process *p, const struct stat_line *line)
{
	p->start = line->start;
	p->kernel = (line->flags & FLAG_KTHREAD) != 0;
}

/* A process keeps its pid until it is reaped; then pidfd_send_signal(2) fails with ESRCH. */
static bool still_has_pid(const struct process *p)
{
	return syscall(SYS_pidfd_send_signal, p->fd, 0, NULL, 0) == 0 || errno == EPERM;
}

static void read_ns_pid(struct process *p)
{
	pid_t ns_pid = process_ns_pid_of(p->pid);

	p->unread |= ns_pid == 0;
	if (ns_pid != 0)
		p->ns_pid = ns_pid;
}

void process_open(struct process *p, pid_t pid)
{
	struct stat_line line = {0};

	memset(p, 0, sizeof(*p));
	p->pid = p->ns_pid = pid;
	p->fd = (int)syscall(SYS_pidfd_open, pid, 0);
	/* EINVAL, on newer kernels ENOENT: it is a thread's, or its process is being reaped. */
	p->no_such_process = p->fd < 0 && (errno == ESRCH || errno == EINVAL || errno == ENOENT);
	if (p->no_such_process)
		return;
	if (read_stat(pid, &line) == 0) {
		copy_stat(p, &line);
	} else {
		p->unread = is_shortage(errno);
		p->no_such_process = p->fd < 0 && !process_exists(pid);
	}
	if (!p->no_such_process)
		read_ns_pid(p);
	/* It has ended, so what was read may belong to the next process with this pid. */
	if (p->fd >= 0 && process_gone(p) && line.state != 'Z' && !still_has_pid(p))
		p->start = 0;
}

void process_open_exact(struct process *p, pid_t pid, uint64_t start)
{
	process_open(p, pid);
	if (start == 0)
		return;
	/* If the start is not known (no /proc), trust the caller. */
	if (!p->no_such_process && p->start != 0 && p->start != start) {
		process_close(p);
		p->no_such_process = p->reused = true;
	}
	p->start = start;
}

HOT void process_close(struct process *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

HOT static enum process_life life_by_fd(const struct process *p)
{
	struct pollfd poll_fd = {.fd = p->fd, .events = POLLIN};

	switch (poll(&poll_fd, 1, 0)) {
	case 0:
		return PROCESS_LIVES;
	case -1:
		return PROCESS_UNKNOWN;
	default:
		return PROCESS_GONE;
	}
}

static enum process_life life_by_stat(const struct process *p)
{
	struct stat_line line;

	if (read_stat(p->pid, &line) == 0)
		return (p->start != 0 && line.start != p->start) || (line.state == 'Z' && line.threads <= 1)
			   ? PROCESS_GONE
			   : PROCESS_LIVES;
	if (is_shortage(errno) && process_exists(p->pid))
		return PROCESS_UNKNOWN;
	return process_exists(p->pid) ? PROCESS_LIVES : PROCESS_GONE;
}

HOT enum process_life process_life(const struct process *p)
{
	if (p->no_such_process)
		return PROCESS_GONE;
	return p->fd >= 0 ? life_by_fd(p) : life_by_stat(p);
}

char process_state(const struct process *p)
{
	struct stat_line line;

	if (process_gone(p))
		return 'X';
	if (read_stat(p->pid, &line) != 0 || (p->start != 0 && line.start != p->start))
		return '?';
	/* Its other threads may have exited since. */
	if (line.state == 'Z' && process_gone(p))
		return 'X';
	return line.state;
}

static int zombie_status(const struct process *p)
{
	struct stat_line line;

	if (p->start == 0 || read_stat(p->pid, &line) != 0 || line.start != p->start ||
	    strchr("ZX", line.state) == NULL)
		return -1;
	/* A reader without ptrace access sees 0 too. */
	if (line.exit_code == 0 && geteuid() != 0)
		return -1;
	return line.exit_code;
}

int process_wait_status(const struct process *p)
{
	struct pidfd_info_v0 info;
	int status;

	if (get_info(p->fd, INFO_EXIT, &info) == 0)
		return info.exit_code;
	status = zombie_status(p);
	/* It may have been reaped between the two calls. */
	if (status < 0 && get_info(p->fd, INFO_EXIT, &info) == 0)
		status = info.exit_code;
	return status;
}

bool process_real_uid(const struct process *p, uid_t *uid)
{
	struct pidfd_info_v0 info;
	char buf[4096], *line;
	unsigned real;

	if (get_info(p->fd, INFO_CREDS, &info) == 0) {
		*uid = info.ruid;
		return true;
	}
	if (read_proc(p->pid, "status", buf, sizeof(buf)) != 0 || (line = strstr(buf, "\nUid:")) == NULL ||
	    sscanf(line, "\nUid: %u", &real) != 1)
		return false;
	*uid = real;
	return true;
}

static enum process_uid compare_uids(uid_t uid, uid_t real, uid_t effective, uid_t fs)
{
	return uid == real || uid == effective || uid == fs ? PROCESS_UID_OWN : PROCESS_UID_FOREIGN;
}

enum process_uid process_check_uid(const struct process *p, uid_t uid)
{
	struct pidfd_info_v0 info;
	unsigned real, effective, saved, fs;
	char buf[4096], *line;

	if (get_info(p->fd, INFO_CREDS, &info) == 0)
		return compare_uids(uid, info.ruid, info.euid, info.fsuid);
	if (read_proc(p->pid, "status", buf, sizeof(buf)) != 0)
		return is_shortage(errno) ? PROCESS_UID_UNKNOWN : PROCESS_UID_OWN;
	line = strstr(buf, "\nUid:");
	if (line == NULL || sscanf(line, "\nUid: %u %u %u %u", &real, &effective, &saved, &fs) != 4)
		return PROCESS_UID_OWN;
	return compare_uids(uid, real, effective, fs);
}
