/* memcached, which can only be polled: the waiters get a key every 10 ms over the unix socket, the worker
 * sets it after its marker. */
#include "config.h"

#include <stdio.h>
#include <unistd.h>

#include "bench/dialect.h"
#include "bench/peer.h"

static struct client client;

static void connect_client(struct field *field)
{
	client_open(&client, server_socket(field->bench, SERVER_MEMCACHED));
}

static int wait_for_key(struct field *field, int i)
{
	(void)i;
	connect_client(field);
	field_armed(field);
	while (!dialect_ask(&dialect_memcached, &client, field->worker))
		nap_us(10000);
	return 0;
}

static void leave(struct field *field)
{
	(void)field;
	client_close(&client);
}

static void set_key(struct field *field)
{
	(void)field;
	dialect_say(&dialect_memcached, &client, getpid());
}

/* A later worker may have the same pid. */
static void delete_key(struct field *field)
{
	char text[DIALECT_TEXT_SIZE];
	int len = snprintf(text, sizeof(text), "delete ready:%ld\r\n", (long)field->worker);

	connect_client(field);
	client_send(&client, text, (size_t)len);
	(void)client_line(&client);
	client_close(&client);
}

const struct peer peer_memcached = {.name = "memcached",
    .wait = wait_for_key,
    .leave = leave,
    .server = SERVER_MEMCACHED,
    .restless = true,
    .most = 1000,
    .why_most = "thousands who ask every 10 ms leave two processors no time for anything else",
    .prepare = connect_client,
    .announce = set_key,
    .close = delete_key};
