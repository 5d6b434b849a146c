#include "fleet/backoff.h"
#include "fleet/decision.h"
#include "fleet/tally.h"
#include "tests/unit.h"

/* Both clocks of a reader, for all that is below. */
#define NOW	 1000000
#define NOW_REAL 1764249000000

static struct view view;

static void say_status(enum payload_state state, uint64_t epoch, int64_t age_ms, bool retained, int64_t at)
{
	struct payload_status status = {
	    .state = state, .epoch = epoch, .time_ms = NOW_REAL + (at - NOW) - age_ms};
	struct view_moment moment = {.ms = at, .real_ms = NOW_REAL + (at - NOW), .retained = retained};

	(void)view_put_status(&view, "n", &status, &moment);
}

static enum view_change say_process(
    pid_t pid, uint64_t start, enum readyd_verdict verdict, uint64_t epoch, uint64_t seq)
{
	struct payload_process state = {.verdict = verdict, .wait_status = -1, .epoch = epoch, .seq = seq};
	struct view_process *process;

	return view_put_process(&view, "n", pid, start, &state, &process);
}

static struct decision decide(pid_t pid, uint64_t start, int64_t at)
{
	return decision_make(view_find(&view, "n"), pid, start, at);
}

static void setup(void)
{
	view = (struct view){.nodes = NULL};
}

static void teardown(void)
{
	view_free(&view);
	ck_assert_uint_eq(view.node_count, 0);
	ck_assert_uint_eq(view.process_count, 0);
}

/* Each state of a node with each state of a process. Only a node that is online lends its word to what lives;
 * what has ended stays so within its epoch. */
static const struct {
	int state; /* of the node; -1: none */
	int64_t age_ms;
	bool retained;
	uint64_t epoch; /* of the process; that of the node is 2 */
	int verdict;	/* of the process; -1: none */
	bool ends;
	enum readyd_verdict answer;
	enum decision_cause cause;
} rows[] = {
    {-1, 0, 0, 2, READYD_READY, false, READYD_PENDING, DECISION_NODE_NEVER_SEEN},
    {-1, 0, 0, 2, READYD_DIED, false, READYD_PENDING, DECISION_NODE_NEVER_SEEN},
    {-1, 0, 0, 2, -1, false, READYD_PENDING, DECISION_NODE_NEVER_SEEN},
    {PAYLOAD_ONLINE, 0, 1, 2, READYD_READY, true, READYD_READY, DECISION_ANSWERED},
    {PAYLOAD_ONLINE, 0, 1, 2, READYD_EXITED, true, READYD_EXITED, DECISION_ANSWERED},
    {PAYLOAD_ONLINE, 0, 1, 2, READYD_DIED, true, READYD_DIED, DECISION_ANSWERED},
    {PAYLOAD_ONLINE, 0, 1, 2, READYD_PENDING, false, READYD_PENDING, DECISION_PROCESS_WAITS},
    {PAYLOAD_ONLINE, 0, 1, 2, READYD_STALE, false, READYD_STALE, DECISION_PROCESS_WAITS},
    {PAYLOAD_ONLINE, 0, 1, 2, READYD_UNREACHABLE, true, READYD_UNREACHABLE, DECISION_ANSWERED},
    {PAYLOAD_ONLINE, 0, 1, 2, -1, false, READYD_PENDING, DECISION_PROCESS_UNKNOWN},
    {PAYLOAD_ONLINE, 0, 1, 1, READYD_READY, false, READYD_PENDING, DECISION_PROCESS_OLD},
    {PAYLOAD_ONLINE, 0, 1, 3, READYD_READY, false, READYD_PENDING, DECISION_PROCESS_OLD},
    {PAYLOAD_ONLINE, 0, 1, 1, READYD_EXITED, false, READYD_PENDING, DECISION_PROCESS_OLD},
    /* By an old message alone, the node may have been cut off while its broker was away. */
    {PAYLOAD_ONLINE, VIEW_SILENCE_MS - 1, 1, 2, READYD_READY, true, READYD_READY, DECISION_ANSWERED},
    {PAYLOAD_ONLINE, VIEW_SILENCE_MS, 1, 2, READYD_READY, false, READYD_PENDING, DECISION_NODE_DOUBTFUL},
    {PAYLOAD_ONLINE, VIEW_SILENCE_MS, 1, 2, READYD_DIED, true, READYD_DIED, DECISION_ANSWERED},
    {PAYLOAD_ONLINE, -VIEW_SILENCE_MS, 1, 2, READYD_READY, false, READYD_PENDING, DECISION_NODE_DOUBTFUL},
    {PAYLOAD_ONLINE, INT64_MAX / 2, 1, 2, READYD_READY, false, READYD_PENDING, DECISION_NODE_DOUBTFUL},
    /* One that has just been published is a sign of life, whatever the clock of its node says. */
    {PAYLOAD_ONLINE, INT64_MAX / 2, 0, 2, READYD_READY, true, READYD_READY, DECISION_ANSWERED},
    {PAYLOAD_UNKNOWN, 0, 1, 2, READYD_READY, false, READYD_PENDING, DECISION_NODE_UNKNOWN},
    {PAYLOAD_UNKNOWN, 0, 1, 2, READYD_DIED, true, READYD_DIED, DECISION_ANSWERED},
    {PAYLOAD_UNKNOWN, 0, 1, 2, -1, false, READYD_PENDING, DECISION_NODE_UNKNOWN},
    {PAYLOAD_OFFLINE, 0, 1, 2, READYD_READY, true, READYD_UNREACHABLE, DECISION_NODE_OFFLINE},
    {PAYLOAD_OFFLINE, 0, 0, 2, READYD_READY, true, READYD_UNREACHABLE, DECISION_NODE_OFFLINE},
    {PAYLOAD_OFFLINE, 0, 1, 2, READYD_PENDING, true, READYD_UNREACHABLE, DECISION_NODE_OFFLINE},
    {PAYLOAD_OFFLINE, 0, 1, 2, READYD_EXITED, true, READYD_EXITED, DECISION_ANSWERED},
    {PAYLOAD_OFFLINE, 0, 1, 1, READYD_EXITED, true, READYD_UNREACHABLE, DECISION_NODE_OFFLINE},
    {PAYLOAD_OFFLINE, 0, 1, 2, -1, true, READYD_UNREACHABLE, DECISION_NODE_OFFLINE},
};

