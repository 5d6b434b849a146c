#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/account.h"
#include "daemon/clockwatch.h"
#include "daemon/discard.h"
#include "daemon/gate.h"
#include "daemon/hidepid.h"
#include "daemon/hints.h"
#include "daemon/listener.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/xalloc.h"
#include "daemon/monitors.h"
#include "daemon/quota.h"
#include "daemon/requests.h"
#include "daemon/rights.h"
#include "daemon/sandbox.h"
#include "daemon/scouts.h"
#include "daemon/server.h"
#include "daemon/connection.h"
#include "daemon/supervisor.h"
#include "daemon/sweep.h"
#include "daemon/watch.h"
#include "daemon/tracker.h"
#include "src/clock.h"
#include "src/dirwatch.h"
#include "src/procfs.h"
#include "src/sock.h"

#define MOUNTINFO "/proc/self/mountinfo"

struct server {
	const struct server_config *config;
	struct loop *loop;
	struct tracker tracker;
	struct hints hints;
	struct gates gates;
	struct monitors monitors;
	struct quota quota;
	struct requests requests;
	struct connection_pool connections;
	struct dirwatch dirs;
	struct scouts *scouts;
	struct watch *watch;
	struct clockwatch clockwatch;
	struct listener *listener;
	struct supervisor *supervisor; /* NULL until the daemon serves */
	struct sweep sweep;
	struct loop_signal *sigterm, *sigint, *sighup;
	size_t refused;
	int64_t started;
};

static void on_marker(pid_t pid, const struct arrival *arrival, void *context)
{
	struct server *server = context;

	/* A scan is sliced by itself. */
	if (arrival == NULL)
		tracker_marker_seen(&server->tracker, pid, NULL);
	else
		hints_seen(&server->hints, pid, arrival);
	sweep_wake(&server->sweep);
}

static void on_written(pid_t ns_pid, uint64_t position, void *context)
{
	struct server *server = context;

	hints_written(&server->hints, ns_pid, position);
	sweep_wake(&server->sweep);
}

static void on_name(pid_t ns_pid, void *context)
{
	struct server *server = context;

	tracker_name_seen(&server->tracker, ns_pid);
	sweep_wake(&server->sweep);
}

static void on_extra(int wd, pid_t ns_pid, void *context)
{
	struct server *server = context;

	tracker_extra_seen(&server->tracker, wd, ns_pid);
	sweep_wake(&server->sweep);
}

static void on_tick(bool trusts, void *context)
{
	struct server *server = context;

	sweep_tick(&server->sweep, trusts);
}

static void on_late_view(pid_t pid, void *context)
{
	struct server *server = context;
	struct registry_entry *entry = registry_find(server->tracker.registry, pid);

	if (entry != NULL)
		tracker_recheck(&server->tracker, entry);
}

static void on_rescan(void *context)
{
	struct server *server = context;

	sweep_begin(&server->sweep);
}

static bool has_waits(void *context)
{
	struct server *server = context;

	return registry_is_waited(server->tracker.registry) || server->monitors.count > 0;
}

static void on_first_wait(void *context)
{
	struct server *server = context;

	watch_start_ticking(server->watch);
	if (server->supervisor != NULL)
		supervisor_first_wait(server->supervisor);
}

static void on_first_monitor(void *context)
{
	struct server *server = context;

	watch_start_ticking(server->watch);
}

static void on_behind(void *context)
{
	struct server *server = context;

	watch_on_behind(server->watch);
}

static void on_hints_lost(void *context)
{
	struct server *server = context;

	watch_refresh(server->watch);
}

static void on_environment_changed(void *context)
{
	struct server *server = context;

	server->requests.hides = server->monitors.hides = hidepid_hides(MOUNTINFO);
	if (server->listener != NULL)
		listener_check(server->listener);
}

