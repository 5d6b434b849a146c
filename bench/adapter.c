#include "config.h"

#include <stdio.h>
#include <string.h>

#include "bench/adapter.h"
#include "bench/harness.h"

const struct adapter adapter_readyd = {.name = "readyd",
    .server = SERVER_READYD,
    .ask = "QUERY %ld\n",
    .yes = "ready ",
    .no = "pending ",
    .lines_yes = 1,
    .lines_no = 1};

const struct adapter adapter_redis = {.name = "redis",
    .server = SERVER_REDIS,
    .ask = "GET ready:%ld\r\n",
    .say = "SET ready:%ld ready\r\n",
    .said = "+OK",
    .yes = "$5",
    .no = "$-1",
    .lines_yes = 2,
    .lines_no = 1};

const struct adapter adapter_memcached = {.name = "memcached",
    .server = SERVER_MEMCACHED,
    .ask = "get ready:%ld\r\n",
    .say = "set ready:%ld 0 0 5\r\nready\r\n",
    .said = "STORED",
    .yes = "VALUE ",
    .no = "END",
    .lines_yes = 3,
    .lines_no = 1};

bool adapter_is_yes(const struct adapter *adapter, struct client *client)
{
	const char *line = client_line(client);
	bool yes = strncmp(line, adapter->yes, strlen(adapter->yes)) == 0;

	if (!yes && strncmp(line, adapter->no, strlen(adapter->no)) != 0)
		fail("%s answers '%.200s'", adapter->name, line);
	for (int i = yes ? adapter->lines_yes : adapter->lines_no; i > 1; i--)
		(void)client_line(client);
	return yes;
}

bool adapter_ask(const struct adapter *adapter, struct client *client, long pid)
{
	char text[ADAPTER_TEXT_SIZE];
	int len = snprintf(text, sizeof(text), adapter->ask, pid);

	client_send(client, text, (size_t)len);
	return adapter_is_yes(adapter, client);
}

void adapter_say(const struct adapter *adapter, struct client *client, long pid)
{
	char text[ADAPTER_TEXT_SIZE];
	int len = snprintf(text, sizeof(text), adapter->say, pid);

	client_send(client, text, (size_t)len);
	client_expect(client, adapter->said);
}
