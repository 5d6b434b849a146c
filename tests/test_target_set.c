/* The set counts what is in it, whatever happens to its targets. */
#include "client/lib/target_set.h"
#include "tests/unit.h"

#define PIDS   20
#define STARTS 3
#define STEPS  20000

static struct target_set set;

static void set_up(void)
{
	target_set_init(&set);
}

static void check_tally(void)
{
	size_t tally[TARGET_PHASES][SUBSCRIPTIONS] = {{0}}, count = 0, done = 0;
	struct target *t, *next;

	TARGETS_EACH (&set, t, next) {
		tally[t->state.phase][t->state.subscription]++;
		count++;
		done += target_is_done(t);
	}
	unit_check(memcmp(tally, set.tally, sizeof(tally)) == 0);
	unit_check(set.count == count);
	unit_check(target_set_waiting(&set) == count - done);
	for (t = target_set_done(&set); t != NULL; t = t->next_done)
		done--;
	unit_check(done == 0);
}

/* Each is found by its pid and start, and with the others of its pid. */
static void check_index(void)
{
	struct target *t, *next, *twin;
	size_t found = 0;

	TARGETS_EACH (&set, t, next)
		unit_check(target_set_find(&set, t->process.pid, t->start) == t);
	for (pid_t pid = 1; pid <= PIDS; pid++)
		for (twin = target_set_first(&set, pid); twin != NULL;
		     twin = target_set_next(&set, twin), found++)
			unit_check(twin->process.pid == pid);
	unit_check(found == set.count);
}

/* Across the bound between walk and hash, in both directions, many times. */
START_TEST(tally_holds)
{
	uint64_t random = 1;

	for (int step = 0; step < STEPS; step++) {
		pid_t pid = 1 + (pid_t)unit_random_below(&random, PIDS);
		uint64_t start = unit_random_below(&random, STARTS);
		struct target *t = target_set_find(&set, pid, start);

		unit_check(t == NULL || (t->process.pid == pid && t->start == start));
		if (t == NULL)
			unit_check(target_set_add(&set, pid, start) != NULL);
		else if (unit_random_below(&random, 8) == 0)
			target_set_remove(&set, t);
		else if (t->state.phase == TARGET_WAITING && t->state.subscription == SUBSCRIPTION_NONE &&
			 unit_random_below(&random, 8) == 0)
			target_set_not_started(&set, t);
		else
			(void)target_set_step(
			    &set, t, (enum target_event)unit_random_below(&random, TARGET_EVENTS), NULL);
		check_tally();
		check_index();
	}
	while (set.count > 0)
		target_set_remove(&set, set.first);
	check_tally();
}
END_TEST

START_TEST(single_one_is_embedded)
{
	struct target *first = target_set_add(&set, 5, 0), *second = target_set_add(&set, 6, 0);

	ck_assert_ptr_eq(first, &set.only);
	ck_assert_ptr_ne(second, &set.only);
	target_set_remove(&set, first);
	ck_assert_ptr_eq(target_set_find(&set, 6, 0), second);
	ck_assert_ptr_eq(target_set_add(&set, 7, 0), &set.only);
	ck_assert_int_eq(set.only.gate, -1);
	target_set_remove(&set, second);
	target_set_remove(&set, &set.only);
}
END_TEST

START_TEST(done_ones_queue)
{
	const struct readyd_answer answer = {.verdict = READYD_READY};
	struct target *a = target_set_add(&set, 5, 0), *b = target_set_add(&set, 6, 0);

	ck_assert_ptr_null(target_set_done(&set));
	ck_assert(target_set_step(&set, b, TARGET_TOLD, &answer));
	ck_assert(target_set_step(&set, a, TARGET_SAW_END, &answer));
	ck_assert(!target_set_step(&set, a, TARGET_SAW_END, NULL));
	ck_assert_ptr_eq(target_set_done(&set), b);
	ck_assert_int_eq(b->answer.verdict, READYD_READY);
	target_set_remove(&set, b);
	ck_assert_ptr_eq(target_set_done(&set), a);
	target_set_remove(&set, a);
}
END_TEST

/* From when it was found waiting on, a missing directory does not end the wait. */
START_TEST(found_waiting)
{
	static const enum target_event events[] = {TARGET_SAW_NOTHING, TARGET_GATE, TARGET_TAKEN};
	struct target *t;

	for (size_t i = 0; i < UNIT_COUNT(events); i++) {
		t = target_set_add(&set, 5, 0);
		ck_assert(target_set_step(&set, t, TARGET_ASK, NULL));
		ck_assert(!t->pending);
		ck_assert(target_set_step(&set, t, events[i], NULL));
		ck_assert(t->pending);
		target_set_remove(&set, t);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("target_set");
	TCase *tcase = unit_case(s, "target_set");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, tally_holds);
	tcase_add_test(tcase, single_one_is_embedded);
	tcase_add_test(tcase, done_ones_queue);
	tcase_add_test(tcase, found_waiting);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
