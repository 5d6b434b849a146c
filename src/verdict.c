#include "config.h"

#include <string.h>

#include "src/verdict.h"

const char *readyd_verdict_name(enum readyd_verdict verdict)
{
	switch (verdict) {
	case READYD_READY:
		return "ready";
	case READYD_PENDING:
		return "pending";
	case READYD_DIED:
		return "died";
	case READYD_EXITED:
		return "exited";
	case READYD_STALE:
		return "stale";
	case READYD_UNREACHABLE:
		return "unreachable";
	}
	return NULL;
}

const char *readyd_reason_name(enum readyd_reason reason)
{
	switch (reason) {
	case READYD_REASON_NONE:
		return NULL;
	case READYD_REASON_DEADLINE:
		return "deadline";
	case READYD_REASON_NOT_A_FILE:
		return "not-a-file";
	case READYD_REASON_NOT_STARTED:
		return "not-started";
	case READYD_REASON_NO_PROCESS:
		return "no-process";
	case READYD_REASON_PID_REUSED:
		return "pid-reused";
	case READYD_REASON_OLDER:
		return "older-than-process";
	case READYD_REASON_FOREIGN_OWNER:
		return "foreign-owner";
	case READYD_REASON_NO_DIRECTORY:
		return "no-directory";
	case READYD_REASON_DIRECTORY_DENIED:
		return "directory-denied";
	case READYD_REASON_NAMESPACE_DENIED:
		return "namespace-denied";
	case READYD_REASON_NAME_COLLISION:
		return "name-collision";
	case READYD_REASON_NO_RESOURCES:
		return "no-resources";
	case READYD_REASON_IDENTITY_UNKNOWN:
		return "identity-unknown";
	case READYD_REASON_AGE_UNKNOWN:
		return "age-unknown";
	case READYD_REASON_LOOK_FAILED:
		return "look-failed";
	case READYD_REASON_DIRECTORY_HANGS:
		return "directory-hangs";
	case READYD_REASON_DAEMON_UNTRUSTED:
		return "daemon-untrusted";
	case READYD_REASON_CAME_AND_WENT:
		return "came-and-went";
	case READYD_REASON_CONNECTION_LOST:
		return "connection-lost";
	case READYD_REASON_NODE_OFFLINE:
		return "node-offline";
	}
	return NULL;
}

static int is_word(const char *name, const char *word, size_t len)
{
	return strlen(name) == len && memcmp(name, word, len) == 0;
}

int verdict_parse(const char *word, size_t len, enum readyd_verdict *verdict)
{
	const char *name;

	for (int v = 0; (name = readyd_verdict_name((enum readyd_verdict)v)) != NULL; v++) {
		if (is_word(name, word, len)) {
			*verdict = (enum readyd_verdict)v;
			return 0;
		}
	}
	return -1;
}

int reason_parse(const char *word, size_t len, enum readyd_reason *reason)
{
	const char *name;

	for (int r = 1; (name = readyd_reason_name((enum readyd_reason)r)) != NULL; r++) {
		if (is_word(name, word, len)) {
			*reason = (enum readyd_reason)r;
			return 0;
		}
	}
	return -1;
}

const char *readyd_change_name(enum readyd_change change)
{
	switch (change) {
	case READYD_CHANGE_SNAPSHOT:
		return "snapshot";
	case READYD_CHANGE_STATE:
		return "state";
	case READYD_CHANGE_LIVE:
		return "live";
	case READYD_CHANGE_RESUMED:
		return "resumed";
	case READYD_CHANGE_GAP:
		return "gap";
	case READYD_CHANGE_LOST:
		return "lost";
	case READYD_CHANGE_READY:
		return "ready";
	case READYD_CHANGE_EXITED:
		return "exited";
	case READYD_CHANGE_DIED:
		return "died";
	case READYD_CHANGE_STALE:
		return "stale";
	case READYD_CHANGE_REMOVED:
		return "removed";
	case READYD_CHANGE_REWRITTEN:
		return "rewritten";
	case READYD_CHANGE_WAITED:
		return "waited";
	case READYD_CHANGE_FORGOTTEN:
		return "forgotten";
	}
	return NULL;
}

int verdict_exit_code(enum readyd_verdict verdict)
{
	switch (verdict) {
	case READYD_READY:
		return 0;
	case READYD_PENDING:
		return 1;
	case READYD_DIED:
		return 3;
	case READYD_EXITED:
		return 4;
	case READYD_STALE:
		return 5;
	case READYD_UNREACHABLE:
		return 6;
	}
	return 125;
}
