/*
 * Queries: one connection asks whether a process is ready. One after the other, and many in one go. The
 * process lives and is ready, and one that is not; both are asked about, since readyd looks at the marker
 * where a cache only looks into its table.
 *
 * Client and servers share one processor: so what is measured is what they do, not how long it takes to wake
 * another processor, which the scheduler does for one server and not for the other.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/adapter.h"
#include "bench/measures.h"
#include "bench/processors.h"
#include "bench/sleeper.h"
#include "readyd/marker.h"

#define BATCH	  100
#define STEP_ASKS 2000

static const struct adapter *const adapters[] = {&adapter_readyd, &adapter_memcached, &adapter_redis};
enum { ADAPTERS = 3, STATES = 2, MODES = 2 };
static const char *const states[] = {"ready", "not-ready"};
static const char *const modes[] = {"one-by-one", "pipelined"};

struct subject {
	pid_t pids[STATES]; /* as in states[] */
	char marker[BENCH_PATH_SIZE + 64];
};

static void make_subject(const struct bench *bench, struct subject *subject)
{
	for (int state = 0; state < STATES; state++)
		subject->pids[state] = sleeper_start();
	if (readyd_marker_write(sleeper_marker(bench, subject->pids[0], subject->marker)) != 0)
		fail_errno("%s", subject->marker);
}

static void end_subject(const struct subject *subject)
{
	for (int state = 0; state < STATES; state++)
		sleeper_end(subject->pids[state]);
	unlink(subject->marker);
}

static void check_answer(const struct adapter *adapter, struct client *client, int state)
{
	if (adapter_is_yes(adapter, client) != (state == 0))
		fail("%s says the contrary about a process that is %s", adapter->name, states[state]);
}

/* Nanoseconds a query. */
static int64_t run(const struct adapter *adapter, struct client *client, long pid, int state, int batch)
{
	char text[ADAPTER_TEXT_SIZE], all[BATCH * ADAPTER_TEXT_SIZE];
	size_t len = 0, one;
	int64_t began;

	one = (size_t)snprintf(text, sizeof(text), adapter->ask, pid);
	for (int i = 0; i < batch; i++, len += one)
		memcpy(all + len, text, one);
	began = now_ns();
	for (int asked = 0; asked < STEP_ASKS; asked += batch) {
		client_send(client, all, len);
		for (int i = 0; i < batch; i++)
			check_answer(adapter, client, state);
	}
	return (now_ns() - began) / STEP_ASKS;
}

static void print_all(struct samples cells[ADAPTERS][STATES][MODES])
{
	printf("server,state,mode,runs,query_us,queries_per_s\n");
	for (int state = 0; state < STATES; state++)
		for (int mode = 0; mode < MODES; mode++)
			for (int d = 0; d < ADAPTERS; d++) {
				double ns = (double)samples_at(&cells[d][state][mode], 0.5);

				printf("%s,%s,%s,%zu,%.3f,%.0f\n", adapters[d]->name, states[state],
				    modes[mode], cells[d][state][mode].count, ns / 1e3, 1e9 / ns);
			}
}

void measure_query(const struct bench *bench)
{
	static struct samples cells[ADAPTERS][STATES][MODES];
	static struct client clients[ADAPTERS];
	struct subject subject;
	cpu_set_t first, others;

	(void)processors_split(&first, &others);
	processors_allow(0, &first);
	make_subject(bench, &subject);
	for (int d = 0; d < ADAPTERS; d++) {
		server_start(bench, adapters[d]->server);
		client_open(&clients[d], server_socket(bench, adapters[d]->server));
		if (adapters[d]->say != NULL)
			adapter_say(adapters[d], &clients[d], subject.pids[0]);
	}
	for (int turn = 0; turn < bench->rounds && (turn == 0 || now_ns() < bench->until_ns); turn++)
		for (int state = 0; state < STATES; state++)
			for (int mode = 0; mode < MODES; mode++)
				for (int d = 0; d < ADAPTERS; d++)
					samples_add(&cells[d][state][mode],
					    run(adapters[d], &clients[d], subject.pids[state], state,
						mode == 0 ? 1 : BATCH));
	print_all(cells);
	end_subject(&subject);
}