static void on_accepted(int fd, void *context)
{
	struct server *server = context;
	const struct server_config *config = server->config;
	struct ucred peer = {.uid = (uid_t)-1};
	struct connection *connection;
	socklen_t len = sizeof(peer);
	char line[WIRE_REPLY_MAX];

	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	connection = connection_new(&server->connections, fd, peer.uid);
	if (connection != NULL) {
		connection->is_trusted =
		    config->has_trusted_group && account_peer_has_group(fd, config->trusted_group);
		return;
	}
	if (server->refused++ == 0)
		log_warning(
		    "too many clients, refusing more; see --max-clients (%zu, half of it for one user)",
		    config->max_clients);
	(void)send(fd, line, wire_write_error(line, sizeof(line), WIRE_TOO_MANY_CLIENTS, 0),
	    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sock_refuses_fds(fd))
		close(fd);
	else
		discard_unread(server->loop, fd);
}

static void write_stats(char *buf, size_t size, void *context)
{
	struct server *server = context;
	const struct watch_counts *watch = watch_counts(server->watch);
	const struct listener_counts *listener = listener_counts(server->listener);
	const struct scouts_counts scouts = scouts_count(server->scouts);
	struct registry_counts registry;
	char rights[24];

	registry_count(server->tracker.registry, &registry);
	snprintf(buf, size,
	    "version=%s pid=%ld uptime_ms=%" PRId64 " clients=%zu refused=%zu dropped=%" PRIu64
	    " accept_pauses=%" PRIu64 " rebinds=%" PRIu64
	    " processes=%zu waited=%zu waits=%zu gates=%zu handed_out=%" PRIu64
	    " monitors=%zu remembered=%zu leftovers=%zu"
	    " requests=%" PRIu64 " looks=%" PRIu64 " settled=%" PRIu64 " events=%" PRIu64
	    " overflows=%" PRIu64 " scans=%" PRIu64 " ticks=%" PRIu64 " sweeps=%" PRIu64
	    " polled=%zu watching=%d procfs=%s"
	    " scouts=%zu scouts_stuck=%zu sandbox=%s rights=%s",
	    PACKAGE_VERSION, (long)getpid(), clock_ms() - server->started, server->connections.count,
	    server->refused, server->connections.dropped, listener->pauses, listener->rebinds,
	    registry.entries, registry.waited, registry.waits - server->gates.count, server->gates.count,
	    server->gates.handed_out, server->monitors.count, registry.tombstones,
	    sightings_count(&server->tracker.leftovers.sightings), server->requests.handled,
	    server->tracker.looks, server->tracker.settled, watch->events, watch->overflows, watch->scans,
	    watch->ticks, server->sweep.count, registry.polled, !watch->polling, procfs_word(), scouts.scouts,
	    scouts.stuck, sandbox_word(), rights_words(rights, sizeof(rights)));
}

static void count_for_status(struct supervisor_numbers *numbers, void *context)
{
	struct server *server = context;
	struct registry_counts registry;

	registry_count(server->tracker.registry, &registry);
	*numbers = (struct supervisor_numbers){registry.waited, server->connections.count};
}

static void on_stop(int signal, void *context)
{
	struct server *server = context;

	log_info("stopping on %s", signal == SIGTERM ? "SIGTERM" : "SIGINT");
	loop_stop(server->loop);
}

static void on_hangup(int signal, void *context)
{
	struct server *server = context;

	(void)signal;
	log_info("SIGHUP: rechecking everything");
	watch_refresh(server->watch);
	on_environment_changed(server);
	if (server->supervisor != NULL)
		supervisor_reloaded(server->supervisor);
}

static uint64_t random_epoch(void)
{
	uint64_t epoch;

	/* Early in a guest's life there may be no randomness yet; the clock distinguishes runs as well. */
	if (getrandom(&epoch, sizeof(epoch), GRND_NONBLOCK) != sizeof(epoch))
		epoch = (uint64_t)clock_ms() << 20 | (uint64_t)getpid();
	return epoch >> 1;
}

