/*
 * The inside of a waiter: the set of targets, the poller, the directory watch and the connection to the
 * daemon. These know neither each other nor the waiter. Events come up from them as data, commands go down
 * as calls:
 *
 *	waiter.c           the public calls
 *	waiter_reconcile.c starts and stops requests, watch and checks as plan.h requires
 *	waiter_dispatch.c  handles the events of descriptors in a fixed order
 *	waiter_ask.c       sends requests to the daemon
 *	waiter_daemon.c    handles the events of the connection
 *	waiter_conn.c      polls the connection
 *	waiter_look.c      checks a target itself, and acts on the result
 *	waiter_remote.c    does what these do for the processes of a remote daemon, without any look
 *	waiter_explain.c   explains why there is no answer yet
 *
 * Each calls only those below it. Every target is rechecked periodically, subscribed or not, in case the
 * daemon is frozen.
 *
 * What one waiter does when it is uncertain, thousands may do at once. So it asks the daemon and waits as
 * long as that is active; it walks /proc only without a daemon, for a process in a child pid namespace.
 */
#ifndef CLIENT_LIB_WAITER_H
#define CLIENT_LIB_WAITER_H

#include <stdbool.h>
#include <stdint.h>

#include "client/lib/daemon_conn.h"
#include "client/lib/plan.h"
#include "client/lib/poller.h"
#include "client/lib/settings.h"
#include "client/lib/target_set.h"
#include "readyd/readyd.h"
#include "src/dirwatch.h"

/* Members used after a wake-up come first: on the stack, they share pages with the callees' frames. */
struct readyd_waiter {
	struct target_set set;
	struct poller poller;
	int conn_fd; /* the descriptor that is polled for the connection; -1: none */
	uint32_t conn_bits;
	bool watching;	    /* the directory, for the targets; by polling if inotify is not available */
	bool behind;	    /* the watch has read events ahead: its descriptor may not be readable */
	bool replies_left;  /* so may the connection */
	bool fresh;	    /* the descriptors have just been polled, and nothing is left to be handled */
	bool nested;	    /* the marker of a target has another pid in its name */
	bool daemon_silent; /* it did not answer during readyd_waiter_peek() since the last sleep */
	int64_t peek_ms;    /* how long it has been waited for in these calls since the last sleep */
	unsigned quick_rechecks;
	int64_t poll_ms; /* interval of checks while the directory cannot be watched */
	/* Times on clock_ms(), 0: none. */
	int64_t look_at;    /* when to check all targets */
	int64_t stale_at;   /* when to check those with a marker that is not theirs */
	int64_t last_event; /* of a descriptor */
	int64_t since;	    /* when the last target was added */
	struct dirwatch dir;
	struct daemon_conn conn;
	struct settings settings;
};

/* The source of a poller event. The tag holds it, and the pid of the target if there is one. */
enum source { SOURCE_DIR, SOURCE_GATE, SOURCE_PIDFD, SOURCE_CONN };

static inline uint64_t waiter_tag(enum source source, pid_t pid)
{
	return (uint64_t)pid << 8 | source;
}

static inline bool waiter_is_forced(const struct readyd_waiter *w)
{
	return w->settings.backend == READYD_BACKEND_DAEMON || settings_is_remote(&w->settings);
}

static inline bool waiter_is_remote(const struct readyd_waiter *w)
{
	return settings_is_remote(&w->settings);
}

/* waiter.c */
/* For a waiter in memory of the caller. -1: errno. */
int waiter_init(struct readyd_waiter *w, const struct readyd_options *options);
void waiter_fini(struct readyd_waiter *w);
/* Takes an answer that is known already. False: there is none. */
bool waiter_take(struct readyd_waiter *w, struct readyd_answer *answer);
/* readyd_waiter_peek_exact() for an answer of this library. */
int waiter_peek(struct readyd_waiter *w, pid_t pid, uint64_t start, struct readyd_answer *answer);
/* Merges what the daemon answers to a question into the answer of an own check. */
void waiter_ask_once(struct readyd_waiter *w, const struct target *t, struct readyd_answer *answer);