START_TEST(decides)
{
	struct decision d;

	if (rows[_i].verdict >= 0)
		say_process(7, 70, (enum readyd_verdict)rows[_i].verdict, rows[_i].epoch, 1);
	if (rows[_i].state >= 0)
		say_status((enum payload_state)rows[_i].state, 2, rows[_i].age_ms, rows[_i].retained, NOW);
	d = decide(7, _i % 2 == 0 ? 70 : 0, NOW);
	ck_assert_int_eq(d.ends, rows[_i].ends);
	ck_assert_int_eq(d.answer.verdict, rows[_i].answer);
	ck_assert_int_eq(d.cause, rows[_i].cause);
	ck_assert_int_eq(d.process != NULL, rows[_i].verdict >= 0);
	ck_assert_int_eq(d.answer.reason,
	    d.cause == DECISION_NODE_OFFLINE ? READYD_REASON_NODE_OFFLINE : READYD_REASON_NONE);
}
END_TEST

START_TEST(a_node_of_which_nothing_is_known_has_not_been_seen)
{
	struct decision d = decision_make(NULL, 7, 70, NOW);

	ck_assert(!d.ends);
	ck_assert_int_eq(d.cause, DECISION_NODE_NEVER_SEEN);
	ck_assert_int_eq(view_condition_until(NULL), -1);
}
END_TEST

START_TEST(a_node_that_falls_silent_is_offline)
{
	struct decision d;

	say_status(PAYLOAD_ONLINE, 2, 0, false, NOW);
	say_process(7, 70, READYD_READY, 2, 1);
	ck_assert_int_eq(view_condition_until(view_find(&view, "n")), NOW + VIEW_SILENCE_MS);
	d = decide(7, 70, NOW + VIEW_SILENCE_MS - 1);
	ck_assert_int_eq(d.answer.verdict, READYD_READY);
	d = decide(7, 70, NOW + VIEW_SILENCE_MS);
	ck_assert_int_eq(d.cause, DECISION_NODE_OFFLINE);
	say_status(PAYLOAD_ONLINE, 2, 0, false, NOW + VIEW_SILENCE_MS);
	d = decide(7, 70, NOW + VIEW_SILENCE_MS);
	ck_assert_int_eq(d.answer.verdict, READYD_READY);
}
END_TEST

/* A doubtful node has so long for a sign of life, from when it was met. */
START_TEST(doubt_ends)
{
	say_status(PAYLOAD_ONLINE, 2, 10 * VIEW_SILENCE_MS, true, NOW);
	ck_assert_int_eq(view_condition(view_find(&view, "n"), NOW + VIEW_SILENCE_MS - 1), VIEW_DOUBTFUL);
	ck_assert_int_eq(view_condition(view_find(&view, "n"), NOW + VIEW_SILENCE_MS), VIEW_OFFLINE);
	say_status(PAYLOAD_ONLINE, 2, 0, false, NOW + 5);
	ck_assert_int_eq(view_condition(view_find(&view, "n"), NOW + 5), VIEW_ONLINE);
}
END_TEST

