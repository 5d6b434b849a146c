/* Redis: the waiters subscribe to a channel over the unix socket; the worker publishes to it after writing
 * its marker. */
#include "config.h"

#include <stdio.h>
#include <unistd.h>

#include "bench/adapter.h"
#include "bench/baseline.h"

static struct client client;

static void connect_client(struct trial *trial)
{
	client_open(&client, server_socket(trial->bench, SERVER_REDIS));
}

static void skip_lines(int count)
{
	while (count-- > 0)
		(void)client_line(&client);
}

static int wait_for_message(struct trial *trial, int i)
{
	char text[ADAPTER_TEXT_SIZE];
	int len = snprintf(text, sizeof(text), "SUBSCRIBE ready:%ld\r\n", (long)trial->worker);

	(void)i;
	connect_client(trial);
	client_send(&client, text, (size_t)len);
	client_expect(&client, "*3");
	skip_lines(5);
	trial_report_armed(trial);
	while (!trial_marker_exists(trial)) {
		client_expect(&client, "*3");
		skip_lines(6);
	}
	return 0;
}

static void clean_up(struct trial *trial)
{
	(void)trial;
	client_close(&client);
}

static void publish(struct trial *trial)
{
	char text[ADAPTER_TEXT_SIZE];
	int len = snprintf(text, sizeof(text), "PUBLISH ready:%ld ready\r\n", (long)getpid());

	(void)trial;
	client_send(&client, text, (size_t)len);
	client_expect(&client, ":");
}

const struct baseline baseline_redis = {.name = "redis",
    .wait = wait_for_message,
    .clean_up = clean_up,
    .server = SERVER_REDIS,
    .prepare = connect_client,
    .announce = publish};
