/* A client: a waiter of the library, and a caller that adds processes, sleeps, and takes the answers. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "readyd/readyd.h"
#include "src/process.h"
#include "tests/sim/actors.h"
#include "tests/sim/faults.h"
#include "tests/sim/history.h"
#include "tests/sim/kernel.h"
#include "tests/sim/world.h"

#define WAITED	       20
#define AWAIT_START_MS 70
#define IN_PLACE_MS    320 /* to the next look at a leftover */

struct client {
	struct readyd_waiter *waiter; /* NULL: not started yet, or finished */
	bool over;
	bool by_descriptor; /* the caller polls readyd_waiter_fd() itself */
	struct readyd_options options;
	struct waited waited[WAITED];
	unsigned count;
};

static struct client clients[SIM_CLIENTS];
static unsigned client_count;

static struct waited *find(struct client *client, pid_t pid)
{
	for (unsigned i = client->count; i-- > 0;)
		if (client->waited[i].pid == pid && !client->waited[i].told && !client->waited[i].cancelled)
			return &client->waited[i];
	return NULL;
}

void client_opened(const struct process *p, uint64_t start)
{
	struct waited *waited;

	if (world.current->id == SIM_DAEMON)
		return;
	waited = find(&clients[world.current->id], p->pid);
	if (waited == NULL || p->no_such_process)
		return;
	waited->start_unknown = !p->start_known;
	if (waited->meant || start != 0)
		return;
	if (p->fd >= 0)
		waited->life = world.current->fds[p->fd].index;
	else if (world_life_of(p->pid) != NULL)
		waited->life = (int)(world_life_of(p->pid) - world.lives);
}

void clients_start(void)
{
	client_count = 1 + dice_below(SIM_CLIENTS);
	for (unsigned i = 0; i < SIM_CLIENTS; i++) {
		struct client *client = &clients[i];

		client->waiter = NULL;
		client->count = 0;
		client->over = i >= client_count;
		client->by_descriptor = dice_hit(200);
		client->options = (struct readyd_options){.size = sizeof(struct readyd_options),
		    .socket = SIM_SOCKET,
		    .dir = SIM_DIR,
		    .prefix = SIM_PREFIX,
		    .backend = dice_hit(300) ? READYD_BACKEND_FILE : READYD_BACKEND_AUTO,
		    .flags = (dice_hit(300) ? READYD_OPTION_AWAIT_START : 0) |
			     (dice_hit(200) ? READYD_OPTION_FAIL_STALE : 0)};
		actor_start(&world.actors[i], (int)i, 20 + (pid_t)i, 0);
		memset(&sleeps[i], 0, sizeof(sleeps[i]));
	}
}

/* Some are given with their start, which may be that of a process that ended long ago. */
static void add(struct client *client, pid_t pid)
{
	struct waited *waited = &client->waited[client->count];
	struct life *life = world_life_of(pid);
	uint64_t start = 0;

	if (client->count == WAITED || find(client, pid) != NULL)
		return;
	*waited = (struct waited){.pid = pid, .life = SIM_NONE, .added = world.now};
	if (life != NULL && dice_hit(200))
		for (int i = 0; i < world.life_count; i++)
			if (world.lives[i].pid == pid &&
			    (dice_hit(700) || world.lives[i].start == life->start))
				life = &world.lives[i];
	/* A start of 0 stands for any. */
	waited->meant = life != NULL && life->start != 0 && dice_hit(300);
	if (waited->meant) {
		waited->life = (int)(life - world.lives);
		start = life->start;
	}
	client->count++;
	STORY("waits for %d%s", pid, waited->meant ? " (exactly)" : "");
	if (readyd_waiter_add_exact(client->waiter, pid, start) != 0)
		fail("readyd_waiter_add_exact: %s", strerror(errno));
}

static void start(struct client *client)
{
	unsigned first = dice_below(world.pid_count);

	client->waiter = readyd_waiter_new(&client->options);
	if (client->waiter == NULL) {
		fail("readyd_waiter_new: %s", strerror(errno));
		return;
	}
	for (unsigned i = 0; i < world.pid_count; i++)
		if (i == 0 || world.pid_count > 8 || dice_hit(300))
			add(client, SIM_FIRST_PID + (pid_t)((first + i) % world.pid_count));
}

/* The clock was set back after the marker of its name was written: only an observer that saw it come knows
 * which process wrote it, until the clock has caught up. */
static bool is_stamped_ahead(const struct life *life)
{
	const struct sim_marker *marker = &world_dir()->markers[world_pid_index(life->pid)];

	return life->alive && world_dir()->present && marker->state == MARKER_IS_FILE &&
	       marker->written - marker->arrived > world.offset;
}

