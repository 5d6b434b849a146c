/*
 * What others publish below the fleet's topics, and where: a message that is accepted means the same when it
 * is written again, and a topic that is accepted is exactly what this program would name it.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "fleet/payload.h"
#include "fleet/topic.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/json.h"

static void check_json(const char *text, size_t len)
{
	struct json_seen seen;

	fuzz_check(len < PAYLOAD_SIZE && json_is_valid(text, len, NULL, &seen));
	fuzz_check(seen.is_object && !seen.has_repeated);
}

static void check_status(const char *text, size_t len)
{
	struct payload_status status, again;
	char written[PAYLOAD_SIZE];
	size_t length;

	memset(&status, 0, sizeof(status));
	if (payload_read_status(text, len, &status) != NULL)
		return;
	length = payload_write_status(written, &status);
	check_json(written, length);
	fuzz_check(payload_read_status(written, length, &again) == NULL);
	fuzz_check(
	    again.state == status.state && again.epoch == status.epoch && again.time_ms == status.time_ms);
	fuzz_check(strcmp(again.version, status.version) == 0);
}

static void check_process(const char *text, size_t len)
{
	struct payload_process process, again;
	char written[PAYLOAD_SIZE];
	size_t length;

	memset(&process, 0, sizeof(process));
	if (payload_read_process(text, len, &process) != NULL)
		return;
	length = payload_write_process(written, &process);
	check_json(written, length);
	fuzz_check(payload_read_process(written, length, &again) == NULL);
	fuzz_check(again.verdict == process.verdict && again.reason == process.reason);
	fuzz_check(
	    again.epoch == process.epoch && again.seq == process.seq && again.time_ms == process.time_ms);
	fuzz_check(again.wait_status == process.wait_status && again.status_hidden == process.status_hidden);
}

static void check_topic(const char *text)
{
	char again[TOPIC_SIZE];
	struct topic topic;

	if (topic_parse(text, &topic) != 0)
		return;
	fuzz_check(topic_is_node(topic.node, strlen(topic.node)));
	if (topic.kind == TOPIC_STATUS)
		topic_of_status(again, topic.node);
	else
		topic_of_process(again, topic.node, topic.pid, topic.start);
	fuzz_check(strcmp(again, text) == 0);
}

static void one(const uint8_t *data, size_t size)
{
	char *text = fuzz_copy(data, size), *topic = fuzz_text(data, size);

	check_status(text, size);
	check_process(text, size);
	check_topic(topic);
	free(topic);
	free(text);
}

const struct fuzz_target fuzz_target = {.name = "fleet", .one = one};
