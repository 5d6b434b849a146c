/* The faults of a schedule: a few kinds, each with its own odds. */
#ifndef TESTS_SIM_FAULTS_H
#define TESTS_SIM_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

enum fault {
	FAULT_HINT_LOST,
	FAULT_HINT_LATE,
	FAULT_HINT_DOUBLED,
	FAULT_HINT_SPURIOUS,
	FAULT_OVERFLOW,
	FAULT_MOUNT_UNSEEN,
	FAULT_DAEMON_KILLED,
	FAULT_DAEMON_STOPPED,
	FAULT_DAEMON_FROZEN,
	FAULT_CUT,
	FAULT_FRAGMENT,
	FAULT_FD_REFUSED,
	FAULT_FOREIGN_MARKER,
	FAULT_NOT_A_FILE,
	FAULT_MARKER_REMOVED,
	FAULT_MARKER_REPLACED,
	FAULT_DIED,
	FAULT_PID_REUSED,
	FAULT_DIRECTORY,
	FAULT_CLOCK_SET,
	FAULT_HIDDEN,
	FAULT_COARSE_STAMPS,
	FAULT_SKEWED_STAMPS,
	FAULT_OLD_FILES,
	FAULT_REWRITTEN,
	FAULT_SILENT, /* the process writes its marker, and no event is raised */
	FAULT_OLD_FILE_MOVED,
	FAULT_KINDS
};

struct faults {
	unsigned odds[FAULT_KINDS]; /* of 1024 */
	uint64_t counts[FAULT_KINDS];
	unsigned queue_limit; /* events in the queue of an inotify instance */
	int until_move;	      /* system calls until the world changes during one */
	bool calm;	      /* no more faults occur */
};

extern struct faults faults;

const char *fault_name(enum fault fault);
void faults_choose(void);
void faults_end(void);
/* Decides by the odds whether the fault occurs, and counts it. */
bool fault(enum fault fault);
/* Changes a process, its marker or the directory. */
void faults_move(void);
/* At each system call: time passes, and the world may change. */
void faults_tick(void);

#endif
