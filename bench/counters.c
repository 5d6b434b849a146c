#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/counters.h"
#include "bench/tree.h"

long counters_read(struct client *client, const char *key)
{
	const char *line, *at;
	char text[64];

	client_send(client, "STATS\n", 6);
	line = client_line(client);
	snprintf(text, sizeof(text), " %s=", key);
	at = strstr(line, text);
	if (at == NULL)
		fail("no %s in '%s'", key, line);
	return atol(at + strlen(text));
}

/* A waiter served by the daemon holds one gate, which is a pipe; one that has fallen back to watching the
 * file holds an inotify instance. */
static bool holds_gate(pid_t pid, int inherited)
{
	return descriptors_of(pid, "pipe:") == inherited + 1 &&
	       descriptors_of(pid, "anon_inode:inotify") == 0;
}

void counters_await_gates(const struct bench *bench, const pid_t *pids, int count)
{
	int inherited = descriptors_of(getpid(), "pipe:");
	int64_t limit = now_ns() + bench->limit_ns;

	for (int i = 0; i < count; i++)
		while (!holds_gate(pids[i], inherited)) {
			if (now_ns() > limit)
				fail("gate: waiter %d of %d does not hold a gate", i, count);
			sleep_us(10000);
		}
}
