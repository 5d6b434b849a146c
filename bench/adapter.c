#include "config.h"

#include <stdio.h>
#include <string.h>

#include "bench/adapter.h"
#include "bench/harness.h"

const struct adapter adapter_readyd = {.name = "readyd",
    .server = SERVER_READYD,
    .query = "QUERY %ld\n",
    .yes_prefix = "ready ",
    .no_prefix = "pending ",
    .yes_lines = 1,
    .no_lines = 1};

const struct adapter adapter_redis = {.name = "redis",
    .server = SERVER_REDIS,
    .query = "GET ready:%ld\r\n",
    .set = "SET ready:%ld ready\r\n",
    .set_reply = "+OK",
    .yes_prefix = "$5",
    .no_prefix = "$-1",
    .yes_lines = 2,
    .no_lines = 1};

const struct adapter adapter_memcached = {.name = "memcached",
    .server = SERVER_MEMCACHED,
    .query = "get ready:%ld\r\n",
    .set = "set ready:%ld 0 0 5\r\nready\r\n",
    .set_reply = "STORED",
    .yes_prefix = "VALUE ",
    .no_prefix = "END",
    .yes_lines = 3,
    .no_lines = 1};

bool adapter_read_answer(const struct adapter *adapter, struct client *client)
{
	const char *line = client_line(client);
	bool yes = strncmp(line, adapter->yes_prefix, strlen(adapter->yes_prefix)) == 0;

	if (!yes && strncmp(line, adapter->no_prefix, strlen(adapter->no_prefix)) != 0)
		fail("%s answers '%.200s'", adapter->name, line);
	for (int i = yes ? adapter->yes_lines : adapter->no_lines; i > 1; i--)
		(void)client_line(client);
	return yes;
}

bool adapter_query(const struct adapter *adapter, struct client *client, long pid)
{
	char text[ADAPTER_TEXT_SIZE];
	int len = snprintf(text, sizeof(text), adapter->query, pid);

	client_send(client, text, (size_t)len);
	return adapter_read_answer(adapter, client);
}

void adapter_set_ready(const struct adapter *adapter, struct client *client, long pid)
{
	char text[ADAPTER_TEXT_SIZE];
	int len = snprintf(text, sizeof(text), adapter->set, pid);

	client_send(client, text, (size_t)len);
	client_expect(client, adapter->set_reply);
}
