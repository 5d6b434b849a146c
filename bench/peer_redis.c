/* Redis: the waiters subscribe to a channel over the unix socket, the worker publishes after its marker. */
#include "config.h"

#include <stdio.h>
#include <unistd.h>

#include "bench/dialect.h"
#include "bench/peer.h"

static struct client client;

static void connect_client(struct field *field)
{
	client_open(&client, server_socket(field->bench, SERVER_REDIS));
}

static void skip_lines(int count)
{
	while (count-- > 0)
		(void)client_line(&client);
}

/* Subscribe, look, read. */
static int wait_for_message(struct field *field, int i)
{
	char text[DIALECT_TEXT_SIZE];
	int len = snprintf(text, sizeof(text), "SUBSCRIBE ready:%ld\r\n", (long)field->worker);

	(void)i;
	connect_client(field);
	client_send(&client, text, (size_t)len);
	client_expect(&client, "*3");
	skip_lines(5);
	field_armed(field);
	while (!field_marker_is_there(field)) {
		client_expect(&client, "*3");
		skip_lines(6);
	}
	return 0;
}

static void leave(struct field *field)
{
	(void)field;
	client_close(&client);
}

static void publish(struct field *field)
{
	char text[DIALECT_TEXT_SIZE];
	int len = snprintf(text, sizeof(text), "PUBLISH ready:%ld ready\r\n", (long)getpid());

	(void)field;
	client_send(&client, text, (size_t)len);
	client_expect(&client, ":");
}

const struct peer peer_redis = {.name = "redis",
    .wait = wait_for_message,
    .leave = leave,
    .server = SERVER_REDIS,
    .prepare = connect_client,
    .announce = publish};
