/*
 * Inside of a waiter. Its rooms:
 *
 *	waiter.c         the public calls, what is done at which event
 *	waiter_poll.c    what is slept on, directly or through the one descriptor for the caller (an epoll)
 *	waiter_target.c  one process that is waited for: looking at it, settling it
 *	waiter_daemon.c  asking the daemon, what it answers, its coming and going
 *	waiter_explain.c why there is no answer yet
 *	waiter_file.c    the fallback: watching the marker directory oneself
 *
 * A target that waits is covered when the daemon has promised to tell: its gate is held, or its WAIT was
 * taken by a living connection. While any is not, and the daemon cannot be had, the fallback is on. And
 * whatever is promised, every target is looked at now and then: a frozen daemon keeps its promises open
 *forever.
 *
 * What one waiter does in doubt thousands may do at once. So it asks the daemon and waits for as long as the
 *daemon works, and it walks /proc only without a daemon and for a process in a child pid namespace.
 */
#ifndef CLIENT_WAITER_H
#define CLIENT_WAITER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#define HASH_NONFATAL_OOM 1 /* else uthash ends the process */
#include <uthash.h>

#include "client/lib/filewatch.h"
#include "client/lib/daemon_conn.h"
#include "client/lib/settings.h"
#include "readyd/readyd.h"
#include "src/evaluate.h"
#include "src/process.h"

/* So few targets are walked and polled directly; for more of them there are a hash and an epoll. */
#define TARGETS_FEW 8

enum subscription { SUBSCRIPTION_NONE, SUBSCRIPTION_GATE, SUBSCRIPTION_WAIT };

struct target {
	struct process process; /* the process is pinned when the target is added */
	struct history history;
	struct readyd_answer answer; /* when done, or the own opinion while unconfirmed */
	enum subscription subscription;
	int gate;
	bool done;
	bool not_started; /* no process has had the pid yet, and that is waited out */
	bool watched;	  /* its pidfd is in the epoll */
	bool asked;	  /* a GATE or WAIT of it is under way */
	bool no_gate;	  /* the daemon could not give one: use WAIT */
	bool pending;	  /* was found waiting once: from then on a missing directory is waited out */
	bool unconfirmed; /* settled by our own look, but the daemon may remember more: ask it first */
	STAILQ_ENTRY(target) link; /* in waiter->done */
	TAILQ_ENTRY(target) all;   /* in waiter->all */
	UT_hash_handle hh;	   /* in waiter->by_pid; no table: not in there */
};

TAILQ_HEAD(targets, target);

/* Every target, while the body may free it. */
#define TARGETS_EACH(w, t, next)                                                                             \
	for ((t) = TAILQ_FIRST(&(w)->all); (t) != NULL && ((next) = TAILQ_NEXT(t, all), true); (t) = (next))

enum conn_state { CONN_CLOSED, CONN_GREETING, CONN_OPEN };

/* What is touched after a wake-up comes first: where it is on the stack, that is next to what the calls
 * touch. */
struct readyd_waiter {
	struct target only; /* memory for one, in use when there is one */
	bool only_used;
	int epoll, timer;      /* -1 until they are needed, see waiter_poll.c */
	long descriptors;      /* limit */
	int64_t armed_for;     /* what the timer is set to */
	struct targets all;    /* done ones too, until they are taken */
	size_t count;	       /* of all */
	struct target *by_pid; /* all, where they are not few */
	STAILQ_HEAD(, target) done;
	size_t waiting;			       /* targets that are not done */
	size_t subscription_count[3];	       /* of the waiting ones, by enum subscription */
	size_t unconfirmed_count, not_started; /* of the waiting ones */
	size_t gate_unconfirmed_count;	       /* unconfirmed_count that wait for the gate they hold */
	bool daemon_silent;		       /* it did not answer the question of a peek */
	bool nested;			       /* some have another pid in their marker's name */
	enum conn_state conn_state;
	bool conn_polls_write;
	unsigned pings_in_flight; /* PINGs under way: when the last PONG is here, all asked before it is
				     answered */
	unsigned backlog_full;	  /* connects in a row that found the backlog full */
	bool fallback;
	struct filewatch file;
	int64_t poll_ms; /* interval of looks while nothing can be watched */
	/* Times on clock_ms(), 0: none. */
	int64_t reply_by;	 /* the daemon is taken for frozen */
	int64_t confirm_by;	 /* see whether the daemon still works on what is unconfirmed */
	int64_t confirm_ms;	 /* the interval that ends then */
	int64_t retry_at;	 /* connect, or ask again */
	int64_t last_event;	 /* anything but the timer */
	int64_t look_at;	 /* look at all targets */
	int64_t since;		 /* the last target was added */
	unsigned quick_rechecks; /* looks without a daemon so far */
	pid_t daemon_pid;	 /* of the last connection */
	int64_t heard_at;	 /* it replied, or was asked after a pause */
	uint64_t daemon_cpu;	 /* its CPU time when it was last checked, see process_is_active() */
	struct settings settings;
	struct daemon_conn conn;
};

