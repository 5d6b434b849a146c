/*
 * Reading /proc. It may be missing, it may be that of another pid namespace (a sandbox that mounts none of
 * its own), where every pid means another process, and hidepid (proc(5)) may hide what belongs to other
 * users.
 */
#ifndef SRC_PROCFS_H
#define SRC_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum procfs_state {
	PROCFS_OURS,
	PROCFS_FOREIGN, /* of another pid namespace: nothing in it may be believed */
	PROCFS_MISSING
};

enum procfs_state procfs_state(void);

static inline bool procfs_is_ours(void)
{
	return procfs_state() == PROCFS_OURS;
}

/* "ok", "foreign" or "missing"; a static string. */
const char *procfs_word(void);

/* Reads the start of /proc/<pid>/<name>, for pid 0 of /proc/<name>, into buf and terminates it with a NUL.
 * -1 with errno; ENOENT also if /proc is not ours; ENODATA: the file is empty. */
int procfs_read(pid_t pid, const char *name, char *buf, size_t size);

/* What is used of proc_pid_status(5). */
struct procfs_status {
	pid_t ns_pid; /* the last number of NSpid: the pid in its own pid namespace; 0: Linux before 4.1 */
	unsigned ns_pids; /* how many numbers NSpid has: 1 if that is the namespace of this /proc */
	bool has_uids;
	uid_t real, effective, fs;
};

/* Reads as much as it takes, however long it is. 0, or -1 with errno as procfs_read(). */
int procfs_read_status(pid_t pid, struct procfs_status *status);

#endif