static void wire_up(struct server *server)
{
	const struct server_config *config = server->config;
	const struct connection_hooks connection_hooks = {requests_on_line, requests_on_resume,
	    requests_close_some, requests_on_closing, requests_on_drained};
	const struct watch_hooks watch_hooks = {
	    on_marker, on_written, on_name, on_extra, on_tick, on_rescan, on_environment_changed, has_waits};
	const struct scouts_config scouts = {
	    &config->place, &server->dirs, config->spawner, config->spawner_pid, on_late_view, server};
	struct rlimit files = {1024, 1024};

	(void)getrlimit(RLIMIT_NOFILE, &files);
	quota_init(&server->quota, geteuid(),
	    &(struct quota_config){files.rlim_cur, config->max_clients, config->max_waits});
	server->started = clock_ms();
	sweep_init(&server->sweep, server->loop, &server->tracker);
	dirwatch_init(&server->dirs, &config->place, on_behind, server);
	server->dirs.reports_writes = true;
	/* With an end that is too early, a leftover is only forgotten sooner. */
	server->dirs.counts_once = true;
	server->scouts = scouts_new(server->loop, &scouts);
	tracker_init(&server->tracker, server->loop, &config->place, &server->dirs, server->scouts,
	    &server->quota, on_first_wait, server);
	clockwatch_init(&server->clockwatch, server->loop, &server->tracker.checker.clock, on_rescan, server);
	hints_init(&server->hints, server->loop, &server->tracker, on_hints_lost, server);
	gates_init(&server->gates, server->loop, &server->tracker);
	monitors_init(
	    &server->monitors, server->loop, &server->tracker, random_epoch(), on_first_monitor, server);
	server->monitors.hides = hidepid_hides(MOUNTINFO);
	server->requests = (struct requests){.loop = server->loop,
	    .tracker = &server->tracker,
	    .gates = &server->gates,
	    .monitors = &server->monitors,
	    .place = &config->place,
	    .epoch = server->monitors.epoch,
	    .hides = server->monitors.hides,
	    .quota = &server->quota,
	    .waits_per_client = config->max_waits,
	    .stats = write_stats,
	    .context = server};
	connection_pool_init(&server->connections, server->loop, &connection_hooks, &server->requests,
	    &server->quota, QUOTA_OUTPUT_OF_CLIENT);
	server->sigterm = loop_signal_new(server->loop, SIGTERM, on_stop, server);
	server->sigint = loop_signal_new(server->loop, SIGINT, on_stop, server);
	server->sighup = loop_signal_new(server->loop, SIGHUP, on_hangup, server);
	server->watch = watch_new(server->loop, &config->place, &server->dirs, &watch_hooks, server);
}

/* Blocks the signals, so that a second one finds the daemon already stopping and does not kill it. */
static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* The listener first, so that no new client comes; then every waiter is woken by its gate or connection. */
static void tear_down(struct server *server)
{
	block_signals();
	if (server->listener != NULL)
		listener_free(server->listener);
	connection_pool_fini(&server->connections);
	gates_fini(&server->gates);
	monitors_fini(&server->monitors);
	hints_fini(&server->hints);
	tracker_fini(&server->tracker);
	quota_fini(&server->quota);
	scouts_free(server->scouts);
	watch_free(server->watch);
	clockwatch_fini(&server->clockwatch);
	sweep_fini(&server->sweep);
	loop_signal_free(server->sigterm);
	loop_signal_free(server->sigint);
	loop_signal_free(server->sighup);
	loop_free(server->loop);
}

int server_run(const struct server_config *config)
{
	const struct listener_config where = {
	    config->socket, config->socket_mode, config->account.group, config->inherited};
	struct server *server = xalloc_new(sizeof(*server));
	int result = -1;

	server->config = config;
	server->loop = loop_new();
	if (server->loop == NULL) {
		log_error("cannot create an event loop: %s", strerror(errno));
		xalloc_free(server);
		return -1;
	}
	wire_up(server);
	server->listener = listener_new(server->loop, &where, on_accepted, server);
	if (server->listener != NULL) {
		log_info("serving %s for %s/%s* (pid %ld, libevent %s with %s)",
		    config->inherited >= 0 ? "the inherited socket" : config->socket, config->place.dir,
		    config->place.prefix, (long)getpid(), loop_version(), loop_method(server->loop));
		server->supervisor =
		    supervisor_ready(server->loop, config->ready_fd, count_for_status, server);
		result = loop_run(server->loop);
		if (result < 0)
			log_error("the event loop has failed: %s", strerror(errno));
		supervisor_stopping(server->supervisor);
	}
	tear_down(server);
	xalloc_free(server);
	return result < 0 ? -1 : 0;
}
