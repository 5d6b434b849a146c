/*
 * libreadyd: wait until another process is ready. See libreadyd(3).
 *
 * A worker signals readiness by creating a marker file (see <readyd/marker.h>). Only that file decides; the
 * daemon readyd(8) makes waiting for it cheap. Without the daemon, all calls but readyd_stats(),
 * readyd_ping() and monitors watch the file themselves: they give the same answers, but later, and cannot
 * know of a marker that was removed before they looked.
 *
 * Errors       Functions that can fail return -1 (or NULL) and set errno; what *answer holds then is not
 *              defined. A verdict is never an error.
 *
 * Threads      There is no global state. A waiter belongs to one thread at a time; different waiters are
 *              independent, and so are monitors; all other functions may be called from any thread. They call
 * secure_getenv(3), so no other thread may change the environment meanwhile. After fork(2), the child may
 * only free an inherited waiter.
 *
 * Process      The library never prints or exits, and does not change signals, the environment or the
 *              allocator. All of its descriptors are close-on-exec.
 *
 * Sizes        The structures that a caller fills or has filled begin with their size: initialise them with
 *              READYD_OPTIONS_INIT, READYD_ANSWER_INIT, READYD_EXPLANATION_INIT and READYD_EVENT_INIT. So
 *              later versions can add members at the end, and a program and a library of different versions
 *              work together: a member that the library does not know is 0. A size that cannot be is EINVAL;
 *              an option that is set and that the library does not know is E2BIG. A call keeps the size.
 *
 * Blocking     How long the calls wait at most for a daemon that is late:
 *
 *                  not at all   readyd_waiter_new(), _free(), _add(), _cancel(), _fd(), _next(), _pending();
 *                               readyd_monitor_new(), _free(), _fd(), _next()
 *                  250 ms       readyd_query(), _exact(); readyd_waiter_peek(), _explain(): about 1 s for
 *                               all calls of one waiter together
 *                  5 s          readyd_query() with READYD_BACKEND_DAEMON; readyd_stats(), readyd_ping()
 *                  10 s         readyd_query_set(), readyd_list(), in all
 *                  as asked     readyd_wait() until its deadline, and 250 ms beyond it;
 *                               readyd_waiter_sleep(), readyd_monitor_sleep()
 *
 *              A check of a marker calls lstat(2) and waits for as long as the file system of the marker
 *              directory takes, whatever the deadline: forever, if it is on a server that does not answer, or
 *              in the mount namespace of another process and its user has stopped it. The library does not
 *              fork; a caller that cannot afford to wait lets a child process call it, as readyctl(1) does.
 *
 * Trust        A daemon is believed if it is root's, the caller's effective user's or that of the user
 *              READYD_TRUST_UID, or if its socket lies in a directory that is root's and that no other user
 *              can write to. Any other counts as absent.
 *
 * Environment  READYD_BACKEND=auto|daemon|file sets the backend where the options say READYD_BACKEND_AUTO.
 *              READYD_SOCKET and READYD_DIR replace the defaults where the options leave them NULL. An empty
 *              variable counts as unset, and in a set-user-ID program each does (secure_getenv(3)).
 *
 * Linux        Process identity relies on pidfds (pidfd_open(2), since Linux 5.3); on older kernels, pid and
 *              start time (proc_pid_stat(5)) are compared instead.
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

/* glibc hides the definition in <time.h> under -std=c99; the pointers below need only a declaration. */
struct timespec;

/* The version of this header; readyd_version() tells that of the library. */
#define READYD_VERSION_MAJOR 0
#define READYD_VERSION_MINOR 2
#define READYD_VERSION_PATCH 0
#define READYD_VERSION	     "0.2.0"
/* For #if: whether this header is that of version 1.2.3 or later. */
#define READYD_VERSION_AT_LEAST(major, minor, patch)                                                         \
	(READYD_VERSION_MAJOR > (major) ||                                                                   \
	    (READYD_VERSION_MAJOR == (major) &&                                                              \
		(READYD_VERSION_MINOR > (minor) ||                                                           \
		    (READYD_VERSION_MINOR == (minor) && READYD_VERSION_PATCH >= (patch)))))

