#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include "fleet/client.h"
#include "fleet/memory.h"
#include "fleet/print.h"
#include "fleet/say.h"

static void on_status(const struct view_node *node, void *context)
{
	const struct line *line = context;
	char payload[PAYLOAD_SIZE];

	if (!line->json) {
		printf("%s %s\n", payload_state_name(node->status.state), node->name);
		return;
	}
	(void)payload_write_status(payload, &node->status);
	printf("{\"node\":\"%s\",%s\n", node->name, payload + 1);
}

static void print_json(const char *node, pid_t pid, uint64_t start, const struct payload_process *state)
{
	char members[PAYLOAD_SIZE] = "\"verdict\":null";

	if (state != NULL)
		(void)payload_write_members(members, sizeof(members), state);
	printf("{\"node\":\"%s\",\"pid\":%ld,\"start\":%" PRIu64 ",%s}\n", node, (long)pid, start, members);
}

static void print_text(const char *node, pid_t pid, uint64_t start, const struct payload_process *state)
{
	struct readyd_answer answer = READYD_ANSWER_INIT;
	char name[TARGET_NAME_SIZE];

	if (state == NULL) {
		printf("cleared %s start=%" PRIu64 "\n", target_name(name, node, pid), start);
		return;
	}
	answer.pid = pid;
	answer.start = start;
	answer.verdict = state->verdict;
	answer.reason = state->reason;
	answer.wait_status = state->wait_status;
	answer.flags = state->status_hidden ? READYD_FLAG_STATUS_HIDDEN : 0;
	print_answer(node, &answer, NULL, state->name);
}

static void on_process(
    const char *node, pid_t pid, uint64_t start, const struct payload_process *state, void *context)
{
	const struct line *line = context;

	if (line->json)
		print_json(node, pid, start, state);
	else
		print_text(node, pid, start, state);
}

static void on_gone(const struct view_node *node, const struct view_process *process, void *context)
{
	on_process(node->name, (pid_t)process->key.pid, process->key.start, NULL, context);
}

/* Once the broker has said what it retains, what it has not said again is gone. */
static int run(struct client *client)
{
	enum client_outcome outcome = CLIENT_GOES_ON;
	bool has_swept = false, is_settled;

	while (outcome == CLIENT_GOES_ON) {
		is_settled = client_is_settled(client);
		if (is_settled && !has_swept)
			view_sweep(&client->view, on_gone, client->context);
		has_swept = broker_is_open(client->broker) && (has_swept || is_settled);
		if (print_flush() != 0)
			return EXIT_FAILED;
		outcome = client_turn(client, has_swept ? -1 : client_settles_in(client));
	}
	(void)print_flush();
	if (outcome == CLIENT_INTERRUPTED)
		client_die(client);
	return EXIT_FAILED;
}

int command_monitor(struct line *line)
{
	char(*topics)[TOPIC_SIZE] = memory_new(2 * sizeof(*topics));
	struct client client = {
	    .signals = -1, .on_status = on_status, .on_process = on_process, .context = line};
	int code = EXIT_FAILED;

	topic_of_processes(topics[0], "+");
	topic_of_status(topics[1], "+");
	if (client_open(&client, line, topics, 2) == 0)
		code = run(&client);
	else
		say("cannot monitor: out of memory or descriptors");
	client_close(&client);
	return code;
}