START_TEST(a_pid_alone_is_the_newest_of_the_present_epoch)
{
	say_status(PAYLOAD_ONLINE, 2, 0, true, NOW);
	say_process(7, 900, READYD_READY, 1, 1);
	ck_assert_int_eq(decide(7, 0, NOW).cause, DECISION_PROCESS_OLD);
	say_process(7, 70, READYD_EXITED, 2, 2);
	say_process(7, 80, READYD_READY, 2, 3);
	say_process(8, 99, READYD_DIED, 2, 4);
	ck_assert(decide(7, 0, NOW).answer.start == 80);
	ck_assert_int_eq(decide(7, 0, NOW).answer.verdict, READYD_READY);
	ck_assert_int_eq(decide(7, 70, NOW).answer.verdict, READYD_EXITED);
	view_clear_process(&view, "n", 7, 80);
	ck_assert(decide(7, 0, NOW).answer.start == 70);
}
END_TEST

/* QoS 1 delivers at least once. */
START_TEST(nothing_changes_twice)
{
	ck_assert_int_eq(say_process(7, 70, READYD_READY, 2, 5), VIEW_CHANGED);
	ck_assert_int_eq(say_process(7, 70, READYD_READY, 2, 5), VIEW_SAME);
	ck_assert_int_eq(say_process(7, 70, READYD_READY, 2, 6), VIEW_SAME);
	ck_assert_int_eq(say_process(7, 70, READYD_EXITED, 2, 7), VIEW_CHANGED);
	ck_assert_int_eq(say_process(7, 70, READYD_READY, 2, 6), VIEW_SAME);
	ck_assert_int_eq(view_find_process(view_find(&view, "n"), 7, 70)->state.verdict, READYD_EXITED);
	ck_assert_int_eq(view_clear_process(&view, "n", 7, 70), VIEW_CHANGED);
	ck_assert_int_eq(view_clear_process(&view, "n", 7, 70), VIEW_SAME);
	ck_assert_int_eq(view_clear_process(&view, "m", 7, 70), VIEW_SAME);
}
END_TEST

static void count_gone(const struct view_node *node, const struct view_process *process, void *context)
{
	(void)node;
	*(uint64_t *)context += process->key.start;
}

/* Over a lost connection, nothing counts until it is seen again; what is the same then is no change. */
START_TEST(a_new_connection_begins_without_knowledge)
{
	uint64_t gone = 0;

	say_status(PAYLOAD_ONLINE, 2, 0, true, NOW);
	say_process(7, 70, READYD_READY, 2, 5);
	say_process(8, 80, READYD_READY, 2, 6);
	view_renew(&view);
	ck_assert_int_eq(decide(7, 70, NOW).cause, DECISION_NODE_NEVER_SEEN);
	ck_assert_int_eq(decide(7, 0, NOW).cause, DECISION_NODE_NEVER_SEEN);
	say_status(PAYLOAD_ONLINE, 2, 0, true, NOW);
	ck_assert_int_eq(decide(7, 70, NOW).cause, DECISION_PROCESS_UNKNOWN);
	ck_assert_int_eq(decide(7, 0, NOW).cause, DECISION_PROCESS_UNKNOWN);
	ck_assert_int_eq(say_process(7, 70, READYD_READY, 2, 5), VIEW_SAME);
	ck_assert_int_eq(decide(7, 0, NOW).answer.verdict, READYD_READY);
	view_sweep(&view, count_gone, &gone);
	ck_assert(gone == 80);
	ck_assert_uint_eq(view.process_count, 1);
}
END_TEST

/* A broker that was killed may have an older store. What it has is what counts, until the node says more. */
START_TEST(a_new_connection_may_know_less)
{
	say_process(7, 70, READYD_EXITED, 2, 5);
	view_renew(&view);
	ck_assert_int_eq(say_process(7, 70, READYD_READY, 2, 4), VIEW_CHANGED);
	ck_assert_int_eq(say_process(7, 70, READYD_EXITED, 2, 5), VIEW_CHANGED);
}
END_TEST

static enum view_condition condition(int64_t at)
{
	return view_condition(view_find(&view, "n"), at);
}

/* So may its "offline" be of long ago, even if the connection is lost once more. It is believed at the first
 * connection, when it is said anew, and when the node does not come back. */
