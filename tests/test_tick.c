/* When the tick reads names, sweeps, or does neither; and which answers show without a look. */
#include <linux/magic.h>

#include "daemon/tick.h"
#include "src/stamp_trust.h"
#include "src/verdict.h"
#include "tests/unit.h"

#define NOW_S 1700000000
#define S     1000000000LL
#define MS    1000000LL

START_TEST(ticks_at_intervals)
{
	static const int64_t intervals[2][2][2] = {{{1000, 1000}, {1000, 0}}, {{25, 25}, {250, 250}}};

	ck_assert_int_eq(tick_interval(_i & 1, _i & 2, _i & 4), intervals[_i & 1][_i >> 1 & 1][_i >> 2]);
}
END_TEST

static const struct {
	uint32_t type;
	long ns;
	bool trusted;
} file_systems[] = {
    {TMPFS_MAGIC, 1, true},
    {EXT4_SUPER_MAGIC, 1, true},
    {OVERLAYFS_SUPER_MAGIC, 1, true},
    {EXT4_SUPER_MAGIC, 0, false}, /* whole seconds */
    {MSDOS_SUPER_MAGIC, 0, false},
    {NFS_SUPER_MAGIC, 1, false},
    {FUSE_SUPER_MAGIC, 1, false},
    {V9FS_MAGIC, 1, false},
    {0, 1, false},
};

START_TEST(stamps_are_trusted)
{
	const struct timespec changed = {NOW_S, file_systems[_i].ns};

	ck_assert_int_eq(tick_trusts(file_systems[_i].type, &changed), file_systems[_i].trusted);
}
END_TEST

/* A stamp that was read when it was so old. */
static struct tick_stamp stamp_of_age(int64_t age)
{
	return (struct tick_stamp){.known = true,
	    .is_trusted = true,
	    .dev = 1,
	    .ino = 2,
	    .changed = {NOW_S, 5},
	    .read = NOW_S * S + 5 + age};
}

START_TEST(same_stamp_is_no_change)
{
	const struct tick_stamp last = stamp_of_age(STAMP_GRAIN_NS + 1), now = stamp_of_age(S);

	ck_assert_int_eq(tick_compare(&last, &now), TICK_SAME);
}
END_TEST

/* Of the grain, and from the future. The schedules of the simulator hardly ever have two changes within one
 * grain around a tick, without an event for the second one; so this test is what keeps that line. */
static const int64_t fresh[] = {STAMP_GRAIN_NS, 1, 0, -1, -3600 * S};

START_TEST(what_followed_a_fresh_stamp_may_have_the_same)
{
	const struct tick_stamp last = stamp_of_age(fresh[_i]), now = stamp_of_age(S);

	ck_assert_int_eq(tick_compare(&last, &now), TICK_CHANGED);
}
END_TEST

static void other_dev(struct tick_stamp *stamp)
{
	stamp->dev++;
}

static void other_ino(struct tick_stamp *stamp)
{
	stamp->ino++;
}

static void other_second(struct tick_stamp *stamp)
{
	stamp->changed.tv_sec--;
}

static void other_nanosecond(struct tick_stamp *stamp)
{
	stamp->changed.tv_nsec--;
}

static void (*const changes[])(struct tick_stamp *stamp) = {
    other_dev, other_ino, other_second, other_nanosecond};

START_TEST(any_difference_is_a_change)
{
	const struct tick_stamp last = stamp_of_age(S);
	struct tick_stamp now = stamp_of_age(2 * S);

	changes[_i](&now);
	ck_assert_int_eq(tick_compare(&last, &now), TICK_CHANGED);
}
END_TEST

START_TEST(without_a_stamp)
{
	const struct tick_stamp unknown = {.read = NOW_S * S}, known = stamp_of_age(S);
	struct tick_stamp untrusted = stamp_of_age(S);

	untrusted.is_trusted = false;
	ck_assert_int_eq(tick_compare(&unknown, &known), TICK_CHANGED);
	ck_assert_int_eq(tick_compare(&known, &unknown), TICK_SAME);
	ck_assert_int_eq(tick_compare(&known, &untrusted), TICK_UNTRUSTED);
}
END_TEST

START_TEST(paces_keep_the_share)
{
	ck_assert_int_eq(tick_pause(TICK_SWEEP, 0), S);
	ck_assert_int_eq(tick_pause(TICK_SWEEP, 3 * MS), S);
	ck_assert_int_ge(tick_pause(TICK_SWEEP, 40 * MS) * 3 / 1000, 39 * MS);
	ck_assert_int_eq(tick_pause(TICK_NAMES, 0), 0);
	ck_assert_int_eq(tick_pause(TICK_SLICE, MS), 333 * MS);
	ck_assert_int_ge(tick_pause(TICK_NAMES, 40 * MS) * 3 / 1000, 39 * MS);
	ck_assert_int_eq(tick_pause(TICK_SWEEP_UNTRUSTED, 0), 0);
	ck_assert_int_eq(tick_pause(TICK_SWEEP_UNTRUSTED, 40 * MS), 800 * MS);
}
END_TEST

/* Of the answers that do not end a wait. */
static const struct {
	enum readyd_verdict verdict;
	enum readyd_reason reason;
	bool shows;
} answers[] = {
    {READYD_PENDING, READYD_REASON_NONE, true},
    {READYD_PENDING, READYD_REASON_CAME_AND_WENT, true},
    {READYD_PENDING, READYD_REASON_NOT_A_FILE, false},
    {READYD_PENDING, READYD_REASON_AGE_UNKNOWN, false},
    {READYD_PENDING, READYD_REASON_IDENTITY_UNKNOWN, false},
    {READYD_PENDING, READYD_REASON_LOOK_FAILED, false},
    {READYD_PENDING, READYD_REASON_NO_RESOURCES, false},
    {READYD_STALE, READYD_REASON_OLDER, false},
    {READYD_STALE, READYD_REASON_FOREIGN_OWNER, false},
    {READYD_UNREACHABLE, READYD_REASON_NO_DIRECTORY, true},
    {READYD_UNREACHABLE, READYD_REASON_DIRECTORY_DENIED, true},
    {READYD_UNREACHABLE, READYD_REASON_DIRECTORY_HANGS, true},
};

START_TEST(answers_that_show)
{
	const struct readyd_answer answer = {.verdict = answers[_i].verdict, .reason = answers[_i].reason};

	ck_assert(!verdict_ends_wait(&answer));
	ck_assert_int_eq(tick_shows(&answer), answers[_i].shows);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("tick");
	TCase *tcase = unit_case(s, "tick");

	tcase_add_loop_test(tcase, ticks_at_intervals, 0, 8);
	tcase_add_loop_test(tcase, stamps_are_trusted, 0, UNIT_COUNT(file_systems));
	tcase_add_test(tcase, same_stamp_is_no_change);
	tcase_add_loop_test(tcase, what_followed_a_fresh_stamp_may_have_the_same, 0, UNIT_COUNT(fresh));
	tcase_add_loop_test(tcase, any_difference_is_a_change, 0, UNIT_COUNT(changes));
	tcase_add_test(tcase, without_a_stamp);
	tcase_add_test(tcase, paces_keep_the_share);
	tcase_add_loop_test(tcase, answers_that_show, 0, UNIT_COUNT(answers));
	return s;
}

int main(void)
{
	return unit_main(suite);
}
