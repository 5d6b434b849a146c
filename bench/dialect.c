#include "config.h"

#include <stdio.h>
#include <string.h>

#include "bench/dialect.h"
#include "bench/harness.h"

const struct dialect dialect_readyd = {.name = "readyd",
    .server = SERVER_READYD,
    .ask = "QUERY %ld\n",
    .yes = "ready ",
    .no = "pending ",
    .lines_yes = 1,
    .lines_no = 1};

const struct dialect dialect_redis = {.name = "redis",
    .server = SERVER_REDIS,
    .ask = "GET ready:%ld\r\n",
    .say = "SET ready:%ld ready\r\n",
    .said = "+OK",
    .yes = "$5",
    .no = "$-1",
    .lines_yes = 2,
    .lines_no = 1};

const struct dialect dialect_memcached = {.name = "memcached",
    .server = SERVER_MEMCACHED,
    .ask = "get ready:%ld\r\n",
    .say = "set ready:%ld 0 0 5\r\nready\r\n",
    .said = "STORED",
    .yes = "VALUE ",
    .no = "END",
    .lines_yes = 3,
    .lines_no = 1};

bool dialect_is_yes(const struct dialect *dialect, struct client *client)
{
	const char *line = client_line(client);
	bool yes = strncmp(line, dialect->yes, strlen(dialect->yes)) == 0;

	if (!yes && strncmp(line, dialect->no, strlen(dialect->no)) != 0)
		fail("%s answers '%.200s'", dialect->name, line);
	for (int i = yes ? dialect->lines_yes : dialect->lines_no; i > 1; i--)
		(void)client_line(client);
	return yes;
}

bool dialect_ask(const struct dialect *dialect, struct client *client, long pid)
{
	char text[DIALECT_TEXT_SIZE];
	int len = snprintf(text, sizeof(text), dialect->ask, pid);

	client_send(client, text, (size_t)len);
	return dialect_is_yes(dialect, client);
}

void dialect_say(const struct dialect *dialect, struct client *client, long pid)
{
	char text[DIALECT_TEXT_SIZE];
	int len = snprintf(text, sizeof(text), dialect->say, pid);

	client_send(client, text, (size_t)len);
	client_expect(client, dialect->said);
}
