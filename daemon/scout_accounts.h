/*
 * What is known of looks that did not come back: which user is charged for them, and how long the daemon
 * waits for the next one. Pure: the caller says what time it is.
 *
 * A directory can only be made to hang by its user, so its user pays: with SCOUT_STUCK_USER looks stuck, the
 * user gets no further one. The daemon waits less for each look of a user after one has hung or was slow.
 */
#ifndef DAEMON_SCOUT_ACCOUNTS_H
#define DAEMON_SCOUT_ACCOUNTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uthash.h>

/* Stuck scouts at a time: of one user. */
#define SCOUT_STUCK_USER 2
/* Of all users; the last ones are for root and the daemon's user only. */
#define SCOUT_STUCK_ALL	   16
#define SCOUT_STUCK_OTHERS 14
/* How long a look is waited for. It takes 20 to 40 us, ten times that on a slow machine. */
#define SCOUT_PATIENCE_MS 20
/* One hang less counts against a user after each such time. */
#define SCOUT_FORGIVE_MS 1000
/* More than so many hangs do not count. */
#define SCOUT_HANGS_MOST 8
/* A look that takes longer than this counts as a hang, as one that answers just in time would stop the daemon
 * as well. */
#define SCOUT_SLOW_MS 2
/* The directory of a process that has hung is tried again after this time, which doubles up to the most. */
#define SCOUT_RETRY_MS	    250
#define SCOUT_RETRY_MOST_MS 16000
/* Processes with a remembered retry; the oldest is forgotten first. */
#define SCOUT_HUNG_MOST 64

struct scout_user {
	uid_t uid;
	unsigned stuck;
	unsigned hangs;	  /* that are not forgiven yet */
	int64_t forgiven; /* up to when, in ms */
	UT_hash_handle hh;
};

struct scout_hung {
	pid_t pid; /* 0: none */
	uint64_t start;
	unsigned times;
	int64_t retry_at; /* in ms */
};

struct scout_accounts {
	uid_t own;
	struct scout_user *users; /* those that have had a look that hung */
	size_t stuck;
	struct scout_hung hung[SCOUT_HUNG_MOST];
	unsigned hung_next;
};

void scout_accounts_init(struct scout_accounts *accounts, uid_t own);
void scout_accounts_fini(struct scout_accounts *accounts);

/* For how many ms to wait for a look at the directory of a process of that user; 0: it is not to be made
 * now. */
int scout_accounts_patience(
    struct scout_accounts *accounts, uid_t uid, pid_t pid, uint64_t start, int64_t now);

/* A look was back in time, but slow. */
void scout_accounts_slow(struct scout_accounts *accounts, uid_t uid, int64_t now);
/* A look was not back in time: a scout is stuck. */
void scout_accounts_hung(struct scout_accounts *accounts, uid_t uid, pid_t pid, uint64_t start, int64_t now);
/* A scout that was stuck is free again or has ended. answered: the look came back. */
void scout_accounts_freed(
    struct scout_accounts *accounts, uid_t uid, pid_t pid, uint64_t start, bool answered);

#endif
