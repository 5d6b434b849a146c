#include "config.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/hot.h"
#include "src/number.h"
#include "src/process.h"
#include "src/procfs.h"
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

/* PF_KTHREAD, include/linux/sched.h */
#define FLAG_KTHREAD 0x00200000u

/* The fields of proc_pid_stat(5) that are used. */
struct stat_line {
	char state;		      /* field 3 */
	unsigned flags;		      /* field 9 */
	uint64_t cpu;		      /* fields 14 and 15, user and system time in clock ticks */
	long threads;		      /* field 20 */
	uint64_t start;		      /* field 22 */
	int exit_code;		      /* field 52; 0 for readers without ptrace access */
	char comm[PROCESS_COMM_SIZE]; /* field 2 */
};

static void copy_comm(char comm[PROCESS_COMM_SIZE], const char *name, size_t len)
{
	len = len < PROCESS_COMM_SIZE ? len : PROCESS_COMM_SIZE - 1;
	memcpy(comm, name, len);
	comm[len] = '\0';
}

/* The command name (field 2) may contain spaces and parentheses, so count fields from its end. */
static int read_stat(pid_t pid, struct stat_line *line)
{
	char buf[1024], *name, *field, *rest;
	int number;

	if (procfs_read(pid, "stat", buf, sizeof(buf)) != 0 || (field = strrchr(buf, ')')) == NULL)
		return -1;
	memset(line, 0, sizeof(*line));
	name = strchr(buf, '(');
	if (name != NULL && name < field)
		copy_comm(line->comm, name + 1, (size_t)(field - name - 1));
	field = strtok_r(field + 1, " \n", &rest);
	for (number = 3; field != NULL; number++, field = strtok_r(NULL, " \n", &rest)) {
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
	return number > 22 ? 0 : -1;
}

bool process_start_of(pid_t pid, uint64_t *start)
{
	struct stat_line line;

	if (read_stat(pid, &line) != 0)
		return false;
	*start = line.start;
	return true;
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
	struct procfs_status status;

	if (procfs_read_status(pid, &status) != 0)
		return is_shortage(errno) ? 0 : pid;
	return status.ns_pid > 0 ? status.ns_pid : pid;
}

pid_t process_newest(void)
{
	char buf[128], *last;

	if (procfs_read(0, "loadavg", buf, sizeof(buf)) != 0 || (last = strrchr(buf, ' ')) == NULL)
		return 0;
	return (pid_t)atoi(last);
}

/* The inode number of a namespace, 0: unknown. From its name, "pid:[4026531836]", which takes less than half
 * of the time of stat(2): the kernel need not make an inode. */
static uint64_t read_namespace(const char *process, const char *kind)
{
	char path[64], name[64], *number;
	ssize_t len;

	stpcpy(stpcpy(stpcpy(stpcpy(path, "/proc/"), process), "/ns/"), kind);
	len = readlink(path, name, sizeof(name) - 1);
	if (len < 0)
		return 0;
	name[len] = '\0';
	number = strchr(name, '[');
	return number == NULL ? 0 : strtoull(number + 1, NULL, 10);
}

/* A process never leaves its pid namespace, but a child may be in another one. The inode numbers have 32
 * bits. */
static uint64_t own_pid_namespace(void)
{
	static _Atomic uint64_t cache;
	uint64_t own = (uint64_t)getpid() << 32, cached = atomic_load_explicit(&cache, memory_order_relaxed);
	uint64_t ino;

	if (cached >> 32 == own >> 32)
		return cached & UINT32_MAX;
	ino = read_namespace("self", "pid");
	if (ino != 0 && ino <= UINT32_MAX)
		atomic_store_explicit(&cache, own | ino, memory_order_relaxed);
	return ino;
}

uint64_t process_own_namespace(const char *kind)
{
	return strcmp(kind, "pid") == 0 ? own_pid_namespace() : read_namespace("self", kind);
}

static void copy_stat(struct process *p, const struct stat_line *line)
{
	p->start = line->start;
	p->start_known = true;
	p->kernel = (line->flags & FLAG_KTHREAD) != 0;
	memcpy(p->comm, line->comm, sizeof(p->comm));
}

static void copy_uids(struct process *p, uid_t real, uid_t effective, uid_t fs)
{
	p->uids[0] = real;
	p->uids[1] = effective;
	p->uids[2] = fs;
	p->uids_known = true;
}

/* A seccomp filter that denies the call answers before the kernel can find that there is no such descriptor.
 */
static bool is_denied_by_filter(void)
{
	return syscall(SYS_pidfd_send_signal, -1, 0, NULL, 0) != 0 && errno == EPERM;
}

/* EPERM: it exists, and is another user's. Without the call, a zombie is taken for one that was reaped. */
bool process_keeps_pid(const struct process *p)
{
	if (p->fd < 0)
		return false;
	if (syscall(SYS_pidfd_send_signal, p->fd, 0, NULL, 0) == 0)
		return true;
	if (errno == ESRCH)
		return false;
	return (errno == EPERM && !is_denied_by_filter()) || process_life(p) == PROCESS_LIVES;
}

static void read_status(struct process *p)
{
	struct procfs_status status;

	if (procfs_read_status(p->pid, &status) != 0) {
		p->unread |= is_shortage(errno);
		return;
	}
	if (status.ns_pid > 0)
		p->ns_pid = status.ns_pid;
	if (status.has_uids)
		copy_uids(p, status.real, status.effective, status.fs);
}

static bool is_in_our_pid_namespace(const struct process *p)
{
	char pid[24];
	uint64_t its;

	number_put(pid, (uint64_t)p->pid);
	its = read_namespace(pid, "pid");
	return its != 0 && its == process_own_namespace("pid");
}

/* Returns whether the process still had its pid afterwards: the kernel does not report credentials of one
 * that has been reaped. False if it does not report any (before Linux 6.13). */
static bool read_credentials(struct process *p)
{
	struct pidfd_info_v0 info;

	if (get_info(p->fd, INFO_CREDS, &info) != 0)
		return false;
	copy_uids(p, info.ruid, info.euid, info.fsuid);
	return true;
}

/* proc_pid_status(5) has all of this, but may be long and costs more than both others. Returns as
 * read_credentials(), which comes last. */
static bool read_ids(struct process *p)
{
	bool ours = !p->start_known || is_in_our_pid_namespace(p);
	bool kept;

	if (!ours)
		read_status(p);
	kept = read_credentials(p);
	if (p->start_known && ours && !kept)
		read_status(p);
	return kept;
}

/* Whatever was read may belong to the next process with this pid. */
static bool is_reaped(const struct process *p, const struct stat_line *line)
{
	return p->fd >= 0 && process_gone(p) && line->state != 'Z' && !process_keeps_pid(p);
}

void process_open(struct process *p, pid_t pid)
{
	struct stat_line line = {0};
	bool kept;

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
	kept = !p->no_such_process && read_ids(p);
	if (!kept && is_reaped(p, &line)) {
		p->start = 0;
		p->start_known = p->uids_known = false;
	}
}

void process_open_exact(struct process *p, pid_t pid, uint64_t start)
{
	process_open(p, pid);
	if (start == 0)
		return;
	if (p->start_known && p->start != start) {
		process_close(p);
		p->no_such_process = p->reused = true;
	}
	/* The one that was meant is certainly gone if the one that has its pid is. */
	p->identity_unknown = !p->no_such_process && !p->start_known && process_life(p) != PROCESS_GONE;
	p->start = start;
	p->start_known = !p->identity_unknown;
}

HOT void process_close(struct process *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

static enum process_life life_by_fd(const struct process *p)
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

/* Also where its start could not be read when it was opened, but the caller has said which it should be. */
static bool is_another(const struct process *p, const struct stat_line *line)
{
	return (p->start_known || p->identity_unknown) && line->start != p->start;
}

static enum process_life life_by_stat(const struct process *p)
{
	struct stat_line line;

	if (read_stat(p->pid, &line) == 0)
		return is_another(p, &line) || (line.state == 'Z' && line.threads <= 1) ? PROCESS_GONE
											: PROCESS_LIVES;
	if (is_shortage(errno) && process_exists(p->pid))
		return PROCESS_UNKNOWN;
	return process_exists(p->pid) ? PROCESS_LIVES : PROCESS_GONE;
}

enum process_life process_life(const struct process *p)
{
	if (p->no_such_process)
		return PROCESS_GONE;
	return p->fd >= 0 ? life_by_fd(p) : life_by_stat(p);
}

void process_read_comm(struct process *p)
{
	char buf[4 * PROCESS_COMM_SIZE];

	if (procfs_read(p->pid, "comm", buf, sizeof(buf)) == 0 && process_life(p) == PROCESS_LIVES)
		copy_comm(p->comm, buf, strcspn(buf, "\n"));
}

char process_state(const struct process *p)
{
	struct stat_line line;

	if (process_gone(p))
		return 'X';
	if (read_stat(p->pid, &line) != 0 || is_another(p, &line))
		return '?';
	/* Its other threads may have exited since. */
	if (line.state == 'Z' && process_gone(p))
		return 'X';
	return line.state;
}

bool process_has_successor(const struct process *p)
{
	struct stat_line line;

	if (p->fd >= 0)
		return !process_keeps_pid(p) && process_exists(p->pid);
	return !p->no_such_process && read_stat(p->pid, &line) == 0 && is_another(p, &line);
}

static int zombie_status(const struct process *p)
{
	struct stat_line line;

	if (!p->start_known || read_stat(p->pid, &line) != 0 || line.start != p->start ||
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

static bool has_uid(const struct process *p, uid_t uid)
{
	return p->uids_known && (uid == p->uids[0] || uid == p->uids[1] || uid == p->uids[2]);
}

/* As they are now; at least those of a process that has the pid and is not p's successor. */
static int read_uids(const struct process *p, struct process *now)
{
	struct pidfd_info_v0 info;
	struct procfs_status status;
	int error;

	now->uids_known = false;
	if (get_info(p->fd, INFO_CREDS, &info) == 0) {
		copy_uids(now, info.ruid, info.euid, info.fsuid);
		return 0;
	}
	if (procfs_read_status(p->pid, &status) != 0 || !status.has_uids)
		return -1;
	error = p->fd >= 0 ? !process_keeps_pid(p) : process_gone(p);
	errno = ESRCH;
	if (error)
		return -1;
	copy_uids(now, status.real, status.effective, status.fs);
	return 0;
}

bool process_real_uid(const struct process *p, uid_t *uid)
{
	struct process now;
	const struct process *known = read_uids(p, &now) == 0 ? &now : p;

	*uid = known->uids[0];
	return known->uids_known;
}

enum process_uid process_check_uid(const struct process *p, uid_t uid)
{
	struct process now;

	if (read_uids(p, &now) == 0)
		return has_uid(&now, uid) ? PROCESS_UID_OWN : PROCESS_UID_FOREIGN;
	if (is_shortage(errno))
		return PROCESS_UID_UNKNOWN;
	return has_uid(p, uid) ? PROCESS_UID_OWN : PROCESS_UID_UNREADABLE;
}
