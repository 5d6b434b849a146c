/* readyd, as users have it: the blocking call of libreadyd. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/client.h"
#include "bench/peer.h"
#include "readyd/readyd.h"

static long joins_before;
static struct client client;

/* How many gates the daemon has handed out so far. */
static long joins(void)
{
	const char *line, *at;

	client_send(&client, "STATS\n", 6);
	line = client_line(&client);
	at = strstr(line, " joins=");
	if (at == NULL)
		fail("gate: no joins in '%s'", line);
	return atol(at + strlen(" joins="));
}

static void open_gates(struct field *field)
{
	client_open(&client, server_socket(field->bench, SERVER_READYD));
	joins_before = joins();
}

static void close_gates(struct field *field)
{
	(void)field;
	client_close(&client);
}

static int armed(struct field *field)
{
	(void)field;
	return (int)(joins() - joins_before);
}

/* Whoever has fallen back to the file holds an inotify descriptor; whoever waits by the daemon, one gate. */
static bool holds_gate(pid_t pid, int inherited)
{
	return descriptors_of(pid, "pipe:") == inherited + 1 &&
	       descriptors_of(pid, "anon_inode:inotify") == 0;
}

/* On a busy machine somebody may have given up the daemon for a moment; he comes back to it. */
static void check(struct field *field)
{
	int inherited = descriptors_of(getpid(), "pipe:");
	int64_t limit = now_ns() + field->bench->limit_ns;

	for (int i = 0; i < field->waiters; i++)
		while (!holds_gate(field->pids[i], inherited)) {
			if (now_ns() > limit)
				fail("gate: waiter %d of %d does not wait at a gate", i, field->waiters);
			nap_us(10000);
		}
}

static int wait_at_gate(struct field *field, int i)
{
	const struct readyd_options options = {
	    .socket = server_socket(field->bench, SERVER_READYD), .dir = field->bench->markers};
	struct readyd_answer answer;

	(void)i;
	if (readyd_wait(&options, field->worker, NULL, &answer) != 0)
		return -1;
	if (answer.verdict != READYD_READY)
		fail("gate: the verdict is %s", readyd_verdict_name(answer.verdict));
	return 0;
}

const struct peer peer_gate = {
    .name = "gate",
    .wait = wait_at_gate,
    .server = SERVER_READYD,
    .open = open_gates,
    .close = close_gates,
    .armed = armed,
    .check = check,
};
