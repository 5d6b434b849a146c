/* From nothing to the first answer, for each server. */
#include "config.h"

#include <stdio.h>

#include "bench/adapter.h"
#include "bench/measures.h"
#include "bench/sleeper.h"

#define STARTS 5

static const struct adapter *const adapters[] = {&adapter_readyd, &adapter_memcached, &adapter_redis};

/* It is asked for a process that is not ready. */
static int64_t time_start(const struct bench *bench, const struct adapter *adapter, pid_t pid)
{
	struct client client;
	int64_t began;

	server_stop(adapter->server);
	began = now_ns();
	server_start(bench, adapter->server);
	client_open(&client, server_socket(bench, adapter->server));
	if (adapter_ask(adapter, &client, pid))
		fail("%s says ready of a process that is not", adapter->name);
	client_close(&client);
	return now_ns() - began;
}

/* The first one loads the programs from disk. */
void measure_start(const struct bench *bench)
{
	static struct samples cost[3];
	pid_t pid = sleeper_start();

	for (int d = 0; d < 3; d++)
		(void)time_start(bench, adapters[d], pid);
	for (int i = 0; i < STARTS; i++)
		for (int d = 0; d < 3; d++)
			samples_add(&cost[d], time_start(bench, adapters[d], pid));
	printf("server,starts,first_answer_ms\n");
	for (int d = 0; d < 3; d++)
		printf("%s,%d,%.2f\n", adapters[d]->name, STARTS, (double)samples_at(&cost[d], 0.5) / 1e6);
	sleeper_end(pid);
}
