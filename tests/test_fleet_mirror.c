#include "fleet/mirror.h"
#include "tests/unit.h"

#define KEEP 60000

static struct mirror mirror;
static int last_mid;

static void end_snapshot(uint64_t epoch, int64_t now)
{
	const struct mirror_position position = {epoch, 100, now};

	mirror_end_snapshot(&mirror, &position);
}

static void setup(void)
{
	mirror_init(&mirror, KEEP);
	last_mid = 0;
}

static void teardown(void)
{
	mirror_fini(&mirror);
}

static void put(pid_t pid, enum readyd_verdict verdict, uint64_t epoch, int64_t now, int64_t age)
{
	struct payload_process state = {.verdict = verdict, .wait_status = -1, .epoch = epoch, .seq = 1};

	mirror_put(&mirror, pid, 10 * (uint64_t)pid, &state, now, age);
}

/* Sends the next entry. The verdict, or "clear" or "none". */
static const char *send_next(pid_t *pid)
{
	struct mirror_entry *entry = mirror_next(&mirror);
	const char *text;

	if (entry == NULL)
		return "none";
	*pid = (pid_t)entry->key.pid;
	text = entry->is_wanted ? readyd_verdict_name(entry->state.verdict) : "clear";
	mirror_sent(&mirror, entry, ++last_mid, 0);
	return text;
}

#define sends(want_pid, want)                                                                                \
	do {                                                                                                 \
		pid_t pid_ = 0;                                                                              \
		ck_assert_str_eq(send_next(&pid_), want);                                                    \
		ck_assert_int_eq(pid_, want_pid);                                                            \
	} while (0)
#define sends_nothing() sends(0, "none")

static bool is_clean(void)
{
	return mirror.in_flight == 0 && mirror_next(&mirror) == NULL;
}

/* Until there is nothing to send, each acknowledged at once. Returns how many there were. */
static int drain(void)
{
	pid_t pid;
	int count = 0;

	for (; strcmp(send_next(&pid), "none") != 0; count++)
		mirror_acknowledged(&mirror, last_mid);
	return count;
}

START_TEST(tells_each_state_once)
{
	put(1, READYD_PENDING, 7, 0, 0);
	put(2, READYD_READY, 7, 0, 0);
	sends(1, "pending");
	sends(2, "ready");
	sends_nothing();
	put(2, READYD_READY, 7, 0, 0);
	sends_nothing();
	mirror_acknowledged(&mirror, 1);
	mirror_acknowledged(&mirror, 2);
	put(1, READYD_READY, 7, 0, 0);
	sends(1, "ready");
}
END_TEST

/* While a message is not acknowledged, the next one of its process waits, so that they cannot change places;
 * and the newest state takes the place of those in between. */
START_TEST(one_message_of_a_process_is_in_flight)
{
	put(1, READYD_PENDING, 7, 0, 0);
	sends(1, "pending");
	put(1, READYD_READY, 7, 0, 0);
	put(1, READYD_EXITED, 7, 0, 0);
	sends_nothing();
	mirror_acknowledged(&mirror, 1);
	sends(1, "exited");
	mirror_acknowledged(&mirror, 2);
	sends_nothing();
}
END_TEST

START_TEST(the_window_is_bounded)
{
	pid_t pid;

	for (pid_t p = 1; p <= MIRROR_WINDOW + 1; p++)
		put(p, READYD_READY, 7, 0, 0);
	for (int i = 0; i < MIRROR_WINDOW; i++)
		ck_assert_str_eq(send_next(&pid), "ready");
	sends_nothing();
	mirror_acknowledged(&mirror, 1000);
	sends_nothing();
	mirror_acknowledged(&mirror, 5);
	sends(MIRROR_WINDOW + 1, "ready");
}
END_TEST

static void take_snapshot(uint64_t epoch, int64_t now)
{
	mirror_begin_snapshot(&mirror);
	end_snapshot(epoch, now);
}

/* The process that is asked for next; 0: none is due. */
static struct mirror_entry *unlisted(pid_t pid, int64_t due)
{
	struct mirror_entry *entry = mirror_unlisted(&mirror);

