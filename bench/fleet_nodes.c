/*
 * Simulated nodes of a fleet, in one process: each has a connection of its own to the broker, a last will,
 * and processes that are pending at first. On a line "ready" from standard input all become ready, one after
 * the other of each node in turn. Prints "up MS" when the broker has acknowledged all that is pending, a line
 * "node NAME TIME" with the CLOCK_REALTIME in ms of the last process of each node, and "ready MS" when all is
 * acknowledged. The end of standard input ends it, without a word to the broker.
 *
 * Usage: fleet-nodes PORT NODES PROCESSES
 */
#include "config.h"

#include <errno.h>
#include <mosquitto.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet/payload.h"
#include "fleet/topic.h"
#include "src/clock.h"

#define EPOCH	  1
#define FIRST_PID 1000
#define KEEPALIVE 60
#define NODES_MAX 2000

struct node {
	struct mosquitto *mosq;
	char name[TOPIC_NODE_SIZE];
	bool is_open;
	uint64_t seq;
};

static struct node nodes[NODES_MAX];
static struct pollfd fds[NODES_MAX + 1];
static int node_count, process_count;
static long unacknowledged;

static _Noreturn void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("fleet-nodes: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static int64_t now_ms(clockid_t clock)
{
	return clock_now_ns(clock) / 1000000;
}

static void publish(struct node *node, const char *topic, const char *payload, size_t length)
{
	int rc = mosquitto_publish(node->mosq, NULL, topic, (int)length, payload, 1, true);

	if (rc != MOSQ_ERR_SUCCESS)
		fail("%s cannot publish: %s", node->name, mosquitto_strerror(rc));
	unacknowledged++;
}

static size_t write_status(const struct node *node, enum payload_state state, char *topic, char *payload)
{
	const struct payload_status status = {
	    .state = state, .epoch = EPOCH, .time_ms = now_ms(CLOCK_REALTIME), .version = VERSION};

	topic_of_status(topic, node->name);
	return payload_write_status(payload, &status);
}

static void publish_process(struct node *node, int i, enum readyd_verdict verdict)
{
	struct payload_process process = {.verdict = verdict,
	    .wait_status = -1,
	    .epoch = EPOCH,
	    .seq = ++node->seq,
	    .time_ms = now_ms(CLOCK_REALTIME),
	    .name = "worker"};
	char topic[TOPIC_SIZE], payload[PAYLOAD_SIZE];
	const pid_t pid = FIRST_PID + i;

	topic_of_process(topic, node->name, pid, (uint64_t)pid);
	publish(node, topic, payload, payload_write_process(payload, &process));
}

static void on_connect(struct mosquitto *mosq, void *context, int code)
{
	struct node *node = context;
	char topic[TOPIC_SIZE], payload[PAYLOAD_SIZE];

	(void)mosq;
	if (code != 0)
		fail("%s is refused: %s", node->name, mosquitto_connack_string(code));
	node->is_open = true;
	publish(node, topic, payload, write_status(node, PAYLOAD_ONLINE, topic, payload));
	for (int i = 0; i < process_count; i++)
		publish_process(node, i, READYD_PENDING);
}

static void on_acknowledged(struct mosquitto *mosq, void *context, int mid)
{
	(void)mosq;
	(void)context;
	(void)mid;
	unacknowledged--;
}

static void start(struct node *node, int number, int port)
{
	char topic[TOPIC_SIZE], will[PAYLOAD_SIZE];
	int rc;

	snprintf(node->name, sizeof(node->name), "node-%04d", number);
	node->mosq = mosquitto_new(node->name, true, node);
	if (node->mosq == NULL)
		fail("%s", strerror(errno));
	mosquitto_connect_callback_set(node->mosq, on_connect);
	mosquitto_publish_callback_set(node->mosq, on_acknowledged);
	(void)mosquitto_max_inflight_messages_set(node->mosq, 100);
	(void)mosquitto_will_set(
	    node->mosq, topic, (int)write_status(node, PAYLOAD_OFFLINE, topic, will), will, 1, true);
	rc = mosquitto_connect(node->mosq, "127.0.0.1", port, KEEPALIVE);
	if (rc != MOSQ_ERR_SUCCESS)
		fail("%s cannot connect: %s", node->name, mosquitto_strerror(rc));
}

static void turn(struct node *node, const struct pollfd *fd)
{
	int rc = MOSQ_ERR_SUCCESS;

	if ((fd->revents & POLLOUT) != 0)
		rc = mosquitto_loop_write(node->mosq, 1);
	if (rc == MOSQ_ERR_SUCCESS && (fd->revents & ~POLLOUT) != 0)
		rc = mosquitto_loop_read(node->mosq, 1);
	if (rc == MOSQ_ERR_SUCCESS)
		rc = mosquitto_loop_misc(node->mosq);
	if (rc != MOSQ_ERR_SUCCESS)
		fail("%s has lost its connection: %s", node->name, mosquitto_strerror(rc));
}

/* Returns whether standard input has something to read. */
static bool pass(void)
{
	fds[node_count] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
	for (int i = 0; i < node_count; i++)
		fds[i] = (struct pollfd){.fd = mosquitto_socket(nodes[i].mosq),
		    .events = (short)(POLLIN | (mosquitto_want_write(nodes[i].mosq) ? POLLOUT : 0))};
	if (poll(fds, (nfds_t)node_count + 1, 1000) < 0)
		fail("poll: %s", strerror(errno));
	for (int i = 0; i < node_count; i++)
		turn(&nodes[i], &fds[i]);
	return fds[node_count].revents != 0;
}

static bool all_open(void)
{
	for (int i = 0; i < node_count; i++)
		if (!nodes[i].is_open)
			return false;
	return true;
}

static void become_ready(void)
{
	for (int i = 0; i < process_count; i++) {
		for (int n = 0; n < node_count; n++) {
			publish_process(&nodes[n], i, READYD_READY);
			if (i == process_count - 1)
				printf("node %s %lld\n", nodes[n].name, (long long)now_ms(CLOCK_REALTIME));
		}
		(void)pass();
	}
}

static void finish(const char *what, int64_t began)
{
	while (!all_open() || unacknowledged > 0)
		(void)pass();
	printf("%s %lld\n", what, (long long)(now_ms(CLOCK_MONOTONIC) - began));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	int64_t began = now_ms(CLOCK_MONOTONIC);
	char line[16];
	ssize_t got;

	if (argc != 4)
		fail("usage: fleet-nodes PORT NODES PROCESSES");
	node_count = atoi(argv[2]);
	process_count = atoi(argv[3]);
	if (node_count < 1 || node_count > NODES_MAX || process_count < 1)
		fail("from 1 to %d nodes, and at least one process", NODES_MAX);
	mosquitto_lib_init();
	for (int i = 0; i < node_count; i++)
		start(&nodes[i], i, atoi(argv[1]));
	finish("up", began);
	for (;;) {
		if (!pass())
			continue;
		got = read(STDIN_FILENO, line, sizeof(line));
		if (got <= 0)
			return 0;
		began = now_ms(CLOCK_MONOTONIC);
		become_ready();
		finish("ready", began);
	}
}
