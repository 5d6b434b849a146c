/*
 * Queries: a client asks over one connection whether a process is ready, either one query after the other or
 * many at once. It asks about a process that is ready and about one that is not, since readyd checks the
 * marker while a cache only looks into its table.
 *
 * Client and servers share one CPU, so that their own work is measured and not how long it takes to wake
 * another CPU, which the scheduler does for one server and not for another.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/adapter.h"
#include "bench/measures.h"
#include "bench/affinity.h"
#include "bench/sleeper.h"
#include "readyd/marker.h"

#define BATCH		100
#define QUERIES_PER_RUN 2000

static const struct adapter *const adapters[] = {&adapter_readyd, &adapter_memcached, &adapter_redis};
enum { ADAPTERS = 3, STATES = 2, MODES = 2 };
static const char *const states[] = {"ready", "not-ready"};
static const char *const modes[] = {"one-by-one", "pipelined"};

struct workers {
	pid_t pids[STATES]; /* as in states[] */
	char marker[BENCH_PATH_SIZE + 64];
};

static void start_workers(const struct bench *bench, struct workers *workers)
{
	for (int state = 0; state < STATES; state++)
		workers->pids[state] = sleeper_start();
	if (readyd_marker_write(sleeper_marker_path(bench, workers->pids[0], workers->marker)) != 0)
		fail_errno("%s", workers->marker);
}

static void end_workers(const struct workers *workers)
{
	for (int state = 0; state < STATES; state++)
		sleeper_kill(workers->pids[state]);
	unlink(workers->marker);
}

static void check_answer(const struct adapter *adapter, struct client *client, int state)
{
	if (adapter_read_answer(adapter, client) != (state == 0))
		fail("%s gives the wrong answer about a process that is %s", adapter->name, states[state]);
}

/* Returns nanoseconds for each query. */
static int64_t run(const struct adapter *adapter, struct client *client, long pid, int state, int batch)
{
	char text[ADAPTER_TEXT_SIZE], all[BATCH * ADAPTER_TEXT_SIZE];
	size_t len = 0, one;
	int64_t began;

	one = (size_t)snprintf(text, sizeof(text), adapter->query, pid);
	for (int i = 0; i < batch; i++, len += one)
		memcpy(all + len, text, one);
	began = now_ns();
	for (int asked = 0; asked < QUERIES_PER_RUN; asked += batch) {
		client_send(client, all, len);
		for (int i = 0; i < batch; i++)
			check_answer(adapter, client, state);
	}
	return (now_ns() - began) / QUERIES_PER_RUN;
}

static void print_all(struct samples cells[ADAPTERS][STATES][MODES])
{
	printf("server,state,mode,runs,query_us,queries_per_s\n");
	for (int state = 0; state < STATES; state++)
		for (int mode = 0; mode < MODES; mode++)
			for (int a = 0; a < ADAPTERS; a++) {
				double ns = cells[a][state][mode].count == 0
						? 0
						: (double)samples_quantile(&cells[a][state][mode], 0.5);

				if (ns > 0)
					printf("%s,%s,%s,%zu,%.3f,%.0f\n", adapters[a]->name, states[state],
					    modes[mode], cells[a][state][mode].count, ns / 1e3, 1e9 / ns);
			}
}

void measure_query(const struct bench *bench)
{
	static struct samples cells[ADAPTERS][STATES][MODES];
	static struct client clients[ADAPTERS];
	struct workers workers;
	cpu_set_t first, others;

	(void)affinity_split(&first, &others);
	affinity_set(0, &first);
	start_workers(bench, &workers);
	for (int a = 0; a < ADAPTERS; a++) {
		if (!server_is_installed(adapters[a]->server))
			continue;
		server_start(bench, adapters[a]->server);
		client_open(&clients[a], server_socket(bench, adapters[a]->server));
		if (adapters[a]->set != NULL)
			adapter_set_ready(adapters[a], &clients[a], workers.pids[0]);
	}
	for (int turn = 0; turn < bench->rounds && (turn == 0 || now_ns() < bench->until_ns); turn++)
		for (int state = 0; state < STATES; state++)
			for (int mode = 0; mode < MODES; mode++)
				for (int a = 0; a < ADAPTERS; a++)
					if (server_is_installed(adapters[a]->server))
						samples_add(&cells[a][state][mode],
						    run(adapters[a], &clients[a], workers.pids[state], state,
							mode == 0 ? 1 : BATCH));
	print_all(cells);
	end_workers(&workers);
}
