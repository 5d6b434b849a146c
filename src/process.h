/*
 * The identity of a process: pid and start, held by a pidfd where one can be had.
 *
 * A pid number alone is never trusted: a held pidfd does not reserve it. Everything read from /proc is
 * read between opening the pidfd and checking that its process still lives, so it belongs to that process.
 */
#ifndef SRC_PROCESS_H
#define SRC_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process {
	pid_t pid;
	int fd;	      /* pidfd; -1: none to be had (no descriptors left, kernel before 5.3), or no process */
	pid_t ns_pid; /* the pid in its own pid namespace, which stands in its marker's name */
	uint64_t start;	      /* clock ticks since boot; 0: not known (no /proc) */
	bool kernel;	      /* a kernel thread */
	bool no_such_process; /* no process had this pid when it was opened */
	bool reused;	      /* another process had it than the one that was meant; then never is set too */
	bool unread;	      /* for want of descriptors or memory: start and name are not known */
};

/* Never fails: a pid that no process has gives a process that is gone. */
void process_open(struct process *p, pid_t pid);

/* Holds on to one particular process: where start is not 0, a pid that another process has by now gives a
 * process that is gone. */
void process_open_exact(struct process *p, pid_t pid, uint64_t start);

/* Keeps identity, closes the pidfd. */
void process_close(struct process *p);

/* Whether it is in another pid namespace, so that a name here and its name are different things. */
static inline bool process_in_child_ns(const struct process *p)
{
	return p->ns_pid != p->pid;
}

/*
 * Whether a process makes progress, for one that owes an answer: a stopped process does not, and neither does
 * one that has used no CPU time since the call before. cpu is what that call left there, 0 at first. False
 * where it cannot be determined.
 */
bool process_is_active(pid_t pid, uint64_t *cpu);

/* Whether the number is any process's or thread's at this moment: all that can be told with neither a
 * descriptor nor /proc, and the cheapest question there is. */
bool process_exists(pid_t pid);

/* The pid that process pid has in its own pid namespace; pid itself where that cannot be read, 0 where
 * descriptors or memory ran out. */
pid_t process_ns_pid_of(pid_t pid);

/* The pid that was given last in our pid namespace, to a process or a thread; 0 where that cannot be read. */
pid_t process_newest(void);

/* Our own namespace of that kind ("pid", "time", ...; namespaces(7)) as its inode number; 0 where not known.
 */
uint64_t process_own_namespace(const char *kind);

enum process_life {
	PROCESS_LIVES,
	PROCESS_GONE,
	PROCESS_UNKNOWN /* something has its pid, and descriptors or memory ran out before more was known */
};

/* It is gone when it has exited, unreaped zombies included. A thread group whose first thread has exited
 * while others live shows state Z in /proc and is not gone. */
enum process_life process_life(const struct process *p);

static inline bool process_gone(const struct process *p)
{
	return process_life(p) == PROCESS_GONE;
}

/* The state letter of proc_pid_stat(5); 'X' when it is gone, 'Z' when only its first thread is, '?' where it
 * cannot be read. */
char process_state(const struct process *p);

/* The status of a gone process as waitpid(2) gives it, -1 where the kernel does not tell: it tells for
 * reaped processes whose pidfd is held since Linux 6.15, for zombies to whoever may trace them. */
int process_wait_status(const struct process *p);

enum process_uid {
	PROCESS_UID_OWN,
	PROCESS_UID_FOREIGN,
	PROCESS_UID_UNKNOWN /* descriptors or memory ran out */
};

/* Whether uid is one of the process's real, effective or filesystem uids, the ones it can have created a
 * file with. OWN when /proc does not tell. */
enum process_uid process_check_uid(const struct process *p, uid_t uid);

#endif