	if (pid == 0) {
		ck_assert_ptr_null(entry);
		return NULL;
	}
	ck_assert_ptr_nonnull(entry);
	ck_assert_int_eq((pid_t)entry->key.pid, pid);
	ck_assert_int_eq(entry->due_at, due);
	return entry;
}

START_TEST(what_a_snapshot_does_not_have_is_asked_for_and_cleared)
{
	put(1, READYD_READY, 7, 0, 0);
	put(2, READYD_READY, 7, 0, 0);
	put(3, READYD_EXITED, 7, 0, 0);
	drain();
	mirror_begin_snapshot(&mirror);
	put(2, READYD_READY, 7, 0, 0);
	sends_nothing();
	end_snapshot(7, 500);
	sends_nothing();
	mirror_still_lives(&mirror, unlisted(1, 500), 500);
	unlisted(0, 0);
	sends(1, "clear");
	sends_nothing();
}
END_TEST

/* It may have ended while no daemon ran, or before those that wait have found the daemon. */
START_TEST(what_waits_is_asked_for_twice)
{
	put(1, READYD_PENDING, 7, 0, 0);
	put(2, READYD_PENDING, 7, 0, 0);
	put(3, READYD_PENDING, 7, 0, 0);
	drain();
	take_snapshot(8, 500);
	put(1, READYD_DIED, 8, 500, 0);
	sends(1, "died");
	mirror_still_lives(&mirror, unlisted(2, 500), 500);
	mirror_still_lives(&mirror, unlisted(3, 500), 600);
	put(2, READYD_PENDING, 8, 600, 0);
	sends(2, "pending");
	mirror_still_lives(&mirror, unlisted(3, 600 + MIRROR_PATIENCE_MS), 600 + MIRROR_PATIENCE_MS);
	sends(3, "clear");
	unlisted(0, 0);
	ck_assert_int_eq(mirror_expire(&mirror, 500), 500 + KEEP);
}
END_TEST

/* So a reader that compares epochs still believes it. */
START_TEST(what_has_ended_passes_to_another_epoch)
{
	put(1, READYD_READY, 7, 0, 0);
	put(3, READYD_EXITED, 7, 0, 0);
	drain();
	mirror_begin_snapshot(&mirror);
	put(1, READYD_READY, 8, 0, 0);
	end_snapshot(8, 500);
	sends(1, "ready");
	ck_assert_uint_eq(mirror_next(&mirror)->state.epoch, 8);
	ck_assert_uint_eq(mirror_next(&mirror)->state.seq, 100);
	sends(3, "exited");
	sends_nothing();
	take_snapshot(8, 600);
	sends_nothing();
	ck_assert_int_eq(mirror_expire(&mirror, 600), KEEP);
}
END_TEST

START_TEST(what_has_ended_is_kept_for_a_time)
{
	put(1, READYD_EXITED, 7, 1000, 0);
	put(2, READYD_DIED, 7, 2000, 0);
	put(3, READYD_DIED, 7, 2000, 59500);
	put(4, READYD_DIED, 7, 2000, KEEP);
	ck_assert_int_eq(drain(), 3);
	ck_assert_int_eq(mirror_expire(&mirror, 2000), 2500);
	sends_nothing();
	ck_assert_int_eq(mirror_expire(&mirror, 2500), 1000 + KEEP);
	sends(3, "clear");
	mirror_acknowledged(&mirror, last_mid);
	ck_assert_int_eq(mirror_expire(&mirror, 1000 + KEEP), 2000 + KEEP);
	sends(1, "clear");
	mirror_acknowledged(&mirror, last_mid);
	ck_assert_int_eq(mirror_expire(&mirror, 2000 + KEEP), -1);
	sends(2, "clear");
	mirror_acknowledged(&mirror, last_mid);
	ck_assert_uint_eq(HASH_COUNT(mirror.entries), 0);
}
END_TEST

START_TEST(what_others_have_left_is_cleared)
{
	put(1, READYD_READY, 7, 0, 0);
	drain();
	ck_assert(!mirror_found(&mirror, 1, 10, NULL));
	ck_assert(mirror_found(&mirror, 1, 11, NULL));
	sends(1, "clear");
	mirror_acknowledged(&mirror, last_mid);
	ck_assert_uint_eq(HASH_COUNT(mirror.entries), 1);
}
END_TEST

