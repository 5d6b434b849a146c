#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "fleet/json.h"
#include "fleet/payload.h"
#include "src/verdict.h"

static const char *const states[] = {"offline", "online", "unknown"};

const char *payload_state_name(enum payload_state state)
{
	return states[state];
}

size_t payload_write_status(char buf[PAYLOAD_SIZE], const struct payload_status *status)
{
	char version[2 * sizeof(status->version)];

	json_quote(version, sizeof(version), status->version);
	return (size_t)snprintf(buf, PAYLOAD_SIZE,
	    "{\"state\":\"%s\",\"epoch\":%" PRIu64 ",\"version\":%s,\"time_ms\":%" PRId64 "}",
	    states[status->state], status->epoch, version, status->time_ms);
}

/* The status of the exit, or the signal; see readyctl(1), --json. */
static void write_end(char *buf, size_t size, const struct payload_process *p)
{
	if (p->status_hidden)
		snprintf(buf, size, "\"hidden\"");
	else if (p->wait_status >= 0 && WIFEXITED(p->wait_status))
		snprintf(buf, size, "%d", WEXITSTATUS(p->wait_status));
	else if (p->wait_status >= 0 && WIFSIGNALED(p->wait_status))
		snprintf(buf, size, "null,\"signal\":%d%s", WTERMSIG(p->wait_status),
		    WCOREDUMP(p->wait_status) ? ",\"core\":true" : "");
	else
		snprintf(buf, size, "null");
}

size_t payload_write_members(char *buf, size_t size, const struct payload_process *process)
{
	const char *reason = readyd_reason_name(process->reason), *quote = reason != NULL ? "\"" : "";
	char end[64], name[8 * PAYLOAD_NAME];

	write_end(end, sizeof(end), process);
	json_quote(name, sizeof(name), process->name);
	return (size_t)snprintf(buf, size,
	    "\"verdict\":\"%s\",\"reason\":%s%s%s,\"status\":%s,\"epoch\":%" PRIu64 ",\"seq\":%" PRIu64
	    ",\"time_ms\":%" PRId64 ",\"name\":%s",
	    readyd_verdict_name(process->verdict), quote, reason != NULL ? reason : "null", quote, end,
	    process->epoch, process->seq, process->time_ms, name);
}

size_t payload_write_process(char buf[PAYLOAD_SIZE], const struct payload_process *process)
{
	char members[PAYLOAD_SIZE - 2];

	(void)payload_write_members(members, sizeof(members), process);
	return (size_t)snprintf(buf, PAYLOAD_SIZE, "{%s}", members);
}

static bool is(const struct json_member *member, const char *key)
{
	return strcmp(member->key, key) == 0;
}

static bool take_number(const struct json_member *member, uint64_t max, uint64_t *value)
{
	*value = member->number;
	return member->type == JSON_NUMBER && member->number <= max;
}

static bool take_time(const struct json_member *member, int64_t *time_ms)
{
	uint64_t value;

	if (!take_number(member, INT64_MAX, &value))
		return false;
	*time_ms = (int64_t)value;
	return true;
}

static bool take_text(const struct json_member *member, char *buf, size_t size)
{
	if (member->type != JSON_STRING || strlen(member->string) >= size)
		return false;
	memcpy(buf, member->string, strlen(member->string) + 1);
	return true;
}

static bool take_state(const struct json_member *member, enum payload_state *state)
{
	for (size_t i = 0; member->type == JSON_STRING && i < sizeof(states) / sizeof(states[0]); i++) {
		if (strcmp(member->string, states[i]) == 0) {
			*state = (enum payload_state)i;
			return true;
		}
	}
	return false;
}

/* Members that are read once each; what is not known is skipped. */
enum { HAS_STATE = 1, HAS_EPOCH = 2, HAS_TIME = 4, HAS_VERDICT = 8, HAS_REASON = 16, HAS_STATUS = 32 };
enum { HAS_SIGNAL = 64, HAS_SEQ = 128, HAS_NAME = 256, HAS_VERSION = 512, HAS_CORE = 1024 };

static unsigned status_member(const struct json_member *member)
{
	return is(member, "state")     ? HAS_STATE
	       : is(member, "epoch")   ? HAS_EPOCH
	       : is(member, "time_ms") ? HAS_TIME
	       : is(member, "version") ? HAS_VERSION
				       : 0;
}

static bool take_status_member(
    unsigned which, const struct json_member *member, struct payload_status *status)
{
	switch (which) {
	case HAS_STATE:
		return take_state(member, &status->state);
	case HAS_EPOCH:
		return take_number(member, UINT64_MAX, &status->epoch);
	case HAS_TIME:
		return take_time(member, &status->time_ms);
	case HAS_VERSION:
		return take_text(member, status->version, sizeof(status->version));
	default:
		return true;
	}
}

