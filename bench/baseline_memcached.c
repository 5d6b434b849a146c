/* memcached, which can only be polled: each waiter gets a key every 10 ms over the unix socket; the worker
 * sets it after writing its marker. */
#include "config.h"

#include <stdio.h>
#include <unistd.h>

#include "bench/adapter.h"
#include "bench/baseline.h"

static struct client client;

static void connect_client(struct trial *trial)
{
	client_open(&client, server_socket(trial->bench, SERVER_MEMCACHED));
}

static int wait_for_key(struct trial *trial, int i)
{
	(void)i;
	connect_client(trial);
	trial_report_armed(trial);
	while (!adapter_query(&adapter_memcached, &client, trial->worker))
		sleep_us(10000);
	return 0;
}

static void clean_up(struct trial *trial)
{
	(void)trial;
	client_close(&client);
}

static void set_key(struct trial *trial)
{
	(void)trial;
	adapter_set_ready(&adapter_memcached, &client, getpid());
}

/* A later worker may get the same pid. */
static void delete_key(struct trial *trial)
{
	char text[ADAPTER_TEXT_SIZE];
	int len = snprintf(text, sizeof(text), "delete ready:%ld\r\n", (long)trial->worker);

	connect_client(trial);
	client_send(&client, text, (size_t)len);
	(void)client_line(&client);
	client_close(&client);
}

const struct baseline baseline_memcached = {.name = "memcached",
    .wait = wait_for_key,
    .clean_up = clean_up,
    .server = SERVER_MEMCACHED,
    .polls = true,
    .max_waiters = 1000,
    .max_reason = "thousands of queries every 10 ms leave two CPUs no time for anything else",
    .prepare = connect_client,
    .announce = set_key,
    .close = delete_key};
