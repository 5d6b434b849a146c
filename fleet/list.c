#include "config.h"

#include <stdio.h>
#include <string.h>

#include "fleet/client.h"
#include "fleet/decision.h"
#include "fleet/memory.h"
#include "fleet/print.h"
#include "fleet/say.h"
#include "src/clock.h"

#define LIST_MS 10000

static int by_name(struct view_node *a, struct view_node *b)
{
	return strcmp(a->name, b->name);
}

static int by_process(struct view_process *a, struct view_process *b)
{
	if (a->key.pid != b->key.pid)
		return a->key.pid < b->key.pid ? -1 : 1;
	return a->key.start < b->key.start ? -1 : a->key.start > b->key.start;
}

static const char *word(enum view_condition condition)
{
	switch (condition) {
	case VIEW_ONLINE:
		return "online";
	case VIEW_OFFLINE:
		return "offline";
	case VIEW_UNKNOWN:
	case VIEW_DOUBTFUL:
	case VIEW_NEVER_SEEN:
		break;
	}
	return "unknown";
}

static void print_node(struct view_node *node)
{
	int64_t now = clock_ms();

	printf("%s %s", word(view_condition(node, now)), node->name);
	if (node->status.version[0] != '\0')
		printf(" version=%s", node->status.version);
	putchar('\n');
	HASH_SORT(node->processes, by_process);
	for (const struct view_process *p = node->processes; p != NULL; p = p->hh.next) {
		struct decision d = decision_make(node, (pid_t)p->key.pid, p->key.start, now);

		print_answer(node->name, &d.answer, print_last(&d), p->state.name);
	}
}

static int print_all(struct client *client)
{
	HASH_SORT(client->view.nodes, by_name);
	for (struct view_node *node = client->view.nodes; node != NULL; node = node->hh.next)
		print_node(node);
	if (print_flush() != 0)
		return EXIT_FAILED;
	if (client->line->node == NULL || client->view.nodes != NULL)
		return EXIT_READY;
	say("node %s has told the broker nothing", client->line->node);
	return EXIT_UNREACHABLE;
}

static int print_part(struct client *client)
{
	int code = print_all(client);

	say("the list may lack something: within %d s, the broker %s:%u has not sent all", LIST_MS / 1000,
	    broker_address(client->broker)->host, broker_address(client->broker)->port);
	return code == EXIT_READY ? EXIT_UNREACHABLE : code;
}

static int run(struct client *client)
{
	int64_t deadline = client->line->began + LIST_MS, settles;

	while (clock_ms() < deadline && !client_is_settled(client)) {
		settles = client_settles_in(client);
		switch (client_turn(client, settles >= 0 ? settles : deadline - clock_ms())) {
		case CLIENT_GOES_ON:
			break;
		case CLIENT_FAILED:
			return EXIT_FAILED;
		case CLIENT_INTERRUPTED:
			client_die(client);
		}
	}
	if (client_is_settled(client))
		return print_all(client);
	if (broker_is_open(client->broker))
		return print_part(client);
	say("no connection to the broker %s:%u within %d s", broker_address(client->broker)->host,
	    broker_address(client->broker)->port, LIST_MS / 1000);
	return EXIT_UNREACHABLE;
}

int command_list(struct line *line)
{
	char(*topics)[TOPIC_SIZE] = memory_new(2 * sizeof(*topics));
	const char *node = line->node != NULL ? line->node : "+";
	struct client client = {.signals = -1};
	int code = EXIT_FAILED;

	topic_of_processes(topics[0], node);
	topic_of_status(topics[1], node);
	if (client_open(&client, line, topics, 2) == 0)
		code = run(&client);
	else
		say("cannot list: out of memory or descriptors");
	client_close(&client);
	return code;
}
