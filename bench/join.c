/* Joining: how long it takes to begin a wait, from nothing until the marker can no longer be missed. */
#include "config.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/adapter.h"
#include "bench/measures.h"
#include "bench/sleeper.h"
#include "bench/wire.h"
#include "client/lib/waiter.h"
#include "readyd/readyd.h"

#define JOINS_PER_TURN 20

static struct readyd_waiter *joined;

/* A wait with libreadyd, until it holds the gate, which only the library itself tells without a check. */
static void join_by_library(const struct bench *bench, pid_t pid)
{
	const struct readyd_options options = {
	    .size = sizeof(options), .socket = server_socket(bench, SERVER_READYD), .dir = bench->markers};
	struct readyd_answer answer = READYD_ANSWER_INIT;
	struct pollfd poll_fd = {.events = POLLIN};

	joined = readyd_waiter_new(&options);
	if (joined == NULL || readyd_waiter_add(joined, pid) != 0)
		fail_errno("readyd_waiter_add");
	poll_fd.fd = readyd_waiter_fd(joined);
	do {
		if (poll(&poll_fd, 1, -1) != 1 || readyd_waiter_next(joined, &answer) != 0)
			fail("a wait for a process that is not ready has ended");
	} while (joined->set.tally[TARGET_WAITING][SUBSCRIPTION_GATE] == 0);
}

static void leave_by_library(void)
{
	readyd_waiter_free(joined);
}

static void join_by_gate(const struct bench *bench, pid_t pid)
{
	struct client client;

	client_open(&client, server_socket(bench, SERVER_READYD));
	close(wire_gate(&client, pid));
	client_close(&client);
}

static void join_by_watch(const struct bench *bench, pid_t pid)
{
	char path[BENCH_PATH_SIZE + 64];
	struct stat st;
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd < 0 || inotify_add_watch(fd, bench->markers, IN_CREATE | IN_MOVED_TO) < 0 ||
	    lstat(sleeper_marker_path(bench, pid, path), &st) == 0)
		fail_errno("inotify");
	close(fd);
}

static void join_redis(const struct bench *bench, pid_t pid)
{
	struct client client;
	char text[64];

	client_open(&client, server_socket(bench, SERVER_REDIS));
	client_send(
	    &client, text, (size_t)snprintf(text, sizeof(text), "SUBSCRIBE ready:%ld\r\n", (long)pid));
	client_expect(&client, "*3");
	for (int i = 0; i < 5; i++)
		(void)client_line(&client);
	client_close(&client);
}

static void join_memcached(const struct bench *bench, pid_t pid)
{
	struct client client;

	client_open(&client, server_socket(bench, SERVER_MEMCACHED));
	if (adapter_query(&adapter_memcached, &client, pid))
		fail("memcached has a key that was never set");
	client_close(&client);
}

static struct method {
	const char *name;
	void (*join)(const struct bench *bench, pid_t pid);
	void (*leave)(void); /* NULL: nothing is left to do */
	enum server_kind server;
	struct samples cost;
} methods[] = {
    {"readyd (libreadyd)", join_by_library, leave_by_library, SERVER_READYD, {0}},
    {"readyd (GATE by hand)", join_by_gate, NULL, SERVER_READYD, {0}},
    {"inotify", join_by_watch, NULL, SERVER_NONE, {0}},
    {"redis SUBSCRIBE", join_redis, NULL, SERVER_REDIS, {0}},
    {"memcached get", join_memcached, NULL, SERVER_MEMCACHED, {0}},
};
enum { METHODS = sizeof(methods) / sizeof(methods[0]) };

static void time_methods(const struct bench *bench, pid_t pid)
{
	int64_t began;

	for (int i = 0; i < JOINS_PER_TURN; i++)
		for (int m = 0; m < METHODS; m++) {
			if (!server_is_installed(methods[m].server))
				continue;
			began = now_ns();
			methods[m].join(bench, pid);
			samples_add(&methods[m].cost, now_ns() - began);
			if (methods[m].leave != NULL)
				methods[m].leave();
		}
}

/* Returns the nanoseconds for all of them. */
static int64_t time_gates(struct client *client, pid_t pid, int count)
{
	int64_t began = now_ns();

	for (int i = 0; i < count; i++)
		close(wire_gate(client, pid));
	return now_ns() - began;
}

static int64_t time_waits(struct client *client, pid_t pid, int count)
{
	int64_t began = now_ns();

	for (int i = 0; i < count; i++)
		wire_wait(client, pid);
	wire_ping(client);
	return now_ns() - began;
}

static void time_in_a_row(const struct bench *bench, pid_t pid)
{
	struct client client;

	client_open(&client, server_socket(bench, SERVER_READYD));
	printf("readyd GATE in a row,%d,%.2f,\n", bench->many,
	    (double)time_gates(&client, pid, bench->many) / bench->many / 1e3);
	printf("readyd WAIT in a row,%d,%.2f,\n", bench->many,
	    (double)time_waits(&client, pid, bench->many) / bench->many / 1e3);
	client_close(&client);
}

void measure_join(const struct bench *bench)
{
	pid_t pid = sleeper_start();

	for (int m = 0; m < METHODS; m++)
		if (server_is_installed(methods[m].server))
			server_start(bench, methods[m].server);
	for (int turn = 0; turn < bench->rounds && (turn == 0 || now_ns() < bench->until_ns); turn++)
		time_methods(bench, pid);
	printf("join,count,cost_us,p99_us\n");
	for (int m = 0; m < METHODS; m++)
		if (methods[m].cost.count > 0)
			printf("%s,%zu,%.1f,%.1f\n", methods[m].name, methods[m].cost.count,
			    (double)samples_quantile(&methods[m].cost, 0.5) / 1e3,
			    (double)samples_quantile(&methods[m].cost, 0.99) / 1e3);
	time_in_a_row(bench, pid);
	sleeper_kill(pid);
}
