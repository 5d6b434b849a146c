/*
 * The identity of a process: its pid and start time, and a pidfd where one can be opened.
 *
 * A pid alone is never trusted, since a pidfd does not keep its pid from being reused. Everything read from
 * /proc is read after the pidfd was opened and before a check that its process still has the pid, so it
 * belongs to that process. Processes are thread groups; all pids are in our own pid namespace but ns_pid.
 */
#ifndef SRC_PROCESS_H
#define SRC_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* TASK_COMM_LEN (include/linux/sched.h), with the NUL. Workers of the kernel show more; it is cut. */
#define PROCESS_COMM_SIZE 16

struct process {
	pid_t pid;
	int fd;		/* pidfd; -1: no process, no descriptors left, or Linux before 5.3 (pidfd_open(2)) */
	pid_t ns_pid;	/* the pid in its own pid namespace, which its marker's name contains */
	uint64_t start; /* clock ticks since boot, field 22 of proc_pid_stat(5); 0 may be one, in
			   time_namespaces(7) */
	bool start_known; /* false: /proc is missing or foreign, or hides it; start is 0 or what was asked for
			   */
	bool identity_unknown; /* whether it is the process that was meant cannot be determined */
	bool kernel;	       /* it is a kernel thread */
	bool uids_known;
	uid_t uids[3];	      /* real, effective and filesystem uid when it was opened */
	bool no_such_process; /* no process, or not the one that was meant, had this pid in process_open() */
	bool reused; /* a process other than the one that was meant had it; implies no_such_process */
	bool unread; /* descriptors or memory ran out: start and ns_pid are not known */
	char comm[PROCESS_COMM_SIZE]; /* proc_pid_comm(5), when it was read last; for people. Empty: not known
				       */
};

/* Fills in *p for the process that has pid now; the caller closes it. Never fails: if no process has the pid,
 * the result is a process that is gone. */
void process_open(struct process *p, pid_t pid);

/* The same for one particular process: if another process has the pid by now, the result is a process that is
 * gone. If its start cannot be read, identity_unknown is set. start 0: the process that has pid now. */
void process_open_exact(struct process *p, pid_t pid, uint64_t start);

/* Closes the pidfd; the other members stay valid. May be repeated. */
void process_close(struct process *p);

/* Reads the name again: execve(2) changes it. Keeps what is known where the process has ended. */
void process_read_comm(struct process *p);

/* Whether it is in a child pid namespace: then its marker's name contains another pid than its pid here. */
static inline bool process_in_child_ns(const struct process *p)
{
	return p->ns_pid != p->pid;
}

/*
 * Whether a process has made progress since the previous call: false if it is stopped or has used no CPU time
 * since, or if that cannot be determined. *cpu is 0 in the first call; each call stores there what the next
 * one compares with.
 */
bool process_is_active(pid_t pid, uint64_t *cpu);

/* The start of the process that has pid now. False: it cannot be read. */
bool process_start_of(pid_t pid, uint64_t *start);

/* Whether any process or thread has this number now. One system call (kill(2) with signal 0), which needs
 * neither a descriptor nor /proc. */
bool process_exists(pid_t pid);

/* Whether no other process can have its pid: it keeps the pid until it has ended and is reaped. False if that
 * is not known (no pidfd). */
bool process_keeps_pid(const struct process *p);

/* The pid of process pid in its own pid namespace (the last number of NSpid in proc_pid_status(5), since
 * Linux 4.1); pid itself if that cannot be read, 0 if descriptors or memory ran out. */
pid_t process_ns_pid_of(pid_t pid);

/* The pid that was assigned last in our pid namespace, to a process or a thread (the last field of
 * proc_loadavg(5)); 0 if that cannot be read. */
pid_t process_newest(void);

/* The inode number of the first pid namespace (PROC_PID_INIT_INO, include/linux/proc_ns.h). */
#define PROCESS_FIRST_PID_NAMESPACE 0xEFFFFFFCu

/* The inode number of our own namespace of that kind ("pid", "time", ...; namespaces(7)); 0: not known. */
uint64_t process_own_namespace(const char *kind);

enum process_life {
	PROCESS_LIVES,
	PROCESS_GONE,
	PROCESS_UNKNOWN /* a process has its pid, but descriptors or memory ran out before more was known */
};

/* A process is gone when it has exited, zombies included. If only its first thread has exited, it shows
 * state Z in /proc but is not gone. */
enum process_life process_life(const struct process *p);

static inline bool process_gone(const struct process *p)
{
	return process_life(p) == PROCESS_GONE;
}

/* The state letter of proc_pid_stat(5); 'X' if the process is gone, 'Z' if only its first thread has exited,
 * '?' if the state cannot be read. */
char process_state(const struct process *p);

/* The status of a gone process as from waitpid(2), or -1. Linux reports it for a zombie to a process with
 * ptrace access (field 52 of proc_pid_stat(5)); since Linux 6.15, for a reaped process through a pidfd that
 * was opened before (PIDFD_INFO_EXIT, include/uapi/linux/pidfd.h). */
int process_wait_status(const struct process *p);

/* The real uid of the process, which identifies its owner: only a privileged process can change it. False: it
 * cannot be read. */
bool process_real_uid(const struct process *p, uid_t *uid);

enum process_uid {
	PROCESS_UID_OWN,
	PROCESS_UID_FOREIGN,
	PROCESS_UID_UNREADABLE, /* /proc does not tell, or it has been reaped and had another uid when opened
				 */
	PROCESS_UID_UNKNOWN	/* descriptors or memory ran out */
};

/* Whether uid is the process's real, effective or filesystem uid (credentials(7)): those that a file which it
 * has created can have. */
enum process_uid process_check_uid(const struct process *p, uid_t uid);

/* The word for a state of process_state() in which a process lives; NULL for any other. */
static inline const char *process_state_word(char state)
{
	switch (state) {
	case 'R':
		return "running";
	case 'S':
	case 'I':
		return "sleeping";
	case 'D':
		return "uninterruptible";
	case 'T':
	case 't':
		return "stopped";
	case 'Z':
		return "leader-exited";
	default:
		return NULL;
	}
}

#endif