#define READYD_DEFAULT_SOCKET "/run/readyd.sock"

/* What is known of one process. A verdict always comes from a fresh check, with one exception: a process once
 * seen ready stays ready until it exits, even if its marker is removed (only the daemon can remember that).
 */
enum readyd_verdict {
	READYD_READY,	/* its marker exists and the process is alive */
	READYD_PENDING, /* it is alive and has no marker yet; from a wait: the deadline has passed */
	READYD_DIED,	/* it has no marker of its own, and has exited (zombies included) or never existed */
	READYD_EXITED,	/* it was ready and has exited since */
	READYD_STALE,	/* it is alive, and the marker under its name is not its own */
	READYD_UNREACHABLE /* it is alive, but whether its marker exists cannot be determined from here */
};

/* Why the verdict was given, where the verdict alone does not tell. */
enum readyd_reason {
	READYD_REASON_NONE,
	READYD_REASON_DEADLINE,		/* pending: the deadline of the wait has passed */
	READYD_REASON_NOT_A_FILE,	/* pending: a directory, symlink, FIFO, ... has the marker's name */
	READYD_REASON_NOT_STARTED,	/* pending: no process has this pid yet */
	READYD_REASON_NO_PROCESS,	/* died: no process has this pid */
	READYD_REASON_PID_REUSED,	/* died: a different process has this pid now */
	READYD_REASON_OLDER,		/* stale or died: the marker is older than the process */
	READYD_REASON_FOREIGN_OWNER,	/* stale or died: the marker's owner is neither root nor a uid of the
					 * process */
	READYD_REASON_NO_DIRECTORY,	/* unreachable: the marker directory is missing or not a directory */
	READYD_REASON_DIRECTORY_DENIED, /* unreachable: the marker directory may not be searched */
	READYD_REASON_NAMESPACE_DENIED, /* unreachable: the process is in another pid namespace, and its
					 * directory cannot be entered through /proc/<pid>/root (the ptrace
					 * access mode check of proc_pid_root(5) fails) */
	READYD_REASON_NAME_COLLISION,	/* unreachable or died: another process, in a different pid namespace,
					 * has the same pid there and may have created the marker */
	READYD_REASON_NO_RESOURCES,	/* pending: descriptors or memory ran out before the process or its
					 * marker could be examined; nothing is known of it */
	READYD_REASON_IDENTITY_UNKNOWN, /* pending or died: /proc is missing, hides the process (hidepid), or
					 * is that of another pid namespace, so it is not known whether this
					 * is the process that was meant, or whether the marker is its own */
	READYD_REASON_AGE_UNKNOWN,	/* pending or died: nothing tells whether the marker is older than the
					 * process, since its time stamp is in the future */
	READYD_REASON_LOOK_FAILED,	/* pending: the file system reported an error (lstat(2)), such as
					 * EIO or ESTALE; nothing is known of the marker */
	READYD_REASON_DIRECTORY_HANGS,	/* unreachable: the marker directory is below another root, and its
					 * file system does not answer */
	READYD_REASON_DAEMON_UNTRUSTED, /* pending: the process that listens at the socket is not trusted, so
					 * it was not asked */
	READYD_REASON_CAME_AND_WENT,	/* pending: a file of the marker's name was created and removed before
					 * it could be checked, where others can write to the directory */
	READYD_REASON_CONNECTION_LOST,	/* unreachable: the connection to a remote daemon was lost, and could
					 * not be restored in time */
	READYD_REASON_NODE_OFFLINE	/* unreachable: the node of the process is offline */
};

enum readyd_backend {
	READYD_BACKEND_AUTO,   /* the daemon if it answers, else the file */
	READYD_BACKEND_DAEMON, /* the daemon; fails if it does not answer */
	READYD_BACKEND_FILE,   /* the file; no socket is opened */
	READYD_BACKEND_REMOTE  /* in answers only: a remote daemon (READYD_OPTION_REMOTE) */
};