START_TEST(an_older_offline_is_doubted)
{
	say_status(PAYLOAD_OFFLINE, 2, 0, true, NOW);
	ck_assert_int_eq(condition(NOW), VIEW_OFFLINE);
	view_renew(&view);
	say_status(PAYLOAD_OFFLINE, 2, 0, true, NOW);
	ck_assert_int_eq(condition(NOW), VIEW_OFFLINE);
	say_status(PAYLOAD_ONLINE, 2, 0, false, NOW);
	for (int times = 1; times <= 2; times++) {
		view_renew(&view);
		say_status(PAYLOAD_OFFLINE, 2, 0, true, NOW + times);
		ck_assert_int_eq(condition(NOW + times), VIEW_DOUBTFUL);
	}
	ck_assert_int_eq(view_condition_until(view_find(&view, "n")), NOW + 2 + VIEW_RETURN_MS);
	ck_assert_int_eq(condition(NOW + 1 + VIEW_RETURN_MS), VIEW_DOUBTFUL);
	ck_assert_int_eq(condition(NOW + 2 + VIEW_RETURN_MS), VIEW_OFFLINE);
	say_status(PAYLOAD_OFFLINE, 2, 0, false, NOW + 3);
	ck_assert_int_eq(condition(NOW + 3), VIEW_OFFLINE);
}
END_TEST

START_TEST(a_cleared_status_is_none)
{
	say_status(PAYLOAD_OFFLINE, 2, 0, true, NOW);
	view_clear_status(&view, "n");
	ck_assert_int_eq(view_condition(view_find(&view, "n"), NOW), VIEW_NEVER_SEEN);
}
END_TEST

static const struct {
	size_t total, needed;
	int codes[4]; /* -1: the end */
	bool decided;
	int code, code_late; /* without and with a time-out */
} tallies[] = {
    {1, 1, {0, -1}, true, 0, 0},
    {1, 1, {-1}, false, 125, 124},
    {1, 1, {4, -1}, true, 4, 4},
    {2, 2, {0, -1}, false, 125, 124},
    {2, 2, {0, 0, -1}, true, 0, 0},
    {2, 2, {6, -1}, true, 6, 6},
    {2, 2, {3, 4, -1}, true, 3, 3},
    {3, 1, {3, 4, -1}, false, 3, 124},
    {3, 1, {3, 0, -1}, true, 0, 0},
    {3, 1, {3, 4, 6, -1}, true, 3, 124},
    {3, 2, {0, 3, -1}, false, 3, 124},
    {3, 2, {3, 3, -1}, true, 3, 124},
    {2, 2, {124, 124, -1}, true, 1, 124},
};

START_TEST(counts)
{
	struct tally tally = {.total = tallies[_i].total, .needed = tallies[_i].needed};

	for (int i = 0; i < 4 && tallies[_i].codes[i] >= 0; i++)
		tally_take(&tally, tallies[_i].codes[i]);
	ck_assert_int_eq(tally_is_decided(&tally), tallies[_i].decided);
	ck_assert_int_eq(tally_exit_code(&tally, false), tallies[_i].code);
	ck_assert_int_eq(tally_exit_code(&tally, true), tallies[_i].code_late);
}
END_TEST

START_TEST(backs_off)
{
	struct backoff a = {.seed = 1}, b = {.seed = 2};
	int64_t nominal = BACKOFF_LEAST_MS;
	int same = 0;

	for (int i = 0; i < 20; i++) {
		int64_t delay = backoff_next(&a);

		ck_assert_int_ge(delay, nominal / 2);
		ck_assert_int_le(delay, nominal * 3 / 2);
		same += delay == backoff_next(&b);
		nominal = 2 * nominal < BACKOFF_MOST_MS ? 2 * nominal : BACKOFF_MOST_MS;
	}
	ck_assert_int_lt(same, 5);
	backoff_reset(&a);
	ck_assert_int_le(backoff_next(&a), BACKOFF_LEAST_MS * 3 / 2);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("fleet_decision");
	TCase *tcase = unit_case(s, "fleet_decision");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, decides, 0, UNIT_COUNT(rows));
	tcase_add_test(tcase, a_node_of_which_nothing_is_known_has_not_been_seen);
	tcase_add_test(tcase, a_node_that_falls_silent_is_offline);
	tcase_add_test(tcase, doubt_ends);
	tcase_add_test(tcase, a_pid_alone_is_the_newest_of_the_present_epoch);
	tcase_add_test(tcase, nothing_changes_twice);
	tcase_add_test(tcase, a_new_connection_begins_without_knowledge);
	tcase_add_test(tcase, a_new_connection_may_know_less);
	tcase_add_test(tcase, an_older_offline_is_doubted);
	tcase_add_test(tcase, a_cleared_status_is_none);
	tcase_add_loop_test(tcase, counts, 0, UNIT_COUNT(tallies));
	tcase_add_test(tcase, backs_off);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
