#include "config.h"

#include "daemon/xalloc.h"
/* Before uthash.h, which on a failed allocation would exit(-1) without a message. */
#define uthash_malloc(size)	 xalloc_new(size)
#define uthash_free(block, size) xalloc_free(block)
#include "daemon/quota.h"

/* One client may use up its own limit many times over before a user's is reached. */
#define WAITS_OF_CLIENTS 16

void quota_init(struct quota *quota, uid_t own, size_t max_clients, size_t max_waits)
{
	*quota = (struct quota){
	    .own = own, .max_clients = (max_clients + 1) / 2, .max_waits = max_waits * WAITS_OF_CLIENTS};
}

void quota_fini(struct quota *quota)
{
	struct quota_user *user, *next;

	HASH_ITER (hh, quota->users, user, next) {
		HASH_DEL(quota->users, user);
		xalloc_free(user);
	}
}

static bool is_limited(const struct quota *quota, const struct quota_user *user)
{
	return user->uid != 0 && user->uid != quota->own;
}

static struct quota_user *find_or_add(struct quota *quota, uid_t uid)
{
	struct quota_user *user;

	HASH_FIND(hh, quota->users, &uid, sizeof(uid), user);
	if (user != NULL)
		return user;
	user = xalloc_new(sizeof(*user));
	user->uid = uid;
	HASH_ADD(hh, quota->users, uid, sizeof(user->uid), user);
	return user;
}

struct quota_user *quota_enter(struct quota *quota, uid_t uid)
{
	struct quota_user *user = find_or_add(quota, uid);

	if (is_limited(quota, user) && user->clients >= quota->max_clients)
		return NULL;
	user->clients++;
	return user;
}

void quota_leave(struct quota *quota, struct quota_user *user)
{
	if (--user->clients > 0)
		return;
	HASH_DEL(quota->users, user);
	xalloc_free(user);
}

bool quota_may_wait(const struct quota *quota, const struct quota_user *user)
{
	return !is_limited(quota, user) || user->waits < quota->max_waits;
}
