#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "fleet/print.h"
#include "fleet/say.h"
#include "fleet/target.h"
#include "src/escape.h"
#include "src/verdict.h"

static void print_status(const struct readyd_answer *answer)
{
	int status = answer->wait_status;

	if (status >= 0 && WIFEXITED(status))
		printf(" status=%d", WEXITSTATUS(status));
	else if (status >= 0 && WIFSIGNALED(status))
		printf(" signal=%d", WTERMSIG(status));
	else if ((answer->flags & READYD_FLAG_STATUS_HIDDEN) != 0)
		printf(" status=hidden");
	else if (verdict_is_process_gone(answer->verdict))
		printf(" status=unknown");
}

void print_answer(const char *node, const struct readyd_answer *answer, const char *last, const char *name)
{
	const char *reason = readyd_reason_name(answer->reason);
	char text[TARGET_NAME_SIZE], escaped[4 * PAYLOAD_NAME];

	printf("%s %s", readyd_verdict_name(answer->verdict), target_name(text, node, answer->pid));
	if (answer->start != 0)
		printf(" start=%" PRIu64, answer->start);
	if (reason != NULL)
		printf(" reason=%s", reason);
	print_status(answer);
	if (last != NULL)
		printf(" last=%s", last);
	if (name != NULL && name[0] != '\0')
		printf(" name=%s", escape_text(escaped, sizeof(escaped), name));
	putchar('\n');
}

const char *print_last(const struct decision *decision)
{
	if (decision->process == NULL || decision->cause == DECISION_ANSWERED ||
	    decision->cause == DECISION_PROCESS_WAITS)
		return NULL;
	return readyd_verdict_name(decision->process->state.verdict);
}

void print_cause(char *text, size_t size, const char *node, const struct decision *d)
{
	const char *last = print_last(d), *known = last != NULL ? "; last known: " : "";
	const char *reason = readyd_reason_name(d->answer.reason);

	switch (d->cause) {
	case DECISION_NODE_NEVER_SEEN:
		snprintf(text, size, "node %s has told the broker nothing", node);
		return;
	case DECISION_NODE_DOUBTFUL:
		snprintf(text, size, "node %s was online, but has given no sign of life since%s%s", node,
		    known, last != NULL ? last : "");
		return;
	case DECISION_NODE_UNKNOWN:
		snprintf(text, size, "readyd of node %s does not answer%s%s", node, known,
		    last != NULL ? last : "");
		return;
	case DECISION_NODE_OFFLINE:
		snprintf(text, size, "node %s is offline%s%s", node, known, last != NULL ? last : "");
		return;
	case DECISION_PROCESS_UNKNOWN:
		snprintf(text, size,
		    "node %s is online and knows no such process: it is neither ready nor waited for there",
		    node);
		return;
	case DECISION_PROCESS_OLD:
		snprintf(text, size, "node %s has not spoken of it since its readyd was started%s%s", node,
		    known, last != NULL ? last : "");
		return;
	case DECISION_PROCESS_WAITS:
	case DECISION_ANSWERED:
		snprintf(text, size, "it is %s%s%s", readyd_verdict_name(d->answer.verdict),
		    reason != NULL ? ", reason: " : "", reason != NULL ? reason : "");
		return;
	}
}

int print_flush(void)
{
	static bool failed;

	if (fflush(stdout) != 0 && !failed) {
		failed = true;
		say("cannot write to standard output: %s", strerror(errno));
	}
	return failed ? -1 : 0;
}
