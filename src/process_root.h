/* The root directory of another process, as /proc/<pid>/root leads to it, and paths as that process resolves
 * them. */
#ifndef SRC_PROCESS_ROOT_H
#define SRC_PROCESS_ROOT_H

#include "src/process.h"
#include "src/statx.h"

#define PROCESS_ROOT_SIZE 64
/* "mnt:[4026531841]", and more than that */
#define PROCESS_ROOT_NAME_SIZE 48

enum process_root {
	PROCESS_ROOT_OURS,   /* the same as ours */
	PROCESS_ROOT_OTHER,  /* another root */
	PROCESS_ROOT_CLOSED, /* it may not be entered (ptrace(2) access mode checks) */
	PROCESS_ROOT_NONE,   /* it no longer has one */
	PROCESS_ROOT_UNKNOWN /* descriptors or memory ran out */
};

/* Writes the path that leads to the root of p. May ask the file system that the root is on, which the user of
 * the process may have mounted, and may have stopped. */
enum process_root process_root_find(const struct process *p, char root[PROCESS_ROOT_SIZE]);

/* What is known of our own root; zeroes at first. It holds until this process changes its root or mount
 * namespace. */
struct process_root_ours {
	bool known;
	char mount_namespace[PROCESS_ROOT_NAME_SIZE]; /* "": a kernel without these */
	struct statx root;
};

/* The same answer, for a caller that may not sleep: follows /proc/<pid>/root only if its name leaves open
 * whether the root is ours. Fills in *ours in the first call. */
enum process_root process_root_find_nowait(const struct process *p, struct process_root_ours *ours);

/*
 * Opens (O_PATH) the directory that `dir`, an absolute path, names to a process with that root: symbolic
 * links and ".." do not lead out of it. A descriptor for the caller to close at once: while it is open, the
 * directory cannot be unmounted, and its removal raises no event. -1 with errno; EAGAIN: try again; ENOSYS:
 * openat2(2) is not available (Linux before 5.6, or a seccomp filter).
 */
int process_root_open(const char *root, const char *dir);

/* Whether openat2(2) is available here. */
bool process_root_can_open(void);

#endif
