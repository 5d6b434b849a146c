#include "config.h"

#include "fleet/bridge.h"
#include "src/clock.h"
#include "src/verdict.h"

/* In one turn. */
#define QUESTIONS_MAX 64
/* After a daemon did not answer. */
#define RETRY_MS 1000

/* It has ended since the daemon that knew it was killed. One that was ready has not lost its marker before.
 */
static void put_ended(
    struct bridge *bridge, const struct mirror_entry *entry, const struct readyd_answer *answer, int64_t now)
{
	struct payload_process state = entry->state;

	state.verdict = state.verdict == READYD_READY ? READYD_EXITED : answer->verdict;
	state.reason = state.verdict == READYD_DIED ? answer->reason : READYD_REASON_NONE;
	state.wait_status = answer->wait_status;
	state.status_hidden = (answer->flags & READYD_FLAG_STATUS_HIDDEN) != 0;
	state.epoch = bridge->epoch;
	state.seq = bridge->seq;
	state.time_ms = clock_now_ns(CLOCK_REALTIME) / 1000000;
	mirror_put(&bridge->mirror, (pid_t)entry->key.pid, entry->key.start, &state, now, 0);
}

static int ask(struct bridge *bridge, struct mirror_entry *entry, int64_t now)
{
	struct readyd_options options = bridge->options->daemon;
	struct readyd_answer answer = READYD_ANSWER_INIT;

	options.backend = READYD_BACKEND_DAEMON;
	if (readyd_query_exact(&options, (pid_t)entry->key.pid, entry->key.start, &answer) != 0)
		return -1;
	if (verdict_is_process_gone(answer.verdict))
		put_ended(bridge, entry, &answer, now);
	else
		mirror_still_lives(&bridge->mirror, entry, now);
	return 0;
}

int bridge_ask_unlisted(struct bridge *bridge, int64_t now)
{
	struct mirror_entry *entry = NULL;
	int64_t at;

	for (int i = 0; i < QUESTIONS_MAX && now >= bridge->ask_at; i++) {
		entry = mirror_unlisted(&bridge->mirror);
		if (bridge->is_lost || entry == NULL || entry->due_at > now)
			break;
		if (ask(bridge, entry, now) != 0)
			bridge->ask_at = now + RETRY_MS;
	}
	entry = mirror_unlisted(&bridge->mirror);
	if (bridge->is_lost || entry == NULL)
		return -1;
	at = entry->due_at > bridge->ask_at ? entry->due_at : bridge->ask_at;
	return at > now ? (int)(at - now) : 0;
}
