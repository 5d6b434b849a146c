/* Which process a marker belongs to, as check_process() finds out. */
#include "src/clock.h"
#include "tests/check_fixture.h"

START_TEST(leftover_is_stale_until_replaced)
{
	char other[sizeof(fixture.marker) + 8];

	set_up(getpid());
	unit_write(fixture.marker, "ready\n");
	marker_stat(&fixture.place, fixture.process.pid, &fixture.history.leftover);
	fixture.history.has_leftover = true;
	expect(READYD_STALE, READYD_REASON_OLDER, 0);
	snprintf(other, sizeof(other), "%s.other", fixture.marker);
	unit_write(other, "ready\n");
	ck_assert_int_eq(rename(other, fixture.marker), 0);
	expect(READYD_READY, READYD_REASON_NONE, 0);
	tear_down();
}
END_TEST

/* Being preempted between the two clock reads makes the offset too small, so the largest of several is used.
 */
static int64_t boot_offset(void)
{
	int64_t best = clock_boot_offset(), next;

	for (int i = 0; i < 10; i++) {
		next = clock_boot_offset();
		best = next > best ? next : best;
	}
	return best;
}

/* The latest start time, in ticks since boot, at which a process may own the marker. */
static uint64_t latest_start(void)
{
	struct marker_stat seen;

	marker_stat(&fixture.place, fixture.process.pid, &seen);
	return (uint64_t)((clock_to_ns(&seen.ctime) - boot_offset() + STAMP_GRAIN_NS) / clock_tick_ns());
}

/* A marker cannot be written before its process exists, so the start time is moved instead. */
START_TEST(marker_older_than_process_is_stale)
{
	set_up(getpid());
	unit_write(fixture.marker, "ready\n");
	fixture.process.start = latest_start() + 100;
	expect(READYD_STALE, READYD_REASON_OLDER, 0);
	fixture.history = (struct history){0};
	fixture.process.start = latest_start() - 1;
	expect(READYD_READY, READYD_REASON_NONE, 0);
	tear_down();
}
END_TEST

/* A marker about as old as the process may belong to an earlier holder of the pid. */
START_TEST(unconfirmed_if_marker_is_as_old_as_process)
{
	set_up(getpid());
	unit_write(fixture.marker, "ready\n");
	fixture.process.start = latest_start() - 1;
	expect(READYD_READY, READYD_REASON_NONE, 0);
	ck_assert(fixture.history.unconfirmed);
	/* Now the verdict is latched, and no longer depends on the marker. */
	expect(READYD_READY, READYD_REASON_NONE, 0);
	ck_assert(!fixture.history.unconfirmed);
	fixture.history.latched = false;
	fixture.process.start -= 100;
	expect(READYD_READY, READYD_REASON_NONE, 0);
	ck_assert(!fixture.history.unconfirmed);
	tear_down();
}
END_TEST

START_TEST(confirmed_if_marker_was_seen_to_appear)
{
	set_up(getpid());
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	unit_write(fixture.marker, "ready\n");
	fixture.process.start = latest_start();
	expect(READYD_READY, READYD_REASON_NONE, 0);
	ck_assert(!fixture.history.unconfirmed);
	tear_down();
}
END_TEST

START_TEST(time_stamps_do_not_count_if_marker_was_seen_to_appear)
{
	set_up(getpid());
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	unit_write(fixture.marker, "ready\n");
	fixture.process.start = latest_start() + 1000000;
	expect(READYD_READY, READYD_REASON_NONE, 0);
	tear_down();
}
END_TEST

START_TEST(marker_of_foreign_owner_is_stale)
{
	set_up(getpid());
	unit_write(fixture.marker, "ready\n");
	ck_assert_int_eq(chown(fixture.marker, 4321, (gid_t)-1), 0);
	expect(READYD_STALE, READYD_REASON_FOREIGN_OWNER, 0);
	ck_assert_int_eq(chown(fixture.marker, 0, (gid_t)-1), 0);
	expect(READYD_READY, READYD_REASON_NONE, 0);
	tear_down();
}
END_TEST

