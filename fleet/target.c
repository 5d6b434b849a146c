#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "fleet/say.h"
#include "fleet/target.h"

/* What is wrong with the word after the slash. */
static const char *hint_for(const char *word)
{
	const char *colon = strchr(word, ':');

	_Static_assert(INT_MAX == 2147483647, "the message gives the limit");
	if (*word == '\0' || *word == '0' || *word == ':' || word[strspn(word, "0123456789:")] != '\0' ||
	    (colon != NULL && (colon[1] == '\0' || colon[1] == '0' || strchr(colon + 1, ':') != NULL)))
		return "after the node, use PID or PID:START, positive decimal numbers without leading zeros";
	return "out of range; a pid is from 1 to 2147483647, a start from 1 to 18446744073709551615";
}

int target_parse(const char *text, struct target *target)
{
	const char *slash = strchr(text, '/');
	size_t length = slash != NULL ? (size_t)(slash - text) : 0;

	if (slash == NULL)
		return say_usage("process", text, "use NODE/PID or NODE/PID:START");
	if (!topic_is_node(text, length))
		return say_usage("process", text, "the node is not 1 to 64 of A-Z a-z 0-9 . _ -");
	*target = (struct target){.start = 0};
	memcpy(target->node, text, length);
	if (topic_parse_process(slash + 1, &target->pid, &target->start) != 0)
		return say_usage("process", text, hint_for(slash + 1));
	return 0;
}

bool target_is_same(const struct target *a, const struct target *b)
{
	return a->pid == b->pid && a->start == b->start && strcmp(a->node, b->node) == 0;
}

const char *target_name(char buf[TARGET_NAME_SIZE], const char *node, pid_t pid)
{
	snprintf(buf, TARGET_NAME_SIZE, "%s/%ld", node, (long)pid);
	return buf;
}
