/*
 * Whether a process has our own root directory, found out without following /proc/<pid>/root: that leads to a
 * file system which the process's user may have made and may have stopped.
 */
#ifndef SRC_ROOTCHECK_H
#define SRC_ROOTCHECK_H

#include "src/process.h"

enum rootcheck {
	ROOTCHECK_OURS,	  /* the same mount namespace, and "/" in it */
	ROOTCHECK_NONE,	  /* the process is ending and has no root any more */
	ROOTCHECK_OTHER,  /* another root, or perhaps ours */
	ROOTCHECK_HIDDEN, /* not known: ptrace(2) access checks fail */
	ROOTCHECK_UNKNOWN /* descriptors or memory ran out */
};

/* Reads only the names of the namespace and of the root (proc_pid_ns(5), proc_pid_root(5)); the kernel makes
 * both up without calling a file system. */
enum rootcheck rootcheck(const struct process *p);

#endif
