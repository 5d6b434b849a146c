#include "config.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "fleet/topic.h"
#include "src/number.h"

#define ROOT "readyd/1/"

bool topic_is_node(const char *text, size_t length)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

	return length > 0 && length < TOPIC_NODE_SIZE && strspn(text, allowed) >= length;
}

void topic_of_status(char topic[TOPIC_SIZE], const char *node)
{
	snprintf(topic, TOPIC_SIZE, ROOT "%s/status", node);
}

void topic_of_process(char topic[TOPIC_SIZE], const char *node, pid_t pid, uint64_t start)
{
	snprintf(topic, TOPIC_SIZE, ROOT "%s/process/%ld:%" PRIu64, node, (long)pid, start);
}

void topic_of_processes(char topic[TOPIC_SIZE], const char *node)
{
	snprintf(topic, TOPIC_SIZE, ROOT "%s/process/+", node);
}

int topic_parse_process(const char *text, pid_t *pid, uint64_t *start)
{
	size_t digits = strcspn(text, ":");
	uint64_t number;

	if (*text == '0' || number_parse(text, digits, INT_MAX, &number) != 0)
		return -1;
	*pid = (pid_t)number;
	*start = 0;
	text += digits;
	if (*text == '\0')
		return 0;
	return text[1] == '0' ? -1 : number_parse(text + 1, strlen(text + 1), UINT64_MAX, start);
}

/* One process has one topic, so digits that could be written in another way are refused. */
static int parse_rest(const char *rest, struct topic *topic)
{
	char again[TOPIC_SIZE];

	if (strcmp(rest, "/status") == 0) {
		topic->kind = TOPIC_STATUS;
		return 0;
	}
	if (strncmp(rest, "/process/", 9) != 0 ||
	    topic_parse_process(rest + 9, &topic->pid, &topic->start) != 0)
		return -1;
	topic->kind = TOPIC_PROCESS;
	snprintf(again, sizeof(again), "%ld:%" PRIu64, (long)topic->pid, topic->start);
	return strcmp(again, rest + 9) == 0 ? 0 : -1;
}

int topic_parse(const char *text, struct topic *topic)
{
	size_t length;

	if (strncmp(text, ROOT, strlen(ROOT)) != 0)
		return -1;
	text += strlen(ROOT);
	length = strcspn(text, "/");
	if (!topic_is_node(text, length))
		return -1;
	*topic = (struct topic){.kind = TOPIC_STATUS};
	memcpy(topic->node, text, length);
	return parse_rest(text + length, topic);
}
