#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "daemon/gate.h"
#include "daemon/registry.h"
#include "daemon/loop.h"
#include "daemon/quota.h"
#include "daemon/xalloc.h"
#include "daemon/reserve.h"
#include "daemon/tracker.h"
#include "daemon/transitions.h"

/*
 * A read end is kept and handed out for as long as waiters keep coming, so that they share one open file
 * description. On a pipe without a writer, each close of an open file description wakes all processes that
 * still poll the pipe; with one each, N waiters that leave wake each other N^2/2 times (measured with
 * 2,000: 300 ms until the last is awake, 110 ms with a shared one).
 */
#define SHARE_MS 2000

/*
 * A woken waiter has to leave the pipe's wait queue, and cannot while the kernel still walks it: of 2,000
 * in one queue the first is awake after 4.7 ms and the last after 30 ms; with 16 pipes, after 0.6 and 22
 * ms. So this many waiters share a pipe before the next one is opened, up to this many pipes; then they are
 * filled in turn.
 */
#define SHARD_WAITERS 64
#define SHARDS_MAX    16

struct shard {
	TAILQ_ENTRY(shard) link;
	struct gate_user *user;
	int fd;		   /* the write end */
	int shared;	   /* the read end; -1 when idle, so that the last waiter's close is seen */
	size_t handed_out; /* so far */
	struct loop_fd *abandoned;
	struct loop_timer *idle; /* runs while the read end is kept */
};

/* The pipes of one user's waiters. */
struct gate_user {
	LIST_ENTRY(gate_user) link;
	struct gate *gate;
	struct quota_user *user;	  /* that is charged for them */
	TAILQ_HEAD(shards, shard) shards; /* the first is being filled; never empty */
	unsigned shard_count;
};

struct gate {
	struct registry_wait wait; /* first: cast back to the gate. Its settled() closes the gate. */
	LIST_ENTRY(gate) link;
	struct gates *gates;
	struct registry_entry *entry;
	LIST_HEAD(, gate_user) users; /* empty only at the end */
};

void gates_init(struct gates *gates, struct loop *loop, struct tracker *tracker)
{
	*gates = (struct gates){.loop = loop, .tracker = tracker};
	LIST_INIT(&gates->all);
}

/* The last one of its user takes that along. */
static void shard_free(struct shard *shard)
{
	struct gate_user *user = shard->user;
	struct quota *quota = user->gate->gates->tracker->quota;

	TAILQ_REMOVE(&user->shards, shard, link);
	user->shard_count--;
	user->gate->entry->gate_waiters -= shard->handed_out;
	quota_release(quota, user->user, QUOTA_GATES, 1);
	loop_fd_free(shard->abandoned);
	loop_timer_free(shard->idle);
	close(shard->fd);
	if (shard->shared >= 0)
		close(shard->shared);
	xalloc_free(shard);
	if (user->shard_count > 0)
		return;
	LIST_REMOVE(user, link);
	xalloc_free(user);
}

static struct shard *first_shard(const struct gate *gate)
{
	return LIST_EMPTY(&gate->users) ? NULL : TAILQ_FIRST(&LIST_FIRST(&gate->users)->shards);
}

/* The entry may be gone afterwards, unless the gate was settled. */
static void gate_free(struct gate *gate)
{
	struct shard *shard;

	LIST_REMOVE(gate, link);
	gate->entry->gate = NULL;
	gate->gates->count--;
	while ((shard = first_shard(gate)) != NULL)
		shard_free(shard);
	tracker_leave(gate->gates->tracker, &gate->wait);
	xalloc_free(gate);
}

/* The byte spares waiters from asking whether the process was ready; if it cannot be written, they ask. It
 * does not say on what evidence: where that is weak, they ask too. */
static void on_settled(
    struct registry_wait *wait, const struct registry_entry *entry, const struct readyd_answer *answer)
{
	struct gate *gate = (struct gate *)wait;
	bool was_ready = answer->verdict == READYD_READY || answer->verdict == READYD_EXITED;
	bool assumed = (answer->flags & READYD_FLAG_AGE_ASSUMED) != 0;
	struct shard *shard;

	(void)entry;
	while ((shard = first_shard(gate)) != NULL) {
		if (was_ready && !assumed)
			(void)!write(shard->fd, "r", 1);
		shard_free(shard);
	}
	gate_free(gate);
}

/* No waiter has come for a while: closes the read end, so that the last waiter's close is seen. */
static void on_idle(void *context)
{
	struct shard *shard = context;

	close(shard->shared);
	shard->shared = -1;
}

/* No process holds a read end any more. Only a hint: one may have been handed out since. */
static void on_abandoned(int fd, void *context)
{
	struct shard *shard = context;
	struct gate *gate = shard->user->gate;
	struct pollfd poll_fd = {.fd = fd, .events = 0};

	if (poll(&poll_fd, 1, 0) == 0)
		return;
	shard_free(shard);
	if (LIST_EMPTY(&gate->users))
		gate_free(gate);
	else
		transitions_see_waits(&gate->gates->tracker->transitions, gate->entry);
}

