/*
 * libreadyd: wait until another process has said that it is ready.
 *
 * A worker says so by writing a marker file (see <readyd/marker.h>). That file is the truth; the daemon
 * readyd(8) only makes waiting for it cheap. Every call here works without the daemon too: it then
 * watches the file itself and gives the same answers, only slower.
 *
 * Errors       Functions that can fail return -1 (or NULL) and set errno. A verdict is never an error.
 * Threads      There is no global state. A waiter belongs to one thread at a time; different waiters are
 *              independent. After fork(2) the child may only free an inherited waiter.
 * Process      The library never prints, exits, or touches signals, the environment or the allocator.
 *              All its descriptors are close-on-exec.
 * Environment  READYD_BACKEND=daemon|file forces a backend where the options say READYD_BACKEND_AUTO.
 *              READYD_SOCKET and READYD_DIR replace the defaults where the options leave them NULL.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef READYD_READYD_H
#define READYD_READYD_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define READYD_DEFAULT_SOCKET "/run/readyd.sock"

/* What is known of one process. Never answered from memory alone, except that a process once seen ready
 * stays ready until it exits, even when somebody removes its marker (only the daemon can remember that). */
enum readyd_verdict {
	READYD_READY,	   /* its marker is there and the process is alive */
	READYD_PENDING,	   /* alive, no marker yet; from a wait: the deadline passed */
	READYD_DIED,	   /* no marker, and the process is gone, a zombie, or never was */
	READYD_EXITED,	   /* it was ready and has exited since */
	READYD_STALE,	   /* a marker is there, but it is not this process's */
	READYD_UNREACHABLE /* this process cannot leave a marker where we look */
};

/* Why the verdict is what it is, where there is more to say than the verdict itself. */
enum readyd_reason {
	READYD_REASON_NONE,
	READYD_REASON_DEADLINE,		/* pending: the deadline of the wait passed */
	READYD_REASON_NOT_A_FILE,	/* pending: a directory, symlink, fifo, ... has the marker's name */
	READYD_REASON_NOT_STARTED,	/* pending: no process has had this pid yet */
	READYD_REASON_NO_PROCESS,	/* died: no process has this pid */
	READYD_REASON_PID_REUSED,	/* died: another process has this pid than the one that was meant */
	READYD_REASON_OLDER,		/* stale: the marker is older than the process */
	READYD_REASON_FOREIGN_OWNER,	/* stale: owned by a uid that is neither the process's nor root */
	READYD_REASON_NO_DIRECTORY,	/* unreachable: the marker directory is missing or no directory */
	READYD_REASON_DIRECTORY_DENIED, /* unreachable: the marker directory may not be searched */
	READYD_REASON_NAMESPACE_DENIED, /* unreachable: it is in another pid namespace, and /proc/<pid>/root
					 * may not be entered from here (ptrace access is missing) */
	READYD_REASON_NAME_COLLISION,	/* unreachable or died: the marker may as well be of another process,
					 * in another pid namespace, that has the same pid there */
	READYD_REASON_NO_RESOURCES	/* pending: descriptors or memory ran out before the process or its
					 * marker could be examined; nothing is known of it */
};

enum readyd_backend {
	READYD_BACKEND_AUTO,   /* the daemon where it answers, else the file */
	READYD_BACKEND_DAEMON, /* the daemon or an error */
	READYD_BACKEND_FILE    /* the file; no socket is touched */
};

/* The marker was seen earlier and has been removed since; the daemon remembers it. */
#define READYD_FLAG_LATCHED 0x1u
/* The marker is an empty file: the worker has not written its content yet, or could not (disk full). */
#define READYD_FLAG_EMPTY 0x2u

/* Initialise with { 0 } or READYD_OPTIONS_INIT; NULL or 0 means the default. Strings are copied. */
struct readyd_options {
	const char *socket;	     /* path; default $READYD_SOCKET, else READYD_DEFAULT_SOCKET */
	const char *dir;	     /* marker directory; default $READYD_DIR, else what the daemon serves,
				      * else READYD_MARKER_DIR */
	const char *prefix;	     /* marker name without the pid; default what the daemon serves
				      * where dir is not set either, else READYD_MARKER_NAME_PREFIX */
	enum readyd_backend backend; /* default AUTO */
	unsigned flags;		     /* READYD_OPTION_* */
};
/* A wait for a pid that no process has waits for one to be born, instead of calling it dead. */
#define READYD_OPTION_AWAIT_START 0x1u
#define READYD_OPTIONS_INIT                                                                                  \
	{                                                                                                    \
		0, 0, 0, READYD_BACKEND_AUTO, 0                                                              \
	}

struct readyd_answer {
	pid_t pid;
	enum readyd_verdict verdict;
	enum readyd_reason reason;
	enum readyd_backend backend; /* who gave the answer: DAEMON or FILE */
	unsigned flags;		     /* READYD_FLAG_* */
	int wait_status;	     /* of an ended process as waitpid(2) gives it, -1 where not known */
	uint64_t start;		     /* start of the process in clock ticks since boot, field 22 of
				      * /proc/<pid>/stat (proc_pid_stat(5)); 0 where not known. pid and
				      * start together name a process; a pid alone does not. */
};

/* The words used on the wire, by readyctl(1) and in JSON: "ready", "pending", ...; "deadline", ...
 * Static strings; NULL for READYD_REASON_NONE and for values outside the enum. */
const char *readyd_verdict_name(enum readyd_verdict verdict);
const char *readyd_reason_name(enum readyd_reason reason);

