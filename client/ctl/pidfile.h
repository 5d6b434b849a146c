/* Files that name a process (--pidfile). */
#ifndef CLIENT_PIDFILE_H
#define CLIENT_PIDFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/ctl/command_line.h"

enum pidfile {
	PIDFILE_NAMED,	 /* a living process: pid and start are filled in */
	PIDFILE_NOT_YET, /* there is no file, it has no number, or that of no living process */
	PIDFILE_FAILED	 /* the file cannot be read, see errno */
};

/* Reads the file of the process. *why: what is wrong, after PIDFILE_NOT_YET. */
enum pidfile pidfile_read(struct named_process *process, const char **why);

/* Whether a living process has the pid, and its start; 0: it is not known. */
bool pidfile_is_alive(pid_t pid, uint64_t *start);

/* Wakes a program when one of the files may have changed. */
struct pidfile_watch {
	int fd;	    /* to be polled for POLLIN; -1: there is no inotify instance */
	bool armed; /* the directory of each file is watched */
};

/* For the files that have not named a process. Watch, then read them. Repeated, it also watches directories
 * that were missing. */
void pidfile_watch_arm(struct pidfile_watch *watch, const struct command_line *line);
/* Takes the events; whether there were any. */
bool pidfile_watch_drain(struct pidfile_watch *watch);
void pidfile_watch_close(struct pidfile_watch *watch);

/* After how long the files are read again whatever happens, when that time was waited already: a directory
 * may be missing, and no event comes from NFS, or when a process starts. */
int64_t pidfile_interval(int64_t waited_ms);

#endif