/* The process that has the pid lives, and a client does not learn which one it is. Without a pidfd, it does
 * not learn either that it is a zombie. */
static bool is_hidden(const struct life *life)
{
	const struct life *now = world_life_of(life->pid);

	return now != NULL && now->hidden && (now->alive || faults.odds[FAULT_FD_REFUSED] > 0);
}

/* No wait for it has to end yet. */
static bool is_unclear(const struct life *life)
{
	return is_stamped_ahead(life) || is_hidden(life);
}

static bool waits(const struct client *client)
{
	for (unsigned i = 0; i < client->count; i++)
		if (!client->waited[i].told && !client->waited[i].cancelled)
			return true;
	return false;
}

static bool is_woken(const struct sleep *sleep, struct actor *actor)
{
	if (sleep->until == 0 || sleep->until <= world.now)
		return true;
	for (unsigned i = 0; i < sleep->count; i++)
		if (sleep->fds[i].fd >= 0 &&
		    (fd_ready(actor, sleep->fds[i].fd) &
			((unsigned short)sleep->fds[i].events | POLLERR | POLLHUP | POLLNVAL)) != 0)
			return true;
	return false;
}

bool client_is_runnable(int i)
{
	if (clients[i].over)
		return false;
	if (clients[i].waiter == NULL)
		return true;
	return waits(&clients[i]) && is_woken(&sleeps[i], &world.actors[i]);
}

/* After an error, a caller can only free the waiter. */
static void give_up(struct client *client, const char *what)
{
	STORY("gives up: %s: %s", what, strerror(errno));
	if (errno != EMFILE || faults.odds[FAULT_FD_REFUSED] == 0)
		fail("%s: %s", what, strerror(errno));
	readyd_waiter_free(client->waiter);
	client->waiter = NULL;
	client->over = true;
	for (unsigned i = 0; i < client->count; i++)
		client->waited[i].cancelled = true;
}

/* Like a caller with an event loop, which is woken by the descriptor. */
static int sleep_on_descriptor(struct client *client, int i)
{
	int fd = readyd_waiter_fd(client->waiter);

	if (fd < 0)
		return -1;
	sleeps[i] = (struct sleep){.fds = {{.fd = fd, .events = POLLIN}}, .count = 1, .until = INT64_MAX};
	return 0;
}

static void take_answers(struct client *client, int i)
{
	struct readyd_answer answer = READYD_ANSWER_INIT;
	int got;

	while ((got = readyd_waiter_next(client->waiter, &answer)) == 1) {
		history_check(i, find(client, answer.pid), &answer);
		if (answer.verdict == READYD_STALE && !(client->options.flags & READYD_OPTION_FAIL_STALE))
			fail("a stale marker of %d ends the wait of client %d", answer.pid, i);
	}
	if (got < 0)
		give_up(client, "readyd_waiter_next");
}

void client_step(int i)
{
	struct client *client = &clients[i];

	if (client->over)
		return;
	world.current = &world.actors[i];
	if (client->waiter == NULL) {
		start(client);
	} else if ((client->by_descriptor ? sleep_on_descriptor(client, i)
					  : readyd_waiter_sleep(client->waiter, -1)) != 0) {
		give_up(client, "readyd_waiter_sleep");
	} else {
		take_answers(client, i);
	}
	world.current = NULL;
}

void client_change(int i)
{
	struct client *client = &clients[i];
	pid_t pid = SIM_FIRST_PID + (pid_t)dice_below(world.pid_count);
	struct waited *waited;

	if (client->waiter == NULL)
		return;
	world.current = &world.actors[i];
	waited = find(client, pid);
	if (waited == NULL) {
		add(client, pid);
	} else {
		STORY("does not wait for %d any longer", pid);
		waited->cancelled = true;
		if (readyd_waiter_cancel_exact(
			client->waiter, pid, waited->meant ? world.lives[waited->life].start : 0) != 0)
			give_up(client, "readyd_waiter_cancel");
	}
	sleeps[i].until = 0;
	world.current = NULL;
}

void client_add(int i, pid_t pid)
{
	/* With READYD_OPTION_AWAIT_START, it would wait for the next process if this one ended first. */
	if (clients[i].over || clients[i].waiter == NULL ||
	    (clients[i].options.flags & READYD_OPTION_AWAIT_START) != 0)
		return;
	world.current = &world.actors[i];
	add(&clients[i], pid);
	sleeps[i].until = 0;
	world.current = NULL;
}

