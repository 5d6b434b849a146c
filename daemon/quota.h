/*
 * What each user (uid) uses of the daemon, so that no user can use it up. Pure.
 *
 * A user may have a share of what the others have left: an n-th, where n is one more than the number of users
 * that use the resource. So one user alone gets half, the second a third of the rest, and there is always
 * something left for the next. The last eighth is for root and the daemon's own user, which have no share.
 */
#ifndef DAEMON_QUOTA_H
#define DAEMON_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <uthash.h>

#include "daemon/agenda.h"
#include "daemon/turns.h"

struct registry_entry;
struct registry_tombstone;

enum quota_resource {
	QUOTA_CONNECTIONS,
	QUOTA_WAITS,
	QUOTA_PROCESSES, /* with a pidfd */
	QUOTA_GATES,	 /* pipes */
	QUOTA_TOMBSTONES,
	QUOTA_WATCHES, /* of marker directories other than ours */
	QUOTA_OUTPUT,  /* bytes that clients leave unread */
	QUOTA_MONITORS,
	QUOTA_RESOURCES
};

/* Bytes that one client may leave unread. Answers are short: a client this far behind does not read. */
#define QUOTA_OUTPUT_OF_CLIENT ((size_t)256 * 1024)
/* Ended processes that are remembered. */
#define QUOTA_TOMBSTONES_ALL 1024

struct quota_user {
	uid_t uid;
	size_t used[QUOTA_RESOURCES];
	size_t held; /* what is used, and pointers that are kept; freed when it reaches 0 */
	/* Oldest first; used by registry.c only. */
	TAILQ_HEAD(, registry_tombstone) tombstones;
	TAILQ_HEAD(, registry_entry) idle;
	size_t idle_count;
	struct agenda_user agenda; /* used by registry.c only */
	struct turns_user turns;   /* of its connections */
	struct turns_user hints;   /* of its processes' markers; used by hints.c only */
	UT_hash_handle hh;
};

struct quota_limit {
	size_t all;    /* for everything together */
	size_t shared; /* what the users other than root and the daemon's own have shares of */
};

struct quota {
	struct quota_user *users; /* by uid; those that use nothing are not kept */
	uid_t own;
	struct quota_limit limits[QUOTA_RESOURCES];
	size_t used[QUOTA_RESOURCES], shared_used[QUOTA_RESOURCES];
	size_t sharers[QUOTA_RESOURCES];
};

/* What the limits follow from: RLIMIT_NOFILE, --max-clients and --max-waits. */
struct quota_config {
	size_t descriptors, max_clients, max_waits;
};

void quota_init(struct quota *quota, uid_t own, const struct quota_config *config);
void quota_fini(struct quota *quota);

/* The user, which stays valid until quota_leave() and while it uses anything. */
struct quota_user *quota_enter(struct quota *quota, uid_t uid);
void quota_leave(struct quota *quota, struct quota_user *user);
/* Another pointer to the user is kept. */
static inline struct quota_user *quota_hold(struct quota_user *user)
{
	user->held++;
	return user;
}

bool quota_has_room(
    const struct quota *quota, const struct quota_user *user, enum quota_resource resource, size_t amount);
/* False, and nothing is charged: the user has no room. */
bool quota_charge(struct quota *quota, struct quota_user *user, enum quota_resource resource, size_t amount);
/* The user may be freed. */
void quota_release(struct quota *quota, struct quota_user *user, enum quota_resource resource, size_t amount);

#endif
