/* What each user (uid) uses of the daemon, so that one user cannot use it up. Pure. */
#ifndef DAEMON_QUOTA_H
#define DAEMON_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <uthash.h>

struct quota_user {
	uid_t uid;
	size_t clients, waits;
	UT_hash_handle hh;
};

struct quota {
	struct quota_user *users;      /* by uid; those without clients are not kept */
	uid_t own;		       /* the daemon's uid; it and root have no limit of their own */
	size_t max_clients, max_waits; /* limits of every other user */
};

/* Every user may have half of max_clients and the waits of 16 clients. */
void quota_init(struct quota *quota, uid_t own, size_t max_clients, size_t max_waits);
void quota_fini(struct quota *quota);

/* Counts a new client. NULL: the user is at its limit. */
struct quota_user *quota_enter(struct quota *quota, uid_t uid);
/* Counts a client that has left; user may be freed. */
void quota_leave(struct quota *quota, struct quota_user *user);

/* Whether the user may have another wait; the caller counts user->waits. */
bool quota_may_wait(const struct quota *quota, const struct quota_user *user);

#endif