/* The process was seen ready earlier, and its marker has been removed since. */
#define READYD_FLAG_LATCHED 0x1u
/* The marker is an empty file: the worker has not written the content yet, or could not (disk full). A wait
 * that the daemon ends by a gate does not look at it. */
#define READYD_FLAG_EMPTY 0x2u
/* The marker was there before the first look, and its time stamp is too close to the start of the process to
 * tell whether it is older; it counts, since a leftover that young is far rarer than a valid marker. */
#define READYD_FLAG_AGE_ASSUMED 0x4u
/* The daemon keeps the start and the exit status of the process from this user. */
#define READYD_FLAG_STATUS_HIDDEN 0x8u

/* Initialise with READYD_OPTIONS_INIT; NULL or 0 selects the default, an empty string is an error (EINVAL).
 * Strings are copied. */
struct readyd_options {
	size_t size;		     /* sizeof(struct readyd_options) */
	const char *socket;	     /* path, "unix:PATH", or "@name" for an abstract socket (unix(7));
				      * "vsock:CID:PORT" implies READYD_OPTION_REMOTE; default
				      * $READYD_SOCKET, else READYD_DEFAULT_SOCKET */
	const char *dir;	     /* marker directory, an absolute path of at most 511 bytes; default
				      * $READYD_DIR, else the daemon's, else READYD_MARKER_DIR */
	const char *prefix;	     /* marker name without the pid, at most 63 bytes without a slash; default
				      * the daemon's if dir is not set either, else READYD_MARKER_NAME_PREFIX */
	enum readyd_backend backend; /* default AUTO */
	unsigned flags;		     /* READYD_OPTION_* */
};
/* For readyd_wait() and waiters: if no process has the pid, wait for one to start; without this flag the
 * verdict is READYD_DIED. */
#define READYD_OPTION_AWAIT_START 0x1u
/* For readyd_wait() and waiters: a marker that is not the process's own ends the wait with READYD_STALE.
 * Without this flag the wait goes on, since the process may still write its own marker over it. */
#define READYD_OPTION_FAIL_STALE 0x2u
/* A marker with an age that would be assumed (READYD_FLAG_AGE_ASSUMED) does not count: the verdict is
 * READYD_PENDING with READYD_REASON_AGE_UNKNOWN, until the process writes its marker again. */
#define READYD_OPTION_STRICT_AGE 0x4u
/* The socket leads to the daemon of another kernel, so that its answers alone count: see "Remote daemons" in
 * libreadyd(3). readyd_wait() and waiters try to reach it as long as they wait, since its kernel may still be
 * starting; other calls try once. Not with READYD_BACKEND_FILE (EINVAL). */
#define READYD_OPTION_REMOTE 0x8u
/* For readyd_wait() and waiters: READYD_READY does not end the wait, and the end of the process does: with
 * READYD_EXITED if it was ready before, else with READYD_DIED. A peek says meanwhile that it is ready. Only
 * with READYD_OPTION_REMOTE (else EINVAL): the end of a process of this system shows at its pidfd_open(2). A
 * daemon that is too old for it is an error (EOPNOTSUPP). */
#define READYD_OPTION_AWAIT_END 0x10u
#define READYD_OPTIONS_INIT                                                                                  \
	{                                                                                                    \
		sizeof(struct readyd_options), 0, 0, 0, READYD_BACKEND_AUTO, 0                               \
	}

/* Initialise with READYD_ANSWER_INIT. In an answer that readyd_list() passes, size is that of the library's.
 */
struct readyd_answer {
	size_t size; /* sizeof(struct readyd_answer) */
	pid_t pid;
	enum readyd_verdict verdict;
	enum readyd_reason reason;
	enum readyd_backend backend; /* where the answer comes from: DAEMON, FILE or REMOTE */
	unsigned flags;		     /* READYD_FLAG_* */
	int wait_status;	     /* status of an exited process as from waitpid(2); -1: not known. Linux
				      * reports it for zombies to a process with ptrace access (field 52 of
				      * proc_pid_stat(5)), and after reaping since Linux 6.15
				      * (PIDFD_INFO_EXIT, include/uapi/linux/pidfd.h) */
	uint64_t start;		     /* start time in clock ticks (sysconf(_SC_CLK_TCK)) since boot, field 22
				      * of proc_pid_stat(5); 0: not known. pid and start together identify a
				      * process; a pid alone does not. */
};
#define READYD_ANSWER_INIT                                                                                   \
	{                                                                                                    \
		sizeof(struct readyd_answer), 0, READYD_PENDING, READYD_REASON_NONE, READYD_BACKEND_AUTO, 0, \
		    -1, 0                                                                                    \
	}

