#include "config.h"

#include <stdint.h>

#include "daemon/xalloc.h"
/* Before uthash.h, which on a failed allocation would exit(-1) without a message. */
#define uthash_malloc(size)	 xalloc_new(size)
#define uthash_free(block, size) xalloc_free(block)
#include "daemon/quota.h"

/* One client may use up its own limit of waits or output so many times before a user's is reached: all users
 * share twice as much, and one may have half. */
#define CLIENTS_WORTH 32
/* Descriptors that no user pays for: the daemon's own, those of scouts, and the reserve. */
#define UNCHARGED 64
/* An inotify watch takes about a kilobyte of the kernel's memory. An event is looked up among all of them. */
#define WATCHES_ALL    4096
#define WATCHES_SHARED 512
/* Each is served in each pass of the loop in which something has happened. */
#define MONITORS_ALL	64
#define MONITORS_SHARED 32
/* This part of what is shared stays for root and the daemon's own user. */
#define RESERVE 8

static size_t times(size_t a, size_t b)
{
	return a > SIZE_MAX / b ? SIZE_MAX : a * b;
}

/* Half of the descriptors are for connections, a quarter for pidfds, and a quarter for gates, which take two
 * for a moment. So what is shared is never more than there is. */
void quota_init(struct quota *quota, uid_t own, const struct quota_config *config)
{
	const size_t fds = config->descriptors;
	const size_t free = fds > 2 * UNCHARGED ? fds - UNCHARGED : fds / 2;
	const size_t waits = times(config->max_waits, CLIENTS_WORTH);

	*quota = (struct quota){.own = own,
	    .limits = {
		[QUOTA_CONNECTIONS] = {config->max_clients,
		    config->max_clients < free / 2 ? config->max_clients : free / 2},
		[QUOTA_WAITS] = {SIZE_MAX, waits},
		[QUOTA_PROCESSES] = {SIZE_MAX, free / 4},
		[QUOTA_GATES] = {fds / 4, free / 8},
		[QUOTA_TOMBSTONES] = {QUOTA_TOMBSTONES_ALL, QUOTA_TOMBSTONES_ALL},
		[QUOTA_WATCHES] = {WATCHES_ALL, WATCHES_SHARED},
		[QUOTA_OUTPUT] = {SIZE_MAX, CLIENTS_WORTH * QUOTA_OUTPUT_OF_CLIENT},
		[QUOTA_MONITORS] = {MONITORS_ALL, MONITORS_SHARED},
	    }};
}

static void free_user(struct quota *quota, struct quota_user *user)
{
	HASH_DEL(quota->users, user);
	xalloc_free(user);
}

void quota_fini(struct quota *quota)
{
	struct quota_user *user, *next;

	HASH_ITER (hh, quota->users, user, next)
		free_user(quota, user);
}

static bool has_share(const struct quota *quota, const struct quota_user *user)
{
	return user->uid != 0 && user->uid != quota->own;
}

struct quota_user *quota_enter(struct quota *quota, uid_t uid)
{
	struct quota_user *user;

	HASH_FIND(hh, quota->users, &uid, sizeof(uid), user);
	if (user != NULL)
		return quota_hold(user);
	user = xalloc_new(sizeof(*user));
	user->uid = uid;
	TAILQ_INIT(&user->tombstones);
	TAILQ_INIT(&user->idle);
	turns_user_init(&user->turns);
	turns_user_init(&user->hints);
	agenda_user_init(&user->agenda);
	HASH_ADD(hh, quota->users, uid, sizeof(user->uid), user);
	return quota_hold(user);
}

static void let_go(struct quota *quota, struct quota_user *user, size_t amount)
{
	user->held -= amount;
	if (user->held == 0)
		free_user(quota, user);
}

void quota_leave(struct quota *quota, struct quota_user *user)
{
	let_go(quota, user, 1);
}

/* Rounded up. */
static size_t share(const struct quota *quota, const struct quota_user *user, enum quota_resource resource)
{
	const size_t others = quota->shared_used[resource] - user->used[resource];
	const size_t shared = quota->limits[resource].shared;
	const size_t parts = quota->sharers[resource] + (user->used[resource] == 0 ? 2 : 1);

	return others >= shared ? 0 : (shared - others - 1) / parts + 1;
}

bool quota_has_room(
    const struct quota *quota, const struct quota_user *user, enum quota_resource resource, size_t amount)
{
	const struct quota_limit *limit = &quota->limits[resource];

	if (amount > limit->all - quota->used[resource])
		return false;
	return !has_share(quota, user) ||
	       (user->used[resource] + amount <= share(quota, user, resource) &&
		   quota->shared_used[resource] + amount <= limit->shared - limit->shared / RESERVE);
}

bool quota_charge(struct quota *quota, struct quota_user *user, enum quota_resource resource, size_t amount)
{
	if (!quota_has_room(quota, user, resource, amount))
		return false;
	if (has_share(quota, user)) {
		quota->shared_used[resource] += amount;
		quota->sharers[resource] += user->used[resource] == 0 && amount > 0;
	}
	quota->used[resource] += amount;
	user->used[resource] += amount;
	user->held += amount;
	return true;
}

void quota_release(struct quota *quota, struct quota_user *user, enum quota_resource resource, size_t amount)
{
	if (amount == 0)
		return;
	quota->used[resource] -= amount;
	user->used[resource] -= amount;
	if (has_share(quota, user)) {
		quota->shared_used[resource] -= amount;
		quota->sharers[resource] -= user->used[resource] == 0;
	}
	let_go(quota, user, amount);
}
