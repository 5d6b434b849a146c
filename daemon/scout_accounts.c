#include "config.h"

#include "daemon/xalloc.h"
/* Before uthash.h, which on a failed allocation would exit(-1) without a message. */
#define uthash_malloc(size)	 xalloc_new(size)
#define uthash_free(block, size) xalloc_free(block)
#include "daemon/scout_accounts.h"

void scout_accounts_init(struct scout_accounts *accounts, uid_t own)
{
	*accounts = (struct scout_accounts){.own = own};
}

static struct scout_user *find_user(const struct scout_accounts *accounts, uid_t uid)
{
	struct scout_user *user;

	HASH_FIND(hh, accounts->users, &uid, sizeof(uid), user);
	return user;
}

static void remove_user(struct scout_accounts *accounts, struct scout_user *user)
{
	HASH_DEL(accounts->users, user);
	xalloc_free(user);
}

void scout_accounts_fini(struct scout_accounts *accounts)
{
	while (accounts->users != NULL)
		remove_user(accounts, accounts->users);
}

static struct scout_user *enter_user(struct scout_accounts *accounts, uid_t uid, int64_t now)
{
	struct scout_user *user = find_user(accounts, uid);

	if (user != NULL)
		return user;
	user = xalloc_new(sizeof(*user));
	user->uid = uid;
	user->forgiven = now;
	HASH_ADD(hh, accounts->users, uid, sizeof(user->uid), user);
	return user;
}

static struct scout_hung *find_hung(struct scout_accounts *accounts, pid_t pid, uint64_t start)
{
	for (unsigned i = 0; i < SCOUT_HUNG_MOST; i++)
		if (accounts->hung[i].pid == pid && accounts->hung[i].start == start)
			return &accounts->hung[i];
	return NULL;
}

/* The oldest is overwritten. */
static struct scout_hung *enter_hung(struct scout_accounts *accounts, pid_t pid, uint64_t start)
{
	struct scout_hung *hung = find_hung(accounts, pid, start);

	if (hung != NULL)
		return hung;
	hung = &accounts->hung[accounts->hung_next];
	accounts->hung_next = (accounts->hung_next + 1) % SCOUT_HUNG_MOST;
	*hung = (struct scout_hung){.pid = pid, .start = start};
	return hung;
}

static int64_t retry_interval(unsigned times)
{
	int64_t ms = SCOUT_RETRY_MS;

	for (unsigned i = 1; i < times && ms < SCOUT_RETRY_MOST_MS; i++)
		ms *= 2;
	return ms;
}

/* A user with nothing stuck and nothing left to forgive is forgotten. */
static void forgive(struct scout_accounts *accounts, int64_t now)
{
	struct scout_user *user, *next;

	HASH_ITER (hh, accounts->users, user, next) {
		int64_t times = (now - user->forgiven) / SCOUT_FORGIVE_MS;
		user->forgiven += times * SCOUT_FORGIVE_MS;
		user->hangs -= times < user->hangs ? (unsigned)times : user->hangs;
		if (user->stuck == 0 && user->hangs == 0)
			remove_user(accounts, user);
	}
}

static bool is_full(const struct scout_accounts *accounts, uid_t uid)
{
	return accounts->stuck >= (uid == 0 || uid == accounts->own ? SCOUT_STUCK_ALL : SCOUT_STUCK_OTHERS);
}

int scout_accounts_patience(
    struct scout_accounts *accounts, uid_t uid, pid_t pid, uint64_t start, int64_t now)
{
	const struct scout_hung *hung = find_hung(accounts, pid, start);
	const struct scout_user *user;
	int ms = SCOUT_PATIENCE_MS;

	forgive(accounts, now);
	if (is_full(accounts, uid) || (hung != NULL && now < hung->retry_at))
		return 0;
	user = find_user(accounts, uid);
	if (user == NULL)
		return ms;
	if (user->stuck >= SCOUT_STUCK_USER)
		return 0;
	for (unsigned i = 0; i < user->hangs && ms > 1; i++)
		ms /= 2;
	return ms;
}

static struct scout_user *charge(struct scout_accounts *accounts, uid_t uid, int64_t now)
{
	struct scout_user *user = enter_user(accounts, uid, now);

	if (user->hangs < SCOUT_HANGS_MOST)
		user->hangs++;
	return user;
}

void scout_accounts_slow(struct scout_accounts *accounts, uid_t uid, int64_t now)
{
	(void)charge(accounts, uid, now);
}

void scout_accounts_hung(struct scout_accounts *accounts, uid_t uid, pid_t pid, uint64_t start, int64_t now)
{
	struct scout_user *user = charge(accounts, uid, now);
	struct scout_hung *hung = enter_hung(accounts, pid, start);

	accounts->stuck++;
	user->stuck++;
	hung->times++;
	hung->retry_at = now + retry_interval(hung->times);
}

void scout_accounts_freed(
    struct scout_accounts *accounts, uid_t uid, pid_t pid, uint64_t start, bool answered)
{
	struct scout_user *user = find_user(accounts, uid);
	struct scout_hung *hung = find_hung(accounts, pid, start);

	accounts->stuck--;
	if (user != NULL)
		user->stuck--;
	if (answered && hung != NULL)
		*hung = (struct scout_hung){0};
}
