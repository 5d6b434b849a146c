/*
 * Work for tests/e2e_instructions.sh, which has valgrind count the instructions: tests/instructions WHAT
 * TIMES does it that many times. What comes before and after is the same for any number.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/quota.h"
#include "daemon/registry.h"
#include "src/marker.h"
#include "src/wire.h"

static const char request_line[] = "WAIT 12345:6789012 60000\n";
static const char reply_line[] = "exited 12345 start=6789012 status=0 age=assumed\n";
static const struct readyd_answer answer = {
    .pid = 12345, .start = 6789012, .verdict = READYD_READY, .wait_status = -1};

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void parse_requests(int times)
{
	struct wire_request request;

	while (times-- > 0)
		must(wire_parse_request(request_line, sizeof(request_line) - 1, &request) == WIRE_OK);
}

static void parse_replies(int times)
{
	struct wire_reply reply;

	while (times-- > 0)
		must(wire_parse_reply(reply_line, sizeof(reply_line) - 1, &reply) == 0);
}

static void write_answers(int times)
{
	char line[WIRE_REPLY_MAX];

	while (times-- > 0)
		must(wire_write_answer(line, sizeof(line), &answer) > 0);
}

static void write_requests(int times)
{
	const struct wire_request request = {.verb = WIRE_GATE, .pid = 12345, .start = 6789012};
	char line[WIRE_REQUEST_MAX];

	while (times-- > 0)
		must(wire_write_request(line, sizeof(line), &request) > 0);
}

/* What a waiter does now and then in case the daemon is frozen. */
static void look_for_markers(int times)
{
	struct marker_place place;

	must(marker_place_init(&place, "/proc/self", NULL) == 0);
	while (times-- > 0)
		must(marker_is_absent(&place, 12345));
}

static void on_leaving(struct registry_entry *entry, void *context)
{
	(void)context;
	(void)entry;
}

static void on_settled(
    struct registry_wait *wait, const struct registry_entry *entry, const struct readyd_answer *told)
{
	(void)wait;
	(void)entry;
	(void)told;
}

static void settle_all(struct registry *registry, int count)
{
	for (int i = 1; i <= count; i++)
		registry_settle(registry, registry_find(registry, (pid_t)i), &answer);
}

/* That many processes, and a wait for each: it is found, becomes due, and is settled. */
static void wait_for_all(int times)
{
	struct registry_wait *waits = calloc((size_t)times + 1, sizeof(*waits));
	struct quota quota;
	static const struct registry_wait_kind kind = {.settled = on_settled};
	struct registry *registry;
	struct quota_user *user;

	must(waits != NULL);
	quota_init(&quota, 1, &(struct quota_config){65536, 1000, 1000});
	user = quota_enter(&quota, 1);
	registry = registry_new(&quota, 0, on_leaving, NULL);
	for (int i = 1; i <= times; i++) {
		const struct process process = {.pid = i, .fd = -1, .ns_pid = i, .start = 1};
		struct registry_entry *entry =
		    registry_enter(registry, &process, &(struct history){.absent_seen = true}, user);

		waits[i].kind = &kind;
		registry_attach(registry, entry, &waits[i]);
		registry_queue(registry, entry);
	}
	for (int i = 1; i <= times; i++)
		must(registry_next_due(registry, (uint64_t)i) != NULL);
	settle_all(registry, times);
	registry_free(registry);
	quota_leave(&quota, user);
	free(waits);
}

static const struct {
	const char *name;
	void (*repeat)(int times);
} kinds[] = {{"request", parse_requests}, {"reply", parse_replies}, {"answer", write_answers},
    {"sent", write_requests}, {"look", look_for_markers}, {"wait", wait_for_all}};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 3 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, argv[1]) == 0) {
			kinds[i].repeat(atoi(argv[2]));
			return 0;
		}
	fprintf(stderr, "usage: instructions request|reply|answer|sent|look|wait TIMES\n");
	return 2;
}
