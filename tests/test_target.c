/* Every event in every state of a target. */
#include "client/lib/target.h"
#include "tests/unit.h"

/* A phase and a subscription in two letters; --: cannot happen. The reachable states only: before the start
 * and when done there is no subscription. */
static const char *const states[] = {"N-", "W-", "WA", "WG", "WW", "U-", "UA", "UG", "UW", "D-"};

static const char *const names[TARGET_EVENTS] = {
    [TARGET_BORN] = "born",
    [TARGET_SAW_NOTHING] = "saw nothing",
    [TARGET_SAW_DOUBT] = "saw doubt",
    [TARGET_SAW_END] = "saw end",
    [TARGET_ASK] = "ask",
    [TARGET_GATE] = "gate",
    [TARGET_TAKEN] = "taken",
    [TARGET_TOLD] = "told",
    [TARGET_NOT_HELPED] = "not helped",
    [TARGET_LEFT] = "left",
};

static const char *const cells[TARGET_EVENTS][UNIT_COUNT(states)] = {
    /*                       N-    W-    WA    WG    WW    U-    UA    UG    UW    D-  */
    [TARGET_BORN] = {"W-", "--", "--", "--", "--", "--", "--", "--", "--", "--"},
    [TARGET_SAW_NOTHING] = {"--", "W-", "WA", "WG", "WW", "W-", "WA", "WG", "WW", "--"},
    [TARGET_SAW_DOUBT] = {"--", "U-", "UA", "UG", "UW", "U-", "UA", "UG", "UW", "--"},
    [TARGET_SAW_END] = {"--", "D-", "D-", "D-", "D-", "D-", "D-", "D-", "D-", "--"},
    [TARGET_ASK] = {"--", "WA", "--", "--", "--", "UA", "--", "--", "--", "--"},
    [TARGET_GATE] = {"--", "WG", "WG", "--", "--", "WG", "WG", "--", "--", "--"},
    [TARGET_TAKEN] = {"--", "--", "WW", "--", "--", "--", "WW", "--", "--", "--"},
    [TARGET_TOLD] = {"--", "D-", "D-", "D-", "D-", "D-", "D-", "D-", "D-", "--"},
    [TARGET_NOT_HELPED] = {"--", "W-", "W-", "WG", "W-", "U-", "U-", "UG", "U-", "--"},
    [TARGET_LEFT] = {"--", "--", "W-", "W-", "W-", "--", "U-", "U-", "U-", "--"},
};

static struct target_state parse(const char *word)
{
	const char phases[] = "NWUD", subscriptions[] = "-AGW";

	return (struct target_state){(enum target_phase)(strchr(phases, word[0]) - phases),
	    (enum subscription)(strchr(subscriptions, word[1]) - subscriptions)};
}

START_TEST(every_cell)
{
	for (size_t i = 0; i < UNIT_COUNT(states); i++) {
		struct target_state state = parse(states[i]), before = state;
		bool possible = strcmp(cells[_i][i], "--") != 0;
		struct target_state after = possible ? parse(cells[_i][i]) : before;

		if (target_step(&state, (enum target_event)_i) != possible || state.phase != after.phase ||
		    state.subscription != after.subscription)
			ck_abort_msg("%s in %s: not %s", names[_i], states[i], cells[_i][i]);
	}
}
END_TEST

static const char *const unreachable[] = {"NA", "NG", "NW", "DA", "DG", "DW"};

START_TEST(nothing_happens_in_a_state_that_cannot_be)
{
	for (size_t i = 0; i < UNIT_COUNT(unreachable); i++) {
		struct target_state state = parse(unreachable[i]);

		if (target_step(&state, (enum target_event)_i))
			ck_abort_msg("%s in %s", names[_i], unreachable[i]);
	}
}
END_TEST

/* What an own look is taken for: by what was seen, whether it was found waiting once, and what is promised.
 */
