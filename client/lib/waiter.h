/*
 * Inside of a waiter: the set of targets, the poller, the watch of the directory and the connection to the
 *daemon. These know nothing of each other and nothing of the waiter. Events come up from them as data,
 *commands go down as calls:
 *
 *	waiter.c           the public calls
 *	waiter_reconcile.c brings what is on (asking, watching, looking) in line with plan.h
 *	waiter_dispatch.c  events of the descriptors, in a fixed order
 *	waiter_ask.c       asks the daemon
 *	waiter_daemon.c    events of the connection
 *	waiter_conn.c      polls the connection
 *	waiter_look.c      an own look at a target, and what follows from it
 *	waiter_explain.c   why there is no answer yet
 *
 * Each calls only those below it. Whatever the daemon has promised, every target is looked at now and then: a
 *frozen daemon never keeps its promises.
 *
 * What one waiter does in doubt thousands may do at once. So it asks the daemon and waits for as long as the
 *daemon works, and it walks /proc only without a daemon and for a process in a child pid namespace.
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

/* What is touched after a wake-up comes first: on the stack that is next to what the calls touch. */
struct readyd_waiter {
	struct target_set set;
	struct poller poller;
	int conn_fd; /* as it is polled, -1 */
	uint32_t conn_bits;
	bool watching;	    /* on behalf of the targets, even where there is no inotify and it is polled */
	bool behind;	    /* the watch has more to report than its descriptor shows */
	bool nested;	    /* some targets have another pid in their marker's name */
	bool daemon_silent; /* it did not answer the question of a peek */
	unsigned quick_rechecks;
	int64_t poll_ms; /* interval of looks while nothing can be watched */
	/* Times on clock_ms(), 0: none. */
	int64_t look_at;    /* look at all targets */
	int64_t stale_at;   /* look at those whose marker is not their own */
	int64_t last_event; /* anything but the passing of time */
	int64_t since;	    /* the last target was added */
	struct dirwatch dir;
	struct daemon_conn conn;
	struct settings settings;
};

/* What an event of the poller is about: its tag holds this, and the pid where it is about a target. */
enum source { SOURCE_DIR, SOURCE_GATE, SOURCE_PIDFD, SOURCE_CONN };

static inline uint64_t waiter_tag(enum source source, pid_t pid)
{
	return (uint64_t)pid << 8 | source;
}

static inline bool waiter_is_forced(const struct readyd_waiter *w)
{
	return w->settings.backend == READYD_BACKEND_DAEMON;
}

/* waiter.c */
/* Where it is the caller's memory. -1: errno. */
int waiter_init(struct readyd_waiter *w, const struct readyd_options *options);
void waiter_fini(struct readyd_waiter *w);
/* True: *answer is one that is there already. */
bool waiter_take(struct readyd_waiter *w, struct readyd_answer *answer);

/* waiter_reconcile.c; -1: errno, with READYD_BACKEND_DAEMON only */
int waiter_reconcile(struct readyd_waiter *w);
/* Lets go of what is not needed any more, and sets the deadline. */
void waiter_rest(struct readyd_waiter *w);
/* To the next look at all targets. */
int64_t waiter_look_interval(struct readyd_waiter *w, int64_t now);

/* waiter_dispatch.c; -1: errno */
int waiter_dispatch(struct readyd_waiter *w, const struct poller_event *events, int count);
void waiter_read_dir(struct readyd_waiter *w);
void waiter_close_dir(struct readyd_waiter *w);
/* Makes sure that the watch is on the directory which the path names now. */
void waiter_arm_dir(struct readyd_waiter *w);

/* waiter_ask.c; -1: errno */
int waiter_ask(struct readyd_waiter *w);
void waiter_cancel_wait(struct readyd_waiter *w, const struct target *t);

/* waiter_daemon.c; -1: errno */
int waiter_take_daemon_event(struct readyd_waiter *w, const struct daemon_event *event);
int waiter_take_replies(struct readyd_waiter *w);
int waiter_expire(struct readyd_waiter *w);

/* waiter_conn.c. After each call that may close the connection or leave output: polls what there is. -1: a
 * new one cannot be polled. */
int waiter_poll_conn(struct readyd_waiter *w);

/* waiter_look.c */
/* A new target: holds the process. */
void waiter_open(struct readyd_waiter *w, struct target *t, uint64_t start);
void waiter_look(struct readyd_waiter *w, struct target *t);
/* At all that are neither done nor unconfirmed. */
void waiter_look_all(struct readyd_waiter *w);
void waiter_recheck_all(struct readyd_waiter *w);
/* At those whose marker is not their own: it may have been rewritten in place, which raises no event. */
void waiter_recheck_stale(struct readyd_waiter *w);
/* What the daemon is about to be asked about. */
void waiter_note_marker(struct readyd_waiter *w, struct target *t);
/* The daemon has said that what was noted is not the process's own. */
void waiter_take_leftover(struct readyd_waiter *w, struct target *t);
/* The own look counts: once more, since the one that it is unconfirmed by may be some time ago. */
void waiter_trust(struct readyd_waiter *w, struct target *t);
/* Every unconfirmed one but for those that wait for the gate they hold. */
void waiter_trust_all(struct readyd_waiter *w);
/* The only way for a target to get on; closes what is not needed in the new state. False: see target_step().
 */
bool waiter_step(
    struct readyd_waiter *w, struct target *t, enum target_event event, const struct readyd_answer *answer);
void waiter_remove(struct readyd_waiter *w, struct target *t);

#endif