/* What an event is about: its tag holds this, and the pid where it is about a target. */
enum source { SOURCE_TIMER, SOURCE_CONN, SOURCE_FILE, SOURCE_PIDFD, SOURCE_GATE };

/* waiter.c */
/* Where it is the caller's memory. -1: errno. */
int waiter_init(struct readyd_waiter *w, const struct readyd_options *options);
void waiter_fini(struct readyd_waiter *w);
/* True: *answer is one that is there already. */
bool waiter_take(struct readyd_waiter *w, struct readyd_answer *answer);
int waiter_on_event(struct readyd_waiter *w, uint64_t tag, uint32_t events);
void waiter_look_all(struct readyd_waiter *w);
/* The earlier of two times, where 0 is never. */
int64_t waiter_earlier(int64_t a, int64_t b);

/* waiter_poll.c. Few descriptors are polled directly: a crowd of waiters that is woken at once saves a system
 * call each, and the waker a second queue. The epoll is made when there are more, or when the caller asks for
 * it. */
int poll_open(struct readyd_waiter *w);
void poll_close(struct readyd_waiter *w);
/* A descriptor is watched from now on. -1: errno. */
int poll_add(struct readyd_waiter *w, int fd, uint32_t events, enum source source, pid_t pid);
void poll_change_conn(struct readyd_waiter *w, bool write);
/* Before the descriptor is closed, where others share the open file; or when it is watched no more. */
void poll_remove(struct readyd_waiter *w, int fd);
/* at: clock_ms(), 0: never. */
void poll_set_timer(struct readyd_waiter *w, int64_t at);
/* Sleeps, at most so long (-1: no limit), and has the events handled. -1: errno. */
int poll_take(struct readyd_waiter *w, int timeout_ms);

/* waiter_target.c */
struct target *target_add(struct readyd_waiter *w, pid_t pid, uint64_t start);
struct target *target_find(struct readyd_waiter *w, pid_t pid);
void target_free(struct readyd_waiter *w, struct target *t);
/* Looks, and settles or unconfirmed_count the target by what is seen. */
void target_look(struct readyd_waiter *w, struct target *t);
/* Whether an own look with this answer ends the wait. Where the daemon has promised to tell, it can see what
 * we may not. */
bool target_ends_wait(const struct target *t, const struct readyd_answer *answer);
/* The answer is final. */
void target_settle(struct readyd_waiter *w, struct target *t, const struct readyd_answer *answer);
void target_set_subscription(struct readyd_waiter *w, struct target *t, enum subscription subscription);
void target_on_death(struct readyd_waiter *w, struct target *t);
/* No daemon is there to remember more: settles every unconfirmed target by its own look, but for those that
 * wait for the gate they hold. */
void targets_trust_own_look(struct readyd_waiter *w);
/* Those do not wait for it any longer. */
void targets_leave_gates(struct readyd_waiter *w);

/* waiter_daemon.c; -1: errno, with READYD_BACKEND_DAEMON only */
int daemon_ask(struct readyd_waiter *w);
/* Some targets are unconfirmed: gets the daemon's word on them, or does without. */
int daemon_resolve(struct readyd_waiter *w);
int daemon_on_readable(struct readyd_waiter *w);
int daemon_on_late(struct readyd_waiter *w);
int daemon_on_unconfirmed(struct readyd_waiter *w);
int daemon_on_gate(struct readyd_waiter *w, struct target *t, uint32_t events);
void daemon_cancel(struct readyd_waiter *w, const struct target *t);
/* Lets go of the connection when nothing hangs on it. */
void daemon_rest(struct readyd_waiter *w);

/* waiter_file.c */
void file_start(struct readyd_waiter *w);
void file_on_readable(struct readyd_waiter *w);
/* Before a look at all targets: makes sure of the watch. */
void file_check(struct readyd_waiter *w);
void file_stop(struct readyd_waiter *w);
/* When to look next. */
int64_t file_interval(struct readyd_waiter *w);

#endif
