/* Memory and descriptors of a server for its waiters. A fresh server is started for each case. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/adapter.h"
#include "bench/counters.h"
#include "bench/tree.h"
#include "bench/measures.h"
#include "bench/sleeper.h"
#include "bench/wire.h"

#define GATES	500
#define GATE_MS 2500
/* Descriptors that the bench needs for itself. */
#define SPARE_DESCRIPTORS 100

/* KiB, from /proc/<pid>/smaps_rollup; -1 if this kernel has no such line. */
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
	return value;
}

struct use {
	long rss, own;
	int descriptors;
};

/* Own memory is what no file can give back. A page that several processes of a server share counts in each as
 * its part of it, so that it counts once in their sum. Linux before 5.9 tells less. */
static void add_use(pid_t pid, struct use *use)
{
	long own = smaps_kib(pid, "Pss_Anon:");

	use->rss += smaps_kib(pid, "Rss:");
	use->own += own >= 0 ? own : smaps_kib(pid, "Private_Dirty:");
	use->descriptors += descriptors_of(pid, "");
}

static void print_use(const char *name, const char *holding, int count, const struct use *use)
{
	printf("%s,%s,%d,%ld,%ld,%d\n", name, holding, count, use->rss, use->own, use->descriptors);
}

/* "readyd:readyd-spawner", by the names that the processes have given themselves. */
static void print_process(pid_t pid, const char *server, const char *holding, int count)
{
	char path[64], comm[32] = "", name[64];
	struct use use = {0};
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/comm", (long)pid);
	file = fopen(path, "re");
	if (file == NULL || fscanf(file, "%31s", comm) != 1)
		fail_errno("%s", path);
	fclose(file);
	snprintf(name, sizeof(name), "%s:%s", server, comm);
	add_use(pid, &use);
	print_use(name, holding, count, &use);
}

/* A row for the server, then one for each of its processes if there are several. */
static void print_server(enum server_kind kind, const char *holding, int count)
{
	const pid_t pid = server_pid(kind);
	struct tree tree = {0};
	struct use all = {0};

	/* Gives the server time for deferred work. */
	sleep_us(200000);
	tree_scan_below(&tree, pid);
	tree_add(&tree, pid);
	for (size_t i = 0; i < tree.count; i++)
		add_use(tree.pids[i], &all);
	print_use(server_name(pid), holding, count, &all);
	for (size_t i = 0; tree.count > 1 && i < tree.count; i++)
		print_process(tree.pids[i], server_name(pid), holding, count);
	tree_fini(&tree);
}

static void measure_alone(const struct bench *bench)
{
	for (int kind = SERVER_READYD; kind < SERVER_KINDS; kind++) {
		if (!server_is_installed((enum server_kind)kind))
			continue;
		server_start(bench, (enum server_kind)kind);
		print_server((enum server_kind)kind, "idle", 0);
		server_stop((enum server_kind)kind);
	}
}

/* A process in another root lets the daemon start a scout, which stays. */
static void measure_scout(const struct bench *bench)
{
	struct client client;
	pid_t pid;

	if (geteuid() != 0) {
		left_out("memory, with a scout: needs root, for a process in another root");
		return;
	}
	pid = bench_fork();
	if (pid == 0 && (chroot(bench->dir) != 0 || chdir("/") != 0))
		fail_errno("chroot");
	while (pid == 0) /* NOLINT(bugprone-infinite-loop): the child never goes on */
		pause();
	server_start(bench, SERVER_READYD);
	client_open(&client, server_socket(bench, SERVER_READYD));
	while (counters_read(&client, "scouts") == 0) {
		if (dprintf(client.fd, "QUERY %ld\n", (long)pid) < 0)
			fail_errno("QUERY");
		(void)client_line(&client);
	}
	client_close(&client);
	print_server(SERVER_READYD, "a scout", 1);
	server_stop(SERVER_READYD);
	sleeper_kill(pid);
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
	sleep_us((bench->pause_ms > 0 ? bench->pause_ms : GATE_MS) * 1000L);
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
	measure_alone(bench);
	measure_scout(bench);
	measure_gates(bench);
	measure_waiters(bench, SERVER_READYD, "gate-waiters", hold_gate);
	measure_waiters(bench, SERVER_READYD, "text-waiters", hold_wait);
	if (server_is_installed(SERVER_REDIS))
		measure_waiters(bench, SERVER_REDIS, "subscribers", hold_subscription);
	if (server_is_installed(SERVER_MEMCACHED))
		measure_waiters(bench, SERVER_MEMCACHED, "connections", hold_connection);
}