/* The words that the protocol, readyctl(1) and its JSON output use: "ready", "pending", ...; "deadline", ...
 * Static strings; NULL for READYD_REASON_NONE and for values outside the enum. */
const char *readyd_verdict_name(enum readyd_verdict verdict);
const char *readyd_reason_name(enum readyd_reason reason);

/* The version of the library that is used: READYD_VERSION when it was built. */
const char *readyd_version(void);

/* Answers what is known of pid now. options may be NULL. Waits for the daemon's answer at most 250 ms, with
 * READYD_BACKEND_DAEMON at most 5 s; otherwise does not block.
 * Errors: EINVAL (pid < 1, bad option), ENAMETOOLONG (socket, dir or prefix), ENOMEM, EMFILE, ENFILE; with
 * READYD_BACKEND_DAEMON also ENOENT or ECONNREFUSED (no daemon listens), EACCES (the socket may not be used),
 * EPERM (the process that listens is not trusted), EAGAIN (the daemon has no room), ETIMEDOUT (it does not
 * answer), ECONNRESET or EPIPE (it has closed the connection), EPROTO (its answer is not readyd-protocol(7)),
 * EXDEV (it serves another directory, or is in another pid or time namespace). */
int readyd_query(const struct readyd_options *options, pid_t pid, struct readyd_answer *answer);

/* The same for one particular process, the one with this start (see struct readyd_answer), even if another
 * process has its pid by now. start 0: the process that has the pid now. */
int readyd_query_exact(
    const struct readyd_options *options, pid_t pid, uint64_t start, struct readyd_answer *answer);

/* The same for each of count processes: answers[i].pid and answers[i].start say which one (start 0: as
 * above), and answers[i] becomes its answer. Each is initialised with READYD_ANSWER_INIT. A daemon that does
 * not answer in time is not asked about the others, so that it costs 250 ms in all; one with answers that
 * take 10 s together counts as such. One that is not trusted is not asked again either, so that only the
 * first answer names it. */
int readyd_query_set(const struct readyd_options *options, struct readyd_answer *answers, size_t count);

/* Blocks until the verdict on pid is neither pending nor stale (see READYD_OPTION_FAIL_STALE), or until
 * deadline, an absolute time on CLOCK_MONOTONIC (NULL: no deadline); then the verdict is pending and the
 * reason DEADLINE. It also waits for a missing or inaccessible marker directory that existed or was
 * accessible when the wait began. A daemon that has not answered by the deadline may delay the return as in
 * readyd_query(). Signals do not interrupt the wait; to react to them, use a waiter and poll(2). Errors as
 * for readyd_query(). */
int readyd_wait(const struct readyd_options *options, pid_t pid, const struct timespec *deadline,
    struct readyd_answer *answer);

/*
 * A waiter is a set of processes and one descriptor, for use in any event loop:
 *
 *	struct readyd_answer answer = READYD_ANSWER_INIT;
 *
 *	w = readyd_waiter_new(NULL);
 *	readyd_waiter_add(w, 1234);
 *	readyd_waiter_add(w, 1235);
 *	... poll readyd_waiter_fd(w) for POLLIN, then
 *	while (readyd_waiter_next(w, &answer) == 1)
 *		... one answer for each process, in the order in which they become known
 *	readyd_waiter_free(w);
 *
 * The descriptor also becomes readable for internal events (the daemon started or exited, a timer), so it is
 * normal that readyd_waiter_next() returns 0. A waiter makes progress only in readyd_waiter_next() and
 * readyd_waiter_sleep(), and has no deadline: use the timeout of the event loop.
 */
struct readyd_waiter;