static void change_uid(void)
{
	if (setresuid(1001, 1001, 1001) != 0)
		_exit(1);
	report_progress();
}

START_TEST(owner_must_be_user_of_process_or_root)
{
	pid_t child = spawn_and_await(change_uid);

	set_up(child);
	unit_write(fixture.marker, "ready\n");
	for (uid_t uid = 1000; uid <= 1002; uid++) {
		fixture.history = (struct history){0};
		ck_assert_int_eq(chown(fixture.marker, uid, (gid_t)-1), 0);
		if (uid == 1001)
			expect(READYD_READY, READYD_REASON_NONE, 0);
		else
			expect(READYD_STALE, READYD_REASON_FOREIGN_OWNER, 0);
	}
	ck_assert_int_eq(chown(fixture.marker, 0, (gid_t)-1), 0);
	expect(READYD_READY, READYD_REASON_NONE, 0);
	tear_down();
	unit_kill(child);
}
END_TEST

/* The user ids to compare the marker's owner with cannot be read. */
START_TEST(unreadable_owner_has_no_verdict)
{
	struct rlimit limit;

	set_up(getpid());
	process_close(&fixture.process);
	unit_write(fixture.marker, "ready\n");
	ck_assert_int_eq(chown(fixture.marker, 65534, 65534), 0);
	limit = unit_forbid_new_fds();
	check_process(&fixture.place, &fixture.process, &fixture.history, fixture.collisions,
	    &marker_viewer_direct, &fixture.answer);
	unit_restore_fd_limit(&limit);
	ck_assert_int_eq(fixture.answer.reason, READYD_REASON_NO_RESOURCES);
	expect(READYD_STALE, READYD_REASON_FOREIGN_OWNER, 0);
	tear_down();
}
END_TEST

static unsigned searches;

static enum collision count_search(struct collisions *collisions, const struct process *p,
    const struct marker_stat *marker, enum collision (*test)(pid_t pid, void *context), void *context)
{
	(void)collisions;
	(void)p;
	(void)marker;
	(void)test;
	(void)context;
	searches++;
	return COLLISION_FOUND;
}

/* A marker that cannot be the process's own in any case is not searched for, however many processes there
 * are. */
START_TEST(known_leftover_is_not_searched_for)
{
	struct collisions counting = {count_search};

	searches = 0;
	set_up(getpid());
	fixture.collisions = &counting;
	unit_write(fixture.marker, "ready\n");
	marker_stat(&fixture.place, getpid(), &fixture.history.leftover);
	fixture.history.has_leftover = true;
	expect(READYD_STALE, READYD_REASON_OLDER, 0);
	ck_assert_uint_eq(searches, 0);
	fixture.history.has_leftover = false;
	expect(READYD_UNREACHABLE, READYD_REASON_NAME_COLLISION, 0);
	ck_assert_uint_eq(searches, 1);
	tear_down();
}
END_TEST

static Suite *suite(void)
{
	const bool is_root = geteuid() == 0;
	Suite *s = suite_create("check_ownership");
	TCase *tcase = unit_case(s, "check_ownership");

	tcase_add_test(tcase, leftover_is_stale_until_replaced);
	tcase_add_test(tcase, marker_older_than_process_is_stale);
	tcase_add_test(tcase, unconfirmed_if_marker_is_as_old_as_process);
	tcase_add_test(tcase, confirmed_if_marker_was_seen_to_appear);
	tcase_add_test(tcase, time_stamps_do_not_count_if_marker_was_seen_to_appear);
	tcase_add_test(tcase, known_leftover_is_not_searched_for);
	unit_add_if(tcase, marker_of_foreign_owner_is_stale, is_root, "needs root");
	unit_add_if(tcase, owner_must_be_user_of_process_or_root, is_root, "needs root");
	unit_add_if(tcase, unreadable_owner_has_no_verdict, is_root, "needs root");
	return s;
}

int main(void)
{
	return unit_main(suite);
}