/* Answers at once what is known of pid. options may be NULL.
 * Errors: EINVAL (pid < 1, bad option), ENAMETOOLONG (path), ENOMEM, EMFILE; and with READYD_BACKEND_DAEMON
 * ENOENT, ECONNREFUSED or EACCES (no daemon to be had), EAGAIN (it has no room), ETIMEDOUT, ECONNRESET or
 * EPROTO (it does not answer properly), EXDEV (it serves another directory or pid namespace). */
int readyd_query(const struct readyd_options *options, pid_t pid, struct readyd_answer *answer);

/* The same of one particular process: where another has its pid by now, the answer is of the one that had
 * this start (see struct readyd_answer). start 0: whichever process has the pid. */
int readyd_query_exact(
    const struct readyd_options *options, pid_t pid, uint64_t start, struct readyd_answer *answer);

/* Blocks until the verdict on pid is anything but pending, or until deadline, an absolute time on
 * CLOCK_MONOTONIC (NULL: no deadline); then the verdict is pending, the reason DEADLINE.
 * Restarts after signals; use a waiter and your own poll(2) to react to them. Errors as above. */
int readyd_wait(const struct readyd_options *options, pid_t pid, const struct timespec *deadline,
    struct readyd_answer *answer);

/*
 * A waiter is a set of pids and one descriptor, for any event loop:
 *
 *	w = readyd_waiter_new(NULL);
 *	readyd_waiter_add(w, 1234);
 *	readyd_waiter_add(w, 1235);
 *	... poll readyd_waiter_fd(w) for POLLIN, then
 *	while (readyd_waiter_next(w, &answer) == 1)
 *		... one answer for each pid, in the order in which they become known
 *	readyd_waiter_free(w);
 *
 * The descriptor also becomes readable for the waiter's own needs (a daemon came or went), so a call of
 * readyd_waiter_next() that returns 0 is normal. The deadlines are the caller's own.
 */
struct readyd_waiter;

struct readyd_waiter *readyd_waiter_new(const struct readyd_options *options);
void readyd_waiter_free(struct readyd_waiter *waiter); /* NULL is allowed; every descriptor is closed */

/* Adds a process: the one that has this pid now. Its answer comes through readyd_waiter_next(), also when
 * it is known already. The same pid may be added again once its answer has been taken (else EEXIST). */
int readyd_waiter_add(struct readyd_waiter *waiter, pid_t pid);
/* The same for one particular process, as readyd_query_exact(). */
int readyd_waiter_add_exact(struct readyd_waiter *waiter, pid_t pid, uint64_t start);

/* Stops waiting for pid. ENOENT: it is not waited for. Other errors as from readyd_waiter_next(). */
int readyd_waiter_cancel(struct readyd_waiter *waiter, pid_t pid);

/* The descriptor to poll for POLLIN, valid until readyd_waiter_free(). Do not read it or close it. It is made
 * by the first call: -1 and errno EMFILE, ENFILE, ENOMEM or ENOSPC where it cannot be had. */
int readyd_waiter_fd(struct readyd_waiter *waiter);

/* 1: *answer is the next answer. 0: none now, poll again. -1: errno; the waiter can only be freed.
 * Never blocks. */
int readyd_waiter_next(struct readyd_waiter *waiter, struct readyd_answer *answer);

/* For those who have no event loop: sleeps until readyd_waiter_next() may have an answer, but not longer than
 * so many milliseconds (-1: no limit) or until a signal was handled. 0, or -1 as readyd_waiter_next(). */
int readyd_waiter_sleep(struct readyd_waiter *waiter, int timeout_ms);

/* How many pids have no answer yet, and the present state of one of them, looked up now: for a caller
 * whose deadline has passed and who wants to say why. */
size_t readyd_waiter_pending(const struct readyd_waiter *waiter);
int readyd_waiter_peek(struct readyd_waiter *waiter, pid_t pid, struct readyd_answer *answer);

/* Why a process that is waited for has no answer yet, as seen now. Words are static strings. */
struct readyd_explanation {
	const char *process;   /* running, sleeping, stopped, uninterruptible, leader-exited (its first thread
				* has   ended, others live), gone, not_started, unknown */
	const char *marker;    /* absent, or the word of the reason why it does not count */
	const char *directory; /* ok, missing, denied, not-a-directory, read-only, full, out-of-inodes, hidden
				* (it is perhaps not what we see; see readyctl(1)) */
	const char *via; /* who would have told: daemon, asking (it has not answered yet), inotify, polling */
	int64_t last_event_ms; /* since the daemon, the kernel or the process was last heard of; -1: never */
	char path[1152];       /* where the marker is looked for, for this process */
};
/* ENOENT: it is not waited for. */
int readyd_waiter_explain(struct readyd_waiter *waiter, pid_t pid, struct readyd_explanation *explanation);

/* Calls each(pid's answer, context) for every process that is ready or waited for: what the daemon
 * knows or, without it, every marker of a living process. Stops when each returns non-zero and returns
 * that; else 0. */
int readyd_list(const struct readyd_options *options,
    int (*each)(const struct readyd_answer *answer, void *context), void *context);

/* Asks the daemon for its counters, or whether it lives: one text line "key=value key=value ..." without
 * newline into buf. ENOSPC: it does not fit. Other errors as for READYD_BACKEND_DAEMON. */
int readyd_stats(const struct readyd_options *options, char *buf, size_t size);
int readyd_ping(const struct readyd_options *options);

#ifdef __cplusplus
}
#endif

#endif