/* options may be NULL. The caller owns the waiter and frees it. NULL with errno EINVAL, ENAMETOOLONG or
 * ENOMEM. */
struct readyd_waiter *readyd_waiter_new(const struct readyd_options *options);
void readyd_waiter_free(struct readyd_waiter *waiter); /* closes all of its descriptors; NULL is allowed */

/* Adds the process that has this pid now. Its answer always comes through readyd_waiter_next(), even if it is
 * known at once. Never blocks. Errors: EINVAL (pid < 1), ENOMEM, EEXIST (the pid was added before and its
 * answer has not been taken). */
int readyd_waiter_add(struct readyd_waiter *waiter, pid_t pid);
/* The same for one particular process; see readyd_query_exact(). One pid with two starts is two processes,
 * and EEXIST means that pid and start are those of one that was added before. The functions that end in
 * _exact are for what was added with this start (0: by readyd_waiter_add()), the others for what was added by
 * readyd_waiter_add(). */
int readyd_waiter_add_exact(struct readyd_waiter *waiter, pid_t pid, uint64_t start);

/* Stops waiting for pid and drops its answer if it was not taken yet. Never blocks. ENOENT: pid is not in the
 * set. Other errors as from readyd_waiter_next(). */
int readyd_waiter_cancel(struct readyd_waiter *waiter, pid_t pid);
int readyd_waiter_cancel_exact(struct readyd_waiter *waiter, pid_t pid, uint64_t start);

/* The descriptor to poll for POLLIN; the same until readyd_waiter_free(). The waiter owns it: do not read or
 * close it. The first call creates it, and fails with EMFILE, ENFILE, ENOMEM or ENOSPC (epoll_create1(2),
 * timerfd_create(2), epoll_ctl(2)) if it cannot. */
int readyd_waiter_fd(struct readyd_waiter *waiter);

/* Handles events and takes the next answer. 1: *answer is it. 0: there is none now; poll again. -1: no event
 * can be handled any more, so the waiter is only good for readyd_waiter_peek() and to be freed; errno as for
 * readyd_query(). Never fails while no process is without an answer. Never blocks. */
int readyd_waiter_next(struct readyd_waiter *waiter, struct readyd_answer *answer);

/* For programs without an event loop: blocks until readyd_waiter_next() may have an answer, timeout_ms
 * milliseconds have passed (-1: no limit), or a signal was handled. 0, or -1 as readyd_waiter_next(). */
int readyd_waiter_sleep(struct readyd_waiter *waiter, int timeout_ms);

/* The number of processes without an answer; answers that were not taken yet do not count. */
size_t readyd_waiter_pending(const struct readyd_waiter *waiter);

/* Checks pid now without ending the wait: for a caller after its deadline. May wait for the daemon's
 * answer as readyd_query(). ENOENT: pid is not in the set. */
int readyd_waiter_peek(struct readyd_waiter *waiter, pid_t pid, struct readyd_answer *answer);
int readyd_waiter_peek_exact(
    struct readyd_waiter *waiter, pid_t pid, uint64_t start, struct readyd_answer *answer);

/* Why a process in the set has no answer yet, as seen now. All words are static strings. Initialise with
 * READYD_EXPLANATION_INIT. */
struct readyd_explanation {
	size_t size;	       /* sizeof(struct readyd_explanation) */
	const char *process;   /* running, sleeping, stopped, uninterruptible, leader-exited (its first thread
				* has exited, others live), gone, not-started, unknown; remote (of
				* another kernel, which is not asked) */
	const char *marker;    /* absent, there, or the word of the reason why it does not count */
	const char *directory; /* ok, missing, denied, not-a-directory, read-only, full, out-of-inodes, hidden
				* (the process may see another directory; see readyctl(1)), remote */
	const char *via;       /* how an answer would arrive: daemon, asking (the daemon has not answered
				* yet), inotify, polling */
	const char *refusal; /* why the daemon has refused the wait, so that via is something else: a code of
			      * readyd-protocol(7), as too-many-waits; daemon-untrusted: it was not asked;
			      * NULL: it has not */
	int64_t last_event_ms; /* milliseconds since the last event from the daemon, the kernel or a process;
				* -1: there was none */
	const char *procfs;    /* /proc: ok, missing, foreign (of another pid namespace) */
	int marker_error; /* errno of a check of the marker just now, where marker is look-failed; else 0 */
	char path[1152];  /* the path of this process's marker as seen from here, terminated by a NUL */
	int daemon_error; /* errno of the last attempt to reach a remote daemon that has not answered yet, as
			   * ECONNREFUSED; it is tried again. Else 0 */
};
#define READYD_EXPLANATION_INIT                                                                              \
	{                                                                                                    \
		sizeof(struct readyd_explanation), 0, 0, 0, 0, 0, 0, 0, 0, {0}, 0                            \
	}