/* waiter_reconcile.c; -1: errno, with READYD_BACKEND_DAEMON only */
int waiter_reconcile(struct readyd_waiter *w);
/* Closes what is not needed any more, and sets the deadline. */
void waiter_rest(struct readyd_waiter *w);
/* The time until the next check of all targets. */
int64_t waiter_look_interval(struct readyd_waiter *w, int64_t now);

/* waiter_dispatch.c; -1: errno */
int waiter_dispatch(struct readyd_waiter *w, const struct poller_event *events, int count);
void waiter_read_dir(struct readyd_waiter *w);
void waiter_close_dir(struct readyd_waiter *w);
/* Makes sure that the directory which the path names now is watched. */
void waiter_arm_dir(struct readyd_waiter *w);

/* waiter_ask.c; -1: errno */
int waiter_ask(struct readyd_waiter *w);
/* Asks for the verdict on a target that the daemon has sent a gate for, although it looks ready from here. */
void waiter_ask_why(struct readyd_waiter *w, struct target *t);
void waiter_cancel_wait(struct readyd_waiter *w, const struct target *t);

/* waiter_daemon.c; -1: errno */
int waiter_take_daemon_event(struct readyd_waiter *w, const struct daemon_event *event);
int waiter_take_replies(struct readyd_waiter *w);
int waiter_expire(struct readyd_waiter *w);

/* waiter_remote.c */
void waiter_put_remote(struct readyd_waiter *w, struct target *t);
void waiter_take_remote(struct readyd_waiter *w, const struct readyd_answer *said);
/* What it has said last; it reports what happens since. */
struct readyd_answer waiter_last_remote(const struct target *t);
/* Asks again after a while. */
void waiter_hold_remote(struct readyd_waiter *w, struct target *t);
/* The connection is lost, and is to be restored: ends the waits for processes that could be mistaken then. */
void waiter_leave_remote(struct readyd_waiter *w);
/* It could not be restored: ends all waits. */
void waiter_lose_remote(struct readyd_waiter *w);
/* Asks about what the daemon does not report. */
void waiter_recheck_remote(struct readyd_waiter *w);
int64_t waiter_remote_interval(const struct readyd_waiter *w);

/* waiter_conn.c. Polls the connection for what it needs now; call it after each call that may open or close
 * it, or leave output. -1: it cannot be polled. */
int waiter_poll_conn(struct readyd_waiter *w);

/* waiter_look.c */
/* Opens the process of a new target. */
void waiter_open(struct readyd_waiter *w, struct target *t, uint64_t start);
void waiter_look(struct readyd_waiter *w, struct target *t);
/* The same for a new target. A file that has the name of its marker is not examined: the daemon is asked
 * first. */
void waiter_look_first(struct readyd_waiter *w, struct target *t);
/* All targets that are neither done nor unconfirmed. */
void waiter_look_all(struct readyd_waiter *w);
/* All of these. Most times, only whether the marker of a target with a subscription is still absent; `often`:
 * of every target. */
void waiter_recheck_all(struct readyd_waiter *w, bool often);
/* Checks those with a marker that is not theirs: it may have been rewritten in place, which raises no event.
 */
void waiter_recheck_stale(struct readyd_waiter *w);
/* Notes the marker that the daemon is about to be asked about. */
void waiter_note_marker(struct readyd_waiter *w, struct target *t);
/* The daemon has said that the marker that was noted is not the process's own. */
void waiter_take_leftover(struct readyd_waiter *w, struct target *t);
/* Lets the own check of an unconfirmed target count. Checks again first, since the last check may be old. */
void waiter_trust(struct readyd_waiter *w, struct target *t);
/* Every unconfirmed target, except those that wait for a gate. */
void waiter_trust_all(struct readyd_waiter *w);
/* The only function that changes the state of a target; closes what the new state does not need. False: see
 * target_step(). */
bool waiter_step(
    struct readyd_waiter *w, struct target *t, enum target_event event, const struct readyd_answer *answer);
void waiter_remove(struct readyd_waiter *w, struct target *t);

#endif