/* It may be one that the snapshot still has. */
START_TEST(what_is_found_during_a_snapshot_waits_for_its_end)
{
	mirror_begin_snapshot(&mirror);
	mirror_found(&mirror, 1, 10, NULL);
	mirror_found(&mirror, 2, 20, NULL);
	sends_nothing();
	put(1, READYD_READY, 7, 0, 0);
	end_snapshot(7, 0);
	sends(1, "ready");
	sends(2, "clear");
	sends_nothing();
}
END_TEST

static bool find(pid_t pid, enum readyd_verdict verdict, uint64_t epoch)
{
	const struct payload_process state = {.verdict = verdict, .wait_status = -1, .epoch = epoch};

	return mirror_found(&mirror, pid, 10 * (uint64_t)pid, &state);
}

START_TEST(what_the_broker_does_not_hold_is_told_again)
{
	for (pid_t pid = 1; pid <= 6; pid++)
		put(pid, READYD_READY, 7, 0, 0);
	ck_assert(!mirror_is_at_rest(&mirror));
	drain();
	ck_assert(mirror_is_at_rest(&mirror));
	mirror_begin_check(&mirror);
	ck_assert(!find(1, READYD_READY, 7));
	ck_assert(!find(2, READYD_PENDING, 7));
	ck_assert(!find(3, READYD_READY, 6));
	ck_assert(!mirror_found(&mirror, 4, 40, NULL));
	/* 5 is not found, and 6 changes meanwhile. */
	put(6, READYD_EXITED, 7, 0, 0);
	sends(6, "exited");
	sends_nothing();
	mirror_end_check(&mirror);
	for (pid_t pid = 2; pid <= 5; pid++)
		sends(pid, "ready");
	sends_nothing();
}
END_TEST

START_TEST(an_acknowledgement_says_when_it_was_sent)
{
	for (pid_t pid = 1; pid <= 3; pid++) {
		put(pid, READYD_READY, 7, 0, 0);
		mirror_sent(&mirror, mirror_next(&mirror), (int)pid, 100 * pid);
	}
	ck_assert_int_eq(mirror_acknowledged(&mirror, 1), 100);
	ck_assert_int_eq(mirror_acknowledged(&mirror, 1), -1);
	ck_assert_int_eq(mirror_acknowledged(&mirror, 3), 300);
	ck_assert(!mirror_is_at_rest(&mirror));
	ck_assert_int_eq(mirror_acknowledged(&mirror, 2), 200);
	ck_assert(mirror_is_at_rest(&mirror));
}
END_TEST

START_TEST(a_forgotten_process_is_cleared)
{
	put(1, READYD_PENDING, 7, 0, 0);
	drain();
	mirror_forget(&mirror, 1, 10);
	mirror_forget(&mirror, 9, 90);
	sends(1, "clear");
	put(1, READYD_READY, 7, 0, 0);
	mirror_acknowledged(&mirror, last_mid);
	sends(1, "ready");
	mirror_acknowledged(&mirror, last_mid);
	ck_assert_uint_eq(HASH_COUNT(mirror.entries), 1);
}
END_TEST

START_TEST(another_connection_is_told_everything)
{
	put(1, READYD_READY, 7, 0, 0);
	put(2, READYD_READY, 7, 0, 0);
	put(3, READYD_EXITED, 7, 0, 0);
	sends(1, "ready");
	mirror_forget(&mirror, 2, 20);
	mirror_restart(&mirror);
	mirror_acknowledged(&mirror, 1);
	ck_assert_int_eq(drain(), 3);
	ck_assert(is_clean());
	ck_assert_uint_eq(HASH_COUNT(mirror.entries), 2);
}
END_TEST

/* "online" is said behind a mark: what was put before must be with the broker by then, also what has changed
 * in flight.
 */
