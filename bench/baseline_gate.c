/* readyd as programs use it: the blocking call of libreadyd. */
#include "config.h"

#include "bench/baseline.h"
#include "bench/counters.h"
#include "readyd/readyd.h"

static long handed_out_before;
static struct client client;

static void open_gates(struct trial *trial)
{
	client_open(&client, server_socket(trial->bench, SERVER_READYD));
	handed_out_before = counters_read(&client, "handed_out");
}

static void close_gates(struct trial *trial)
{
	(void)trial;
	client_close(&client);
}

static int count_gates(struct trial *trial)
{
	(void)trial;
	return (int)(counters_read(&client, "handed_out") - handed_out_before);
}

static void check_gates(struct trial *trial)
{
	counters_await_gates(trial->bench, trial->pids, trial->waiters);
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
