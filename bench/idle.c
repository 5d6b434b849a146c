/* What readyd takes while processes are waited for and nothing happens. Each number of processes has a daemon
 * of its own, and one connection that waits for all of them. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/client.h"
#include "bench/counters.h"
#include "bench/measures.h"
#include "bench/server.h"
#include "bench/sleeper.h"
#include "bench/tree.h"
#include "bench/wire.h"

/* What the daemon defers after the last wait has begun is not what it takes for waiting. */
#define SETTLE_MS 2500
#define WINDOW_MS 5000
#define WINDOWS	  2

static void add_window(const struct bench *bench, struct samples *cpu, struct samples *wake_ups)
{
	const int ms = bench->window_ms > 0 ? bench->window_ms : WINDOW_MS;
	long sleeps = sleeps_of(server_pid(SERVER_READYD));
	int64_t before = server_cpu(SERVER_READYD);

	sleep_us(ms * 1000L);
	samples_add(cpu, (server_cpu(SERVER_READYD) - before) * 1000 / ms);
	samples_add(wake_ups, (sleeps_of(server_pid(SERVER_READYD)) - sleeps) * 1000 / ms);
}

static void wait_for_all(struct client *client, const pid_t *pids, int count)
{
	for (int i = 0; i < count; i++)
		wire_wait(client, pids[i]);
	wire_ping(client);
	if (counters_read(client, "waited") != count)
		fail(
		    "idle: the daemon waits for %ld of %d processes", counters_read(client, "waited"), count);
}

static void measure(const struct bench *bench, const pid_t *pids, int count)
{
	struct samples cpu = {0}, wake_ups = {0};
	struct client client;

	progress("idle: %d processes are waited for", count);
	server_stop(SERVER_READYD);
	server_start(bench, SERVER_READYD);
	client_open(&client, server_socket(bench, SERVER_READYD));
	wait_for_all(&client, pids, count);
	sleep_us((bench->pause_ms > 0 ? bench->pause_ms : SETTLE_MS) * 1000L);
	for (int i = 0; i < WINDOWS; i++)
		add_window(bench, &cpu, &wake_ups);
	client_close(&client);
	printf("%d,%zu,%.1f,%lld\n", count, cpu.count, (double)samples_quantile(&cpu, 0.5) / 1e3,
	    (long long)samples_quantile(&wake_ups, 0.5));
	samples_fini(&cpu);
	samples_fini(&wake_ups);
}

void measure_idle(const struct bench *bench)
{
	pid_t *pids = NULL;
	int started = 0;

	printf("processes,windows,cpu_us_per_s,wake_ups_per_s\n");
	for (int i = 0; i < bench->count_count; i++) {
		if (bench->counts[i] > max_processes() || (i > 0 && now_ns() > bench->until_ns)) {
			left_out("idle, %d processes: %s", bench->counts[i],
			    bench->counts[i] > max_processes() ? "more than may be started" : "time ran out");
			continue;
		}
		pids = sleepers_grow(pids, &started, bench->counts[i]);
		measure(bench, pids, bench->counts[i]);
	}
	sleepers_end(pids, started);
}