static const struct {
	enum readyd_verdict verdict;
	enum readyd_reason reason;
	bool pending, unconfirmed;
	enum subscription subscription;
	bool has_daemon;
	enum target_event event;
} looks[] = {
    {READYD_PENDING, READYD_REASON_NONE, false, false, SUBSCRIPTION_NONE, true, TARGET_SAW_NOTHING},
    {READYD_READY, READYD_REASON_NONE, false, false, SUBSCRIPTION_NONE, true, TARGET_SAW_END},
    {READYD_READY, READYD_REASON_NONE, false, true, SUBSCRIPTION_NONE, true, TARGET_SAW_DOUBT},
    {READYD_READY, READYD_REASON_NONE, false, true, SUBSCRIPTION_NONE, false, TARGET_SAW_END},
    {READYD_DIED, READYD_REASON_NONE, true, false, SUBSCRIPTION_GATE, true, TARGET_SAW_DOUBT},
    {READYD_DIED, READYD_REASON_NONE, true, false, SUBSCRIPTION_NONE, false, TARGET_SAW_END},
    /* A missing directory ends a wait only at its beginning. */
    {READYD_UNREACHABLE, READYD_REASON_NO_DIRECTORY, false, false, SUBSCRIPTION_NONE, false, TARGET_SAW_END},
    {READYD_UNREACHABLE, READYD_REASON_NO_DIRECTORY, true, false, SUBSCRIPTION_NONE, false,
	TARGET_SAW_NOTHING},
    /* What the client may not see the daemon may, where it has promised. */
    {READYD_UNREACHABLE, READYD_REASON_NAMESPACE_DENIED, true, false, SUBSCRIPTION_GATE, true,
	TARGET_SAW_NOTHING},
    {READYD_UNREACHABLE, READYD_REASON_NAMESPACE_DENIED, true, false, SUBSCRIPTION_WAIT, true,
	TARGET_SAW_NOTHING},
    {READYD_UNREACHABLE, READYD_REASON_NAMESPACE_DENIED, true, false, SUBSCRIPTION_ASKED, true,
	TARGET_SAW_DOUBT},
    {READYD_STALE, READYD_REASON_OLDER, false, false, SUBSCRIPTION_NONE, true, TARGET_SAW_NOTHING},
    {READYD_STALE, READYD_REASON_FOREIGN_OWNER, true, false, SUBSCRIPTION_GATE, true, TARGET_SAW_NOTHING},
    {READYD_STALE, READYD_REASON_OLDER, true, true, SUBSCRIPTION_NONE, false, TARGET_SAW_NOTHING},
};

START_TEST(look_is_judged)
{
	const struct readyd_answer answer = {
	    .verdict = looks[_i].verdict, .reason = looks[_i].reason, .wait_status = -1};
	const struct target t = {.state = {TARGET_WAITING, looks[_i].subscription},
	    .pending = looks[_i].pending,
	    .history = {.unconfirmed = looks[_i].unconfirmed}};

	ck_assert_int_eq(target_judge(&t, &answer, looks[_i].has_daemon), looks[_i].event);
}
END_TEST

/* Where the caller asks for it. The daemon may know that the process was ready. */
START_TEST(stale_marker_ends_the_wait_on_request)
{
	const struct readyd_answer answer = {
	    .verdict = READYD_STALE, .reason = READYD_REASON_OLDER, .wait_status = -1};
	const struct target t = {
	    .state = {TARGET_WAITING, SUBSCRIPTION_NONE}, .pending = _i > 0, .fail_stale = true};

	ck_assert_int_eq(target_judge(&t, &answer, true), TARGET_SAW_DOUBT);
	ck_assert_int_eq(target_judge(&t, &answer, false), TARGET_SAW_END);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("target");
	TCase *tcase = unit_case(s, "target");

	tcase_add_loop_test(tcase, every_cell, 0, TARGET_EVENTS);
	tcase_add_loop_test(tcase, nothing_happens_in_a_state_that_cannot_be, 0, TARGET_EVENTS);
	tcase_add_loop_test(tcase, look_is_judged, 0, UNIT_COUNT(looks));
	tcase_add_loop_test(tcase, stale_marker_ends_the_wait_on_request, 0, 2);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