/* May wait for the daemon's answer as readyd_query(), but not for that of a remote one. ENOENT: pid is not in
 * the set. */
int readyd_waiter_explain(struct readyd_waiter *waiter, pid_t pid, struct readyd_explanation *explanation);
int readyd_waiter_explain_exact(
    struct readyd_waiter *waiter, pid_t pid, uint64_t start, struct readyd_explanation *explanation);

/* Calls each() for every process that the daemon knows to be ready or waited for or, without the daemon, for
 * every living process that has a marker. The answer is valid during the call. Stops when each() returns
 * non-zero, and returns that value; let it be positive to distinguish it from an error. Else returns 0, or -1
 * with the errors of readyd_query() or opendir(3); ECONNRESET if the daemon exits in the middle. Waits
 * for the daemon as readyd_query(), for each entry, but not longer than about 10 s in all. */
int readyd_list(const struct readyd_options *options,
    int (*each)(const struct readyd_answer *answer, void *context), void *context);

/* Writes the daemon's counters to buf, which has room for size bytes: one line "key=value key=value ...",
 * terminated by a NUL and without a newline; see readyd-protocol(7). 2048 bytes always suffice. Waits at most
 * 5 s. ENOSPC: buf is too small. Other errors as for readyd_query() with READYD_BACKEND_DAEMON. */
int readyd_stats(const struct readyd_options *options, char *buf, size_t size);

/* 0 if the daemon answers. Waits at most 5 s. Errors as for readyd_query() with READYD_BACKEND_DAEMON. */
int readyd_ping(const struct readyd_options *options);

/*
 * A monitor follows all processes of a daemon: those that are ready or waited for. First comes their present
 * state (SNAPSHOT, one STATE for each process, LIVE), then each transition that the daemon sees. What the
 * events say, applied in order to a table with a row for each process, is what the daemon knows.
 *
 *	struct readyd_event event = READYD_EVENT_INIT;
 *
 *	m = readyd_monitor_new(NULL, NULL);
 *	... poll readyd_monitor_fd(m) for POLLIN, or readyd_monitor_sleep(m, -1), then
 *	while (readyd_monitor_next(m, &event) == 1)
 *		...
 *	readyd_monitor_free(m);
 *
 * A monitor requires a daemon, and is not ended by its end: it reports LOST once, connects again by itself
 * (after 0.1 to 5 s, with jitter), and goes on where it was: RESUMED if nothing was missed, else GAP and
 * another SNAPSHOT. A monitor that reads too slowly is told so by a GAP, too.
 *
 * A token, "EPOCH:SEQ" in decimal numbers, names a position: that of LIVE, RESUMED or a transition after one
 *of these. A later monitor with this token continues behind it. Before LIVE there is none: transitions may
 *come between the STATEs, and the rest of these would be missing.
 */