static const char not_json[] = "not a flat JSON object", too_long[] = "longer than 1024 bytes",
		  twice[] = "a member is there twice", bad_value[] = "a member has an impossible value",
		  incomplete[] = "a member is missing";

const char *payload_read_status(const char *text, size_t length, struct payload_status *status)
{
	struct json_member member;
	unsigned seen = 0, which;
	struct json json;
	int result;

	_Static_assert(PAYLOAD_SIZE == 1024, "the message gives the limit");
	if (length > PAYLOAD_SIZE)
		return too_long;
	*status = (struct payload_status){.state = PAYLOAD_OFFLINE};
	json_init(&json, text, length);
	while ((result = json_next(&json, &member)) == 1) {
		which = status_member(&member);
		if ((seen & which) != 0)
			return twice;
		if (!take_status_member(which, &member, status))
			return bad_value;
		seen |= which;
	}
	if (result < 0)
		return not_json;
	return (seen & (HAS_STATE | HAS_EPOCH)) == (HAS_STATE | HAS_EPOCH) ? NULL : incomplete;
}

static unsigned process_member(const struct json_member *member)
{
	static const struct {
		const char *key;
		unsigned which;
	} keys[] = {{"verdict", HAS_VERDICT}, {"reason", HAS_REASON}, {"status", HAS_STATUS},
	    {"signal", HAS_SIGNAL}, {"core", HAS_CORE}, {"epoch", HAS_EPOCH}, {"seq", HAS_SEQ},
	    {"time_ms", HAS_TIME}, {"name", HAS_NAME}};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (is(member, keys[i].key))
			return keys[i].which;
	return 0;
}

/* A reason of a later version counts as none. */
static bool take_reason(const struct json_member *member, enum readyd_reason *reason)
{
	*reason = READYD_REASON_NONE;
	if (member->type == JSON_STRING)
		(void)reason_parse(member->string, strlen(member->string), reason);
	return member->type == JSON_STRING || member->type == JSON_NULL;
}

static bool take_exit(const struct json_member *member, struct payload_process *process)
{
	uint64_t value;

	process->status_hidden = member->type == JSON_STRING && strcmp(member->string, "hidden") == 0;
	if (process->status_hidden || member->type == JSON_NULL)
		return true;
	if (!take_number(member, 255, &value))
		return false;
	process->wait_status = W_EXITCODE((int)value, 0);
	return true;
}

static bool take_signal(const struct json_member *member, struct payload_process *process)
{
	uint64_t value;

	if (!take_number(member, 126, &value) || value == 0)
		return false;
	process->wait_status = W_EXITCODE(0, (int)value);
	return true;
}

static bool take_process_member(
    unsigned which, const struct json_member *member, struct payload_process *process)
{
	switch (which) {
	case HAS_VERDICT:
		return member->type == JSON_STRING &&
		       verdict_parse(member->string, strlen(member->string), &process->verdict) == 0;
	case HAS_REASON:
		return take_reason(member, &process->reason);
	case HAS_STATUS:
		return take_exit(member, process);
	case HAS_SIGNAL:
		return take_signal(member, process);
	case HAS_CORE:
		return member->type == JSON_TRUE || member->type == JSON_FALSE;
	case HAS_EPOCH:
		return take_number(member, UINT64_MAX, &process->epoch);
	case HAS_SEQ:
		return take_number(member, UINT64_MAX, &process->seq);
	case HAS_TIME:
		return take_time(member, &process->time_ms);
	case HAS_NAME:
		return take_text(member, process->name, sizeof(process->name));
	default:
		return true;
	}
}

const char *payload_read_process(const char *text, size_t length, struct payload_process *process)
{
	const unsigned needed = HAS_VERDICT | HAS_EPOCH | HAS_SEQ;
	struct json_member member;
	unsigned seen = 0, which;
	struct json json;
	int result;

	if (length > PAYLOAD_SIZE)
		return too_long;
	*process = (struct payload_process){.verdict = READYD_PENDING, .wait_status = -1};
	json_init(&json, text, length);
	while ((result = json_next(&json, &member)) == 1) {
		which = process_member(&member);
		if ((seen & which) != 0)
			return twice;
		if (!take_process_member(which, &member, process))
			return bad_value;
		seen |= which;
	}
	if (result < 0)
		return not_json;
	return (seen & needed) == needed ? NULL : incomplete;
}
