/* readyd as programs use it: the blocking call of libreadyd. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/client.h"
#include "bench/baseline.h"
#include "readyd/readyd.h"

static long handed_out_before;
static struct client client;

/* How many gates the daemon has handed out so far. */
static long handed_out(void)
{
	const char *line, *at;

	client_send(&client, "STATS\n", 6);
	line = client_line(&client);
	at = strstr(line, " handed_out=");
	if (at == NULL)
		fail("gate: no handed_out in '%s'", line);
	return atol(at + strlen(" handed_out="));
}

static void open_gates(struct trial *trial)
{
	client_open(&client, server_socket(trial->bench, SERVER_READYD));
	handed_out_before = handed_out();
}

static void close_gates(struct trial *trial)
{
	(void)trial;
	client_close(&client);
}

static int count_gates(struct trial *trial)
{
	(void)trial;
	return (int)(handed_out() - handed_out_before);
}

/* A waiter served by the daemon holds one gate, which is a pipe; one that has fallen back to watching the
 * file holds an inotify instance. */
static bool holds_gate(pid_t pid, int inherited)
{
	return descriptors_of(pid, "pipe:") == inherited + 1 &&
	       descriptors_of(pid, "anon_inode:inotify") == 0;
}

/* On a busy machine a waiter may take the daemon for frozen and watch the file for a while, until it connects
 * again. */
static void check_gates(struct trial *trial)
{
	int inherited = descriptors_of(getpid(), "pipe:");
	int64_t limit = now_ns() + trial->bench->limit_ns;

	for (int i = 0; i < trial->waiters; i++)
		while (!holds_gate(trial->pids[i], inherited)) {
			if (now_ns() > limit)
				fail("gate: waiter %d of %d does not hold a gate", i, trial->waiters);
			sleep_us(10000);
		}
}

static int wait_by_gate(struct trial *trial, int i)
{
	const struct readyd_options options = {.size = sizeof(options),
	    .socket = server_socket(trial->bench, SERVER_READYD),
	    .dir = trial->bench->markers};
	struct readyd_answer answer = READYD_ANSWER_INIT;

	(void)i;
	if (readyd_wait(&options, trial->worker, NULL, &answer) != 0)
		return -1;
	if (answer.verdict != READYD_READY)
		fail("gate: the verdict is %s", readyd_verdict_name(answer.verdict));
	return 0;
}

const struct baseline baseline_gate = {
    .name = "gate",
    .wait = wait_by_gate,
    .server = SERVER_READYD,
    .open = open_gates,
    .close = close_gates,
    .count_armed = count_gates,
    .check = check_gates,
};
