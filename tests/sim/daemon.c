/* The daemon: the real server, with a listener in memory. */
#include "config.h"

/* NOLINTNEXTLINE(bugprone-suspicious-include): to reach into struct server for what is left over */
#include "daemon/server.c"

#include "tests/sim/actors.h"
#include "tests/sim/beliefs.h"
#include "tests/sim/loop.h"
#include "tests/sim/faults.h"
#include "tests/sim/history.h"
#include "tests/sim/world.h"

#define FIRST_PID 50

/* daemon/listener.h */
struct listener {
	void (*on_accepted)(int fd, void *context);
	void *context;
	struct listener_counts counts;
};

static struct server *server;
static struct listener listener;
static bool frozen;
static uint64_t cpu_time;
static struct server_config config = {.place = {.dir = SIM_DIR, .prefix = SIM_PREFIX},
    .socket = SIM_SOCKET,
    .spawner = -1,
    .max_clients = 64,
    .max_waits = 64};

static struct actor *self(void)
{
	return &world.actors[SIM_DAEMON];
}

/* Connections that were not accepted are reset. */
static void stop_listening(void)
{
	world.listening = false;
	while (world.backlog_len > 0)
		stream_close(&world.streams[world.backlog[--world.backlog_len]], 1);
}

struct listener *listener_new(struct loop *loop, const struct listener_config *where,
    void (*take)(int fd, void *context), void *context)
{
	(void)loop;
	(void)where;
	listener = (struct listener){.on_accepted = take, .context = context};
	world.listening = !self()->dead;
	return &listener;
}

void listener_check(struct listener *l)
{
	(void)l;
}

void listener_free(struct listener *l)
{
	(void)l;
	if (!self()->dead)
		stop_listening();
}

struct listener_counts listener_counts(const struct listener *l)
{
	return l->counts;
}

static void accept_one(void)
{
	int stream = world.backlog[0], fd;

	fd = fd_new(self(), FD_STREAM, stream, 1);
	if (fd < 0)
		return;
	for (unsigned i = 1; i < world.backlog_len; i++)
		world.backlog[i - 1] = world.backlog[i];
	world.backlog_len--;
	listener.on_accepted(fd, listener.context);
}

bool daemon_lives(void)
{
	return server != NULL && !self()->dead;
}

bool daemon_is_frozen(void)
{
	return frozen;
}

static void free_server(void)
{
	struct server *old = server;

	server = NULL;
	world.current = self();
	tear_down(old);
	xalloc_free(old);
	world.current = NULL;
}

/* Frees the memory of a killed daemon. */
static void reap(void)
{
	if (server != NULL && self()->dead)
		free_server();
}

void daemon_start(void)
{
	static pid_t pids;

	reap();
	actor_start(self(), SIM_DAEMON, FIRST_PID + pids++ % 40, 0);
	STORY("the daemon starts");
	world_forget_sights();
	frozen = false;
	world.current = self();
	server = xalloc_new(sizeof(*server));
	server->config = &config;
	server->loop = loop_new();
	wire_up(server);
	world.clock_sets_noted = world.clock_sets;
	world.clock_is_followed = !world.clock_was_set && server->clockwatch.fd >= 0;
	server->listener = listener_new(server->loop, NULL, on_accepted, server);
	world.current = NULL;
}

void daemon_kill(void)
{
	if (!daemon_lives())
		return;
	STORY("the daemon is killed");
	stop_listening();
	actor_kill(self());
	frozen = false;
}

void daemon_stop(void)
{
	if (!daemon_lives() || frozen)
		return;
	STORY("the daemon stops");
	free_server();
	if (self()->open > 0 && !self()->dead)
		fail("the daemon leaves %u descriptors behind", self()->open);
	self()->dead = true;
}

void daemon_freeze(bool freeze)
{
	if (!daemon_lives() || freeze == frozen)
		return;
	STORY("the daemon is %s", freeze ? "frozen" : "thawed");
	frozen = freeze;
}

bool daemon_is_runnable(void)
{
	reap();
	return daemon_lives() && !frozen && (world.backlog_len > 0 || loop_is_due());
}

void daemon_step(void)
{
	reap();
	if (!daemon_lives() || frozen)
		return;
	cpu_time++;
	world.current = self();
	while (world.backlog_len > 0 && !self()->dead && !fault(FAULT_FD_REFUSED))
		accept_one();
	loop_pass();
	if (!self()->dead)
		beliefs_check(server->tracker.registry);
	world.current = NULL;
	reap();
}

int64_t daemon_next_ns(void)
{
	return daemon_lives() && !frozen ? loop_next_ns() : INT64_MAX;
}

uint64_t daemon_cpu_time(pid_t pid)
{
	return daemon_lives() && !frozen && self()->pid == pid ? cpu_time : 0;
}

static unsigned count_fds(enum fd_kind kind)
{
	unsigned count = 0;

	for (int fd = 0; fd < SIM_FDS; fd++)
		count += self()->fds[fd].kind == kind;
	return count;
}

/* Called when no client is left and no process lives. */
void daemon_check_leaks(void)
{
	struct registry_counts counts;

	reap();
	if (server == NULL)
		return;
	registry_count(server->tracker.registry, &counts);
	if (server->connections.count > 0 || count_fds(FD_STREAM) > 0)
		fail("the daemon keeps %zu connections", server->connections.count);
	else if (counts.waits > 0 || counts.waited > 0)
		fail("the daemon keeps %zu waits", counts.waits);
	else if (server->gates.count > 0 || count_fds(FD_PIPE_READ) + count_fds(FD_PIPE_WRITE) > 0)
		fail("the daemon keeps %zu gates", server->gates.count);
	else if (counts.entries > 0)
		fail("the daemon keeps %zu entries", counts.entries);
	else if (count_fds(FD_PIDFD) > counts.idle)
		fail("the daemon keeps %u pidfds", count_fds(FD_PIDFD));
}

void daemon_end(void)
{
	daemon_freeze(false);
	daemon_stop();
	reap();
}