int64_t client_next_ns(int i)
{
	const struct actor *actor = &world.actors[i];
	int64_t next = sleeps[i].until;

	if (clients[i].waiter == NULL || !waits(&clients[i]))
		return INT64_MAX;
	/* An epoll instance contains the timer. */
	for (int fd = 0; sleeps[i].until == INT64_MAX && fd < SIM_FDS; fd++)
		if (actor->fds[fd].kind == FD_TIMER && world.timers[actor->fds[fd].index].at != 0 &&
		    world.timers[actor->fds[fd].index].at < next)
			next = world.timers[actor->fds[fd].index].at;
	return next;
}

bool clients_await_start(void)
{
	for (unsigned i = 0; i < client_count; i++)
		if ((clients[i].options.flags & READYD_OPTION_AWAIT_START) != 0)
			return true;
	return false;
}

/* Whether one of its waits can still be answered. */
static bool is_undecided(const struct client *client)
{
	const struct waited *waited;
	const struct life *life;

	for (unsigned i = 0; i < client->count; i++) {
		waited = &client->waited[i];
		life = waited->life == SIM_NONE ? world_life_of(waited->pid) : &world.lives[waited->life];
		if (!waited->told && !waited->cancelled && !history_is_unbound(waited) &&
		    (life == NULL || !is_unclear(life)))
			return true;
	}
	return false;
}

bool clients_wait(void)
{
	for (unsigned i = 0; i < client_count; i++)
		if (!clients[i].over && (clients[i].waiter == NULL || is_undecided(&clients[i])))
			return true;
	return false;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Since when a wait for it could have ended; 0: it cannot yet. A marker that may look stale counts from when
 * it is written again. */
static int64_t told_from(const struct life *life, int64_t calm_since)
{
	const struct sim_marker *marker = &world_dir()->markers[world_pid_index(life->pid)];

	if (!history_may_look_stale(life))
		return life->due;
	if (marker->arrived > calm_since && !marker->same_stamp)
		return later(life->due, marker->arrived);
	return life->alive ? 0 : later(life->due, life->died);
}

/* Since when the answer was possible; 0: it is not yet. Without a pidfd, two lives with the same start are
 * one. */
static int64_t due_since(const struct waited *waited, int64_t calm_since)
{
	const struct life *life = waited->life == SIM_NONE ? NULL : &world.lives[waited->life];
	int64_t due =
	    later(later(calm_since, waited->added), world.hidden_until[world_pid_index(waited->pid)]);

	if (history_is_unbound(waited))
		return 0;
	for (int i = waited->life; life != NULL && i < world.life_count; i++) {
		const struct life *twin = &world.lives[i];

		if (twin->pid != life->pid || twin->start != life->start)
			continue;
		if (twin->due == 0 || is_unclear(twin) || told_from(twin, calm_since) == 0)
			return 0;
		due = later(due, told_from(twin, calm_since));
		if (!twin->alive && world.clock_was_set)
			due = later(due, twin->died);
	}
	return life == NULL ? 0 : due;
}

/* A marker that is rewritten in place raises no event. */
static bool is_in_place(const struct waited *waited)
{
	return world_dir()->markers[world_pid_index(waited->pid)].in_place ||
	       (waited->life != SIM_NONE && world.lives[waited->life].due_in_place);
}

int64_t clients_latest_ns(int64_t calm_since, int64_t due_from, pid_t *pid)
{
	int64_t latest = 0, due;

	for (unsigned i = 0; i < client_count; i++)
		for (unsigned n = 0; clients[i].waiter != NULL && n < clients[i].count; n++) {
			const struct waited *waited = &clients[i].waited[n];

			due = waited->told || waited->cancelled ? 0 : due_since(waited, calm_since);
			if (due_from != 0 && due != 0 && is_in_place(waited))
				due += IN_PLACE_MS * NS_PER_MS;
			/* A start raises no event. */
			if (due_from != 0 && due != 0 &&
			    (clients[i].options.flags & READYD_OPTION_AWAIT_START) != 0)
				due += AWAIT_START_MS * NS_PER_MS;
			/* Without an event, it looks by itself in its own time. */
			if (due_from != 0 && faults.odds[FAULT_SILENT] > 0 &&
			    clients[i].options.backend == READYD_BACKEND_FILE)
				continue;
			if (due < due_from || due == 0 || world.now - due < latest)
				continue;
			latest = world.now - due;
			*pid = waited->pid;
		}
	return latest;
}

void clients_end(void)
{
	for (unsigned i = 0; i < client_count; i++) {
		world.current = &world.actors[i];
		readyd_waiter_free(clients[i].waiter);
		clients[i].waiter = NULL;
		clients[i].over = true;
		if (world.actors[i].open > 0)
			fail("client %u leaves %u descriptors behind", i, world.actors[i].open);
	}
	world.current = NULL;
}