/* The pipe's inode belongs to this process's uid with mode 0600: no other user can open a write end
 * through /proc and hold the gate shut. */
static int open_pipe(const struct gates *gates, const struct quota_user *user, int ends[2])
{
	if (!quota_has_room(gates->tracker->quota, user, QUOTA_GATES, 1)) {
		errno = ENOSPC;
		return -1;
	}
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return -1;
	if (!reserve_allows(ends[1])) {
		close(ends[0]);
		close(ends[1]);
		errno = EMFILE;
		return -1;
	}
	/* At most one byte is ever written; a small ring saves the user's pipe quota
	 * (pipe-user-pages-soft). Failure to shrink it is not a reason to refuse. */
	(void)fcntl(ends[1], F_SETPIPE_SZ, 1);
	return 0;
}

static void add_shard(struct gate_user *user, const int ends[2])
{
	struct shard *shard = xalloc_new(sizeof(*shard));
	struct gates *gates = user->gate->gates;

	(void)quota_charge(gates->tracker->quota, user->user, QUOTA_GATES, 1);
	shard->user = user;
	shard->fd = ends[1];
	shard->shared = ends[0];
	/* A write end only reports EPOLLERR, when no reader is left. */
	shard->abandoned = loop_fd_new(gates->loop, shard->fd, LOOP_READ, on_abandoned, shard);
	loop_fd_start(shard->abandoned);
	shard->idle = loop_timer_new(gates->loop, on_idle, shard);
	TAILQ_INSERT_HEAD(&user->shards, shard, link);
	user->shard_count++;
}

static struct gate *gate_open(struct gates *gates, struct registry_entry *entry)
{
	static const struct registry_wait_kind kind = {.settled = on_settled};
	struct gate *gate = xalloc_new(sizeof(*gate));

	gate->gates = gates;
	gate->entry = entry;
	gate->wait.kind = &kind;
	LIST_INIT(&gate->users);
	registry_attach(gates->tracker->registry, entry, &gate->wait);
	entry->gate = gate;
	LIST_INSERT_HEAD(&gates->all, gate, link);
	gates->count++;
	return gate;
}

static struct gate_user *find_user(const struct gate *gate, const struct quota_user *user)
{
	struct gate_user *known;

	LIST_FOREACH (known, &gate->users, link)
		if (known->user == user)
			return known;
	return NULL;
}

/* The first shard of a user, and the gate if this is the first user. */
static struct gate_user *add_user(
    struct gates *gates, struct registry_entry *entry, struct quota_user *account)
{
	struct gate_user *user;
	int ends[2];

	if (open_pipe(gates, account, ends) != 0)
		return NULL;
	user = xalloc_new(sizeof(*user));
	user->gate = entry->gate != NULL ? entry->gate : gate_open(gates, entry);
	user->user = account;
	TAILQ_INIT(&user->shards);
	add_shard(user, ends);
	LIST_INSERT_HEAD(&user->gate->users, user, link);
	return user;
}

/* The shard for the next waiter. If another cannot be opened, the existing ones take more. */
static struct shard *choose_shard(struct gate_user *user)
{
	struct shard *first = TAILQ_FIRST(&user->shards);
	int ends[2];

	if (first->handed_out == 0 || first->handed_out % SHARD_WAITERS != 0)
		return first;
	if (user->shard_count < SHARDS_MAX && open_pipe(user->gate->gates, user->user, ends) == 0) {
		add_shard(user, ends);
	} else {
		TAILQ_REMOVE(&user->shards, first, link);
		TAILQ_INSERT_TAIL(&user->shards, first, link);
	}
	return TAILQ_FIRST(&user->shards);
}

static int share_again(struct shard *shard)
{
	char path[32];

	if (shard->shared < 0) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", shard->fd);
		shard->shared = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	}
	return shard->shared;
}

int gate_join(struct gates *gates, struct registry_entry *entry, struct quota_user *account)
{
	struct gate_user *user = entry->gate == NULL ? NULL : find_user(entry->gate, account);
	struct shard *shard;

	if (user == NULL)
		user = add_user(gates, entry, account);
	shard = user == NULL ? NULL : choose_shard(user);
	if (shard == NULL || share_again(shard) < 0)
		return -1;
	loop_timer_start(shard->idle, SHARE_MS);
	shard->handed_out++;
	entry->gate_waiters++;
	gates->handed_out++;
	return shard->shared;
}

void gates_fini(struct gates *gates)
{
	while (!LIST_EMPTY(&gates->all))
		gate_free(LIST_FIRST(&gates->all));
}