START_TEST(a_mark_is_passed_when_all_before_it_is_acknowledged)
{
	uint64_t mark;

	put(1, READYD_PENDING, 7, 0, 0);
	put(2, READYD_PENDING, 7, 0, 0);
	sends(1, "pending");
	sends(2, "pending");
	put(1, READYD_READY, 7, 0, 0);
	put(2, READYD_READY, 7, 0, 0);
	mark = mirror_mark(&mirror);
	put(3, READYD_READY, 7, 0, 0);
	ck_assert(!mirror_has_passed(&mirror, mark));
	mirror_acknowledged(&mirror, 2);
	mirror_acknowledged(&mirror, 1);
	ck_assert(!mirror_has_passed(&mirror, mark));
	sends(1, "ready");
	sends(2, "ready");
	ck_assert(!mirror_has_passed(&mirror, mark));
	mirror_acknowledged(&mirror, 3);
	ck_assert(!mirror_has_passed(&mirror, mark));
	mirror_acknowledged(&mirror, 4);
	ck_assert(mirror_has_passed(&mirror, mark));
	sends(3, "ready");
	ck_assert(mirror_has_passed(&mirror, mark));
}
END_TEST

/* The order of random steps does not matter: in the end, the broker holds what was put last. */
START_TEST(the_broker_holds_in_the_end_what_was_put_last)
{
	enum { PIDS = 40, NONE = -1 };
	int wanted[PIDS], held[PIDS], flying[MIRROR_WINDOW * 2][3];
	uint64_t state = (uint64_t)_i + 1;
	size_t flights = 0;

	for (int i = 0; i < PIDS; i++)
		wanted[i] = held[i] = NONE;
	for (int step = 0; step < 4000; step++) {
		unsigned what = step < 3000 ? unit_random_below(&state, 4) : 2 + unit_random_below(&state, 2);
		pid_t pid = (pid_t)unit_random_below(&state, PIDS);
		struct mirror_entry *entry;

		if (what == 0) {
			static const enum readyd_verdict verdicts[] = {
			    READYD_PENDING, READYD_READY, READYD_STALE};

			wanted[pid] = (int)verdicts[unit_random_below(&state, 3)];
			put(pid + 1, (enum readyd_verdict)wanted[pid], 7, 0, 0);
		} else if (what == 1) {
			wanted[pid] = NONE;
			mirror_forget(&mirror, pid + 1, 10 * (uint64_t)(pid + 1));
		} else if (what == 2 && (entry = mirror_next(&mirror)) != NULL) {
			flying[flights][0] = ++last_mid;
			flying[flights][1] = (int)entry->key.pid - 1;
			flying[flights++][2] = entry->is_wanted ? (int)entry->state.verdict : NONE;
			mirror_sent(&mirror, entry, last_mid, 0);
		} else if (what == 3 && flights > 0) {
			size_t which = unit_random_below(&state, (unsigned)flights);

			held[flying[which][1]] = flying[which][2];
			mirror_acknowledged(&mirror, flying[which][0]);
			memcpy(flying[which], flying[--flights], sizeof(flying[0]));
		}
		unit_check(flights == mirror.in_flight && flights <= MIRROR_WINDOW);
	}
	ck_assert(is_clean());
	for (int i = 0; i < PIDS; i++)
		ck_assert_int_eq(held[i], wanted[i]);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("fleet_mirror");
	TCase *tcase = unit_case(s, "fleet_mirror");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, tells_each_state_once);
	tcase_add_test(tcase, one_message_of_a_process_is_in_flight);
	tcase_add_test(tcase, the_window_is_bounded);
	tcase_add_test(tcase, what_a_snapshot_does_not_have_is_asked_for_and_cleared);
	tcase_add_test(tcase, what_waits_is_asked_for_twice);
	tcase_add_test(tcase, what_has_ended_passes_to_another_epoch);
	tcase_add_test(tcase, what_has_ended_is_kept_for_a_time);
	tcase_add_test(tcase, what_others_have_left_is_cleared);
	tcase_add_test(tcase, what_is_found_during_a_snapshot_waits_for_its_end);
	tcase_add_test(tcase, what_the_broker_does_not_hold_is_told_again);
	tcase_add_test(tcase, an_acknowledgement_says_when_it_was_sent);
	tcase_add_test(tcase, a_forgotten_process_is_cleared);
	tcase_add_test(tcase, another_connection_is_told_everything);
	tcase_add_test(tcase, a_mark_is_passed_when_all_before_it_is_acknowledged);
	tcase_add_loop_test(tcase, the_broker_holds_in_the_end_what_was_put_last, 0, 20);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
