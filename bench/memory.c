/* Memory and descriptors of a server for its waiters. A fresh server is started for each case. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/adapter.h"
#include "bench/tree.h"
#include "bench/measures.h"
#include "bench/sleeper.h"
#include "bench/wire.h"

#define GATES 500
/* Descriptors that the bench needs for itself. */
#define SPARE_DESCRIPTORS 100

/* KiB, from /proc/<pid>/smaps_rollup. */
static long smaps_kib(pid_t pid, const char *what)
{
	char path[64], line[256];
	long value = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/smaps_rollup", (long)pid);
	file = fopen(path, "re");
	if (file == NULL)
		fail_errno("%s", path);
	while (value < 0 && fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, what, strlen(what)) == 0)
			value = atol(line + strlen(what));
	fclose(file);
	if (value < 0)
		fail("%s: no %s", path, what);
	return value;
}

static void print_server(enum server_kind kind, const char *holding, int count)
{
	pid_t pid = server_pid(kind);

	/* Gives the server time for deferred work. */
	sleep_us(200000);
	printf("%s,%s,%d,%ld,%ld,%d\n", server_name(pid), holding, count, smaps_kib(pid, "Rss:"),
	    smaps_kib(pid, "Private_Dirty:"), descriptors_of(pid, ""));
}

static void measure_idle(const struct bench *bench)
{
	for (int kind = SERVER_READYD; kind < SERVER_KINDS; kind++) {
		server_start(bench, (enum server_kind)kind);
		print_server((enum server_kind)kind, "idle", 0);
		server_stop((enum server_kind)kind);
	}
}

/* A gate for each of many processes. */
static void measure_gates(const struct bench *bench)
{
	static pid_t pids[GATES];
	static int gates[GATES];
	struct client client;

	server_start(bench, SERVER_READYD);
	client_open(&client, server_socket(bench, SERVER_READYD));
	for (int i = 0; i < GATES; i++) {
		pids[i] = sleeper_start();
		gates[i] = wire_gate(&client, pids[i]);
	}
	client_close(&client);
	/* The daemon keeps the read end of a gate open for two seconds, for the next waiter. */
	sleep_us(2500000);
	print_server(SERVER_READYD, "gates", GATES);
	for (int i = 0; i < GATES; i++) {
		close(gates[i]);
		sleeper_kill(pids[i]);
	}
	server_stop(SERVER_READYD);
}

/* Reduces the number to what the descriptor limit allows, which the server inherits. */
static int limit_waiters(int wanted)
{
	long max = sysconf(_SC_OPEN_MAX) - SPARE_DESCRIPTORS;

	if (max >= wanted)
		return wanted;
	left_out("%d waiters: the descriptor limit is %ld", wanted, sysconf(_SC_OPEN_MAX));
	return (int)max;
}

/* The waiter closes its connection and keeps the gate. */
static void hold_gate(const struct bench *bench, pid_t pid, int *fd)
{
	struct client client;

	client_open(&client, server_socket(bench, SERVER_READYD));
	*fd = wire_gate(&client, pid);
	client_close(&client);
}

static void hold_wait(const struct bench *bench, pid_t pid, int *fd)
{
	struct client client;

	client_open(&client, server_socket(bench, SERVER_READYD));
	wire_wait(&client, pid);
	wire_ping(&client);
	*fd = client.fd;
}

static void hold_subscription(const struct bench *bench, pid_t pid, int *fd)
{
	struct client client;
	char text[64];

	client_open(&client, server_socket(bench, SERVER_REDIS));
	client_send(
	    &client, text, (size_t)snprintf(text, sizeof(text), "SUBSCRIBE ready:%ld\r\n", (long)pid));
	client_expect(&client, "*3");
	*fd = client.fd;
}

static void hold_connection(const struct bench *bench, pid_t pid, int *fd)
{
	struct client client;

	client_open(&client, server_socket(bench, SERVER_MEMCACHED));
	(void)adapter_query(&adapter_memcached, &client, pid);
	*fd = client.fd;
}

/* Prints two rows, so that tables.sh can subtract what the server allocates only once. */
static void measure_waiters(const struct bench *bench, enum server_kind kind, const char *holding,
    void (*hold)(const struct bench *bench, pid_t pid, int *fd))
{
	int count = limit_waiters(bench->many), *fds = calloc((size_t)count, sizeof(*fds));
	pid_t pid = sleeper_start();

	if (fds == NULL)
		fail_errno("memory");
	server_start(bench, kind);
	for (int i = 0; i < count; i++) {
		if (i == count / 10)
			print_server(kind, holding, i);
		hold(bench, pid, &fds[i]);
	}
	print_server(kind, holding, count);
	for (int i = 0; i < count; i++)
		close(fds[i]);
	server_stop(kind);
	sleeper_kill(pid);
	free(fds);
}

void measure_memory(const struct bench *bench)
{
	printf("server,holding,count,rss_kib,private_kib,descriptors\n");
	measure_idle(bench);
	measure_gates(bench);
	measure_waiters(bench, SERVER_READYD, "gate-waiters", hold_gate);
	measure_waiters(bench, SERVER_READYD, "text-waiters", hold_wait);
	measure_waiters(bench, SERVER_REDIS, "subscribers", hold_subscription);
	measure_waiters(bench, SERVER_MEMCACHED, "connections", hold_connection);
}