enum readyd_change {
	READYD_CHANGE_SNAPSHOT, /* the present state follows; what was known before counts no more */
	READYD_CHANGE_STATE,	/* one process of the present state */
	READYD_CHANGE_LIVE,	/* the present state is complete; from now on transitions */
	READYD_CHANGE_RESUMED,	/* the token was known: no snapshot; the transitions after the token follow */
	READYD_CHANGE_GAP,	/* transitions were lost (slow reader, unknown token, another daemon); a
				 * SNAPSHOT follows */
	READYD_CHANGE_LOST, /* there is no connection to the daemon (reason READYD_REASON_DAEMON_UNTRUSTED:
			     * the process that listens is not trusted); the monitor goes on trying */
	/* Transitions. Each has its own seq, the next greater one. */
	READYD_CHANGE_READY,	 /* the process was seen ready */
	READYD_CHANGE_EXITED,	 /* it was ready, and has ended */
	READYD_CHANGE_DIED,	 /* it has ended, and was never ready */
	READYD_CHANGE_STALE,	 /* the marker under its name is not its own */
	READYD_CHANGE_REMOVED,	 /* the marker of a ready process was removed (it stays ready) */
	READYD_CHANGE_REWRITTEN, /* the marker of a ready process was written again */
	READYD_CHANGE_WAITED,	/* a process that is not ready is waited for from now on, by another number of
				 * waits (told at most once a second), or pending for another reason */
	READYD_CHANGE_FORGOTTEN /* it is not followed any more: not ready, and not waited for, or (reason
				 * READYD_REASON_NO_RESOURCES) the daemon has no descriptor left for it */
};

/* Initialise with READYD_EVENT_INIT. For SNAPSHOT, LIVE, RESUMED, GAP and LOST, only change, epoch and seq
 * are set: the position from which on events follow (LOST: of the last one). */
struct readyd_event {
	size_t size; /* sizeof(struct readyd_event) */
	enum readyd_change change;
	uint64_t epoch;	 /* of the daemon: another number for each start; 0: none was reached yet */
	uint64_t seq;	 /* of the transition; STATE: of the last one that the state includes */
	int64_t time_ms; /* CLOCK_REALTIME in milliseconds: when the daemon saw it; STATE: since when */
	pid_t pid;
	uint64_t start;		     /* as in struct readyd_answer; 0: not known, or kept from this user */
	enum readyd_verdict verdict; /* after the transition */
	enum readyd_reason reason;
	unsigned flags;	  /* READYD_FLAG_* */
	int wait_status;  /* as in struct readyd_answer */
	unsigned waiters; /* waits for it at that moment; one that has given up by a gate may be counted */
	char name[64];	  /* comm (proc_pid_comm(5)), not escaped; empty: not known, or kept from this user */
};
#define READYD_EVENT_INIT                                                                                    \
	{                                                                                                    \
		sizeof(struct readyd_event), READYD_CHANGE_SNAPSHOT, 0, 0, 0, 0, 0, READYD_PENDING,          \
		    READYD_REASON_NONE, 0, -1, 0,                                                            \
		{                                                                                            \
			0                                                                                    \
		}                                                                                            \
	}

struct readyd_monitor;

/* token: "EPOCH:SEQ", or NULL for the present state. options may be NULL; READYD_BACKEND_FILE is an error.
 * The caller owns the monitor and frees it. Never blocks. NULL with errno EINVAL, ENAMETOOLONG or ENOMEM. */
struct readyd_monitor *readyd_monitor_new(const struct readyd_options *options, const char *token);
void readyd_monitor_free(struct readyd_monitor *monitor); /* NULL is allowed */

/* The descriptor to poll for POLLIN; the same until readyd_monitor_free(). As readyd_waiter_fd(). */
int readyd_monitor_fd(struct readyd_monitor *monitor);

/* Handles events and takes the next one. 1: *event is it. 0: there is none now; poll again. -1: the monitor
 * cannot go on, and is only good to be freed; errno: EXDEV (the daemon serves another directory, or is in
 * another pid or time namespace), EOPNOTSUPP (it is older and has no monitors), ENOMEM, or what
 * epoll_create1(2), timerfd_create(2) and epoll_ctl(2) say. Never blocks. */
int readyd_monitor_next(struct readyd_monitor *monitor, struct readyd_event *event);

/* For programs without an event loop, as readyd_waiter_sleep(). */
int readyd_monitor_sleep(struct readyd_monitor *monitor, int timeout_ms);

/* The words that the protocol and readyctl(1) use: "snapshot", "state", "live", ... Static strings; NULL for
 * values outside the enum. */
const char *readyd_change_name(enum readyd_change change);

#ifdef __cplusplus
}
#endif

#endif
