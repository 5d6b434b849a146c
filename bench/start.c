/* How long each server takes from its start to its first answer. */
#include "config.h"

#include <stdio.h>

#include "bench/adapter.h"
#include "bench/measures.h"
#include "bench/sleeper.h"

#define STARTS 5

static const struct adapter *const adapters[] = {&adapter_readyd, &adapter_memcached, &adapter_redis};

static int64_t time_start(const struct bench *bench, const struct adapter *adapter, pid_t pid)
{
	struct client client;
	int64_t began;

	server_stop(adapter->server);
	began = now_ns();
	server_start(bench, adapter->server);
	client_open(&client, server_socket(bench, adapter->server));
	if (adapter_query(adapter, &client, pid))
		fail("%s answers ready for a process that is not", adapter->name);
	client_close(&client);
	return now_ns() - began;
}

/* The first start of each is not counted: it loads the program from disk. */
void measure_start(const struct bench *bench)
{
	static struct samples cost[3];
	pid_t pid = sleeper_start();

	for (int a = 0; a < 3; a++)
		if (server_is_installed(adapters[a]->server))
			(void)time_start(bench, adapters[a], pid);
	for (int i = 0; i < STARTS; i++)
		for (int a = 0; a < 3; a++)
			if (server_is_installed(adapters[a]->server))
				samples_add(&cost[a], time_start(bench, adapters[a], pid));
	printf("server,starts,first_answer_ms\n");
	for (int a = 0; a < 3; a++)
		if (cost[a].count > 0)
			printf("%s,%d,%.2f\n", adapters[a]->name, STARTS,
			    (double)samples_quantile(&cost[a], 0.5) / 1e6);
	sleeper_kill(pid);
}
