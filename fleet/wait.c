#include "config.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fleet/client.h"
#include "fleet/decision.h"
#include "fleet/memory.h"
#include "fleet/print.h"
#include "fleet/say.h"
#include "fleet/tally.h"
#include "src/clock.h"
#include "src/verdict.h"

struct waiting {
	struct line *line;
	struct client client;
	struct tally tally;
	int64_t deadline; /* -1: none */
};

static bool has_topic(char (*topics)[TOPIC_SIZE], size_t count, const char *topic)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(topics[i], topic) == 0)
			return true;
	return false;
}

static void add_topic(char (*topics)[TOPIC_SIZE], size_t *count, const char *topic)
{
	if (!has_topic(topics, *count, topic))
		memcpy(topics[(*count)++], topic, TOPIC_SIZE);
}

/* Those of the processes that are waited for. A pid without a start can be any process of its node. The
 * states of the nodes come last, when what they are compared with is probably there. */
static size_t list_topics(const struct line *line, char (*topics)[TOPIC_SIZE])
{
	char topic[TOPIC_SIZE] = "";
	size_t count = 0;

	for (size_t i = 0; i < line->target_count; i++) {
		const struct target *t = &line->targets[i];

		if (t->start != 0)
			topic_of_process(topic, t->node, t->pid, t->start);
		else
			topic_of_processes(topic, t->node);
		add_topic(topics, &count, topic);
	}
	for (size_t i = 0; i < line->target_count; i++) {
		topic_of_status(topic, line->targets[i].node);
		add_topic(topics, &count, topic);
	}
	return count;
}

static struct decision decide(const struct waiting *w, const struct target *target)
{
	return decision_make(
	    view_find(&w->client.view, target->node), target->pid, target->start, clock_ms());
}

/* A pid may have been another process's before: until what the broker retains has come, that may be all that
 * is known. */
static bool is_certain(const struct waiting *w, const struct target *target, const struct decision *d)
{
	if (!broker_is_open(w->client.broker) || !d->ends)
		return false;
	return target->start != 0 || d->answer.verdict == READYD_READY || client_is_settled(&w->client);
}

static void tell(struct waiting *w, struct target *target, const struct decision *d)
{
	char text[256], name[TARGET_NAME_SIZE];
	int code = d->answer.reason == READYD_REASON_DEADLINE ? TALLY_TIMED_OUT
							      : verdict_exit_code(d->answer.verdict);

	target->is_done = true;
	tally_take(&w->tally, code);
	print_answer(target->node, &d->answer, print_last(d), NULL);
	(void)print_flush();
	if (d->answer.reason != READYD_REASON_NODE_OFFLINE)
		return;
	print_cause(text, sizeof(text), target->node, d);
	say("%s: %s", target_name(name, target->node, target->pid), text);
}

/* -1: never. */
static int64_t sooner(int64_t a, int64_t b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
}

/* Returns when an answer may change by time alone; -1: never. */
static int64_t take_stock(struct waiting *w)
{
	int64_t due = -1, settles;

	for (size_t i = 0; i < w->line->target_count && !tally_is_decided(&w->tally); i++) {
		struct target *target = &w->line->targets[i];
		struct decision d;

		if (target->is_done)
			continue;
		d = decide(w, target);
		if (is_certain(w, target, &d)) {
			tell(w, target, &d);
			continue;
		}
		settles = d.ends ? client_settles_in(&w->client) : -1;
		due = sooner(due, settles >= 0 ? clock_ms() + settles : -1);
		due = sooner(due, view_condition_until(view_find(&w->client.view, target->node)));
	}
	return due;
}

static int64_t left(const struct waiting *w, int64_t due)
{
	int64_t at = sooner(w->deadline, due), now = clock_ms();

	if (at < 0)
		return -1;
	return at > now ? at - now : 0;
}

/* Without a connection, nothing is known; with one, the process is pending. */
static void close_one(struct waiting *w, struct target *target, bool timed_out)
{
	struct decision d = decide(w, target);
	bool is_open = broker_is_open(w->client.broker);
	char text[1024], name[TARGET_NAME_SIZE];

	if (is_open)
		print_cause(text, sizeof(text), target->node, &d);
	else
		snprintf(text, sizeof(text), "no connection to the broker %s:%u: %s",
		    broker_address(w->client.broker)->host, broker_address(w->client.broker)->port,
		    w->client.why[0] != '\0' ? w->client.why : "it has not answered yet");
	say("%s after %" PRId64 " ms: %s: %s", timed_out ? "timed out" : "interrupted",
	    timed_out ? w->line->timeout_ms : clock_ms() - w->line->began,
	    target_name(name, target->node, target->pid), text);
	d.answer.verdict = is_open ? READYD_PENDING : READYD_UNREACHABLE;
	d.answer.reason = !is_open    ? READYD_REASON_CONNECTION_LOST
			  : timed_out ? READYD_REASON_DEADLINE
				      : READYD_REASON_NONE;
	d.answer.wait_status = -1;
	tell(w, target, &d);
}

static int finish(struct waiting *w, enum client_outcome outcome)
{
	bool is_decided = tally_is_decided(&w->tally);

	if (outcome == CLIENT_FAILED)
		return EXIT_FAILED;
	for (size_t i = 0; !is_decided && i < w->line->target_count; i++)
		if (!w->line->targets[i].is_done)
			close_one(w, &w->line->targets[i], outcome == CLIENT_GOES_ON);
	if (print_flush() != 0)
		return EXIT_FAILED;
	if (!is_decided && outcome == CLIENT_INTERRUPTED)
		client_die(&w->client);
	return tally_exit_code(&w->tally, !is_decided);
}

static int wait_for_answers(struct waiting *w)
{
	enum client_outcome outcome = CLIENT_GOES_ON;
	int64_t due;

	for (;;) {
		due = take_stock(w);
		if (tally_is_decided(&w->tally) || outcome != CLIENT_GOES_ON)
			return finish(w, outcome);
		if (w->deadline >= 0 && clock_ms() >= w->deadline)
			return finish(w, CLIENT_GOES_ON);
		outcome = client_turn(&w->client, left(w, due));
	}
}

/* Resolving the name of the broker may take longer than the time-out, and cannot be interrupted. */
static void on_alarm(int number)
{
	static const char text[] = "readyctl fleet: timed out while the name of the broker was resolved\n";

	(void)number;
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(EXIT_UNREACHABLE);
}

static void limit_resolving(int64_t timeout_ms)
{
	if (timeout_ms < 0)
		return;
	(void)signal(SIGALRM, on_alarm);
	(void)alarm((unsigned)(timeout_ms / 1000 + 5));
}

int command_wait(struct line *line)
{
	struct waiting w = {.line = line, .deadline = -1};
	char(*topics)[TOPIC_SIZE] = memory_new(2 * line->target_count * TOPIC_SIZE);
	int code = EXIT_FAILED;

	w.tally.total = line->target_count;
	w.tally.needed = line->count > 0 ? line->count : line->target_count;
	if (line->timeout_ms >= 0)
		w.deadline = line->began + line->timeout_ms;
	limit_resolving(line->timeout_ms);
	if (client_open(&w.client, line, topics, list_topics(line, topics)) == 0)
		code = wait_for_answers(&w);
	else
		say("cannot wait: out of memory or descriptors");
	client_close(&w.client);
	return code;
}
