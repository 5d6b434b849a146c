#include "tests/check_fixture.h"

START_TEST(pending_until_marker_is_written)
{
	set_up(getpid());
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	ck_assert(fixture.history.absent_seen);
	ck_assert(!fixture.history.latched);
	unit_write(fixture.marker, "");
	expect(READYD_READY, READYD_REASON_NONE, READYD_FLAG_EMPTY);
	unit_write(fixture.marker, "ready\n");
	expect(READYD_READY, READYD_REASON_NONE, 0);
	ck_assert(fixture.history.latched);
	tear_down();
}
END_TEST

START_TEST(ready_if_marker_exists_at_first_check)
{
	set_up(getpid());
	unit_write(fixture.marker, "ready\n");
	expect(READYD_READY, READYD_REASON_NONE, 0);
	ck_assert(!fixture.history.absent_seen);
	tear_down();
}
END_TEST

START_TEST(ready_stays_when_marker_is_removed)
{
	set_up(getpid());
	unit_write(fixture.marker, "ready\n");
	expect(READYD_READY, READYD_REASON_NONE, 0);
	ck_assert_int_eq(unlink(fixture.marker), 0);
	expect(READYD_READY, READYD_REASON_NONE, READYD_FLAG_LATCHED);
	ck_assert_int_eq(mkdir(fixture.marker, 0700), 0);
	expect(READYD_READY, READYD_REASON_NONE, READYD_FLAG_LATCHED);
	ck_assert_int_eq(rmdir(fixture.marker), 0);
	ck_assert_int_eq(rmdir(fixture.place.dir), 0);
	expect(READYD_READY, READYD_REASON_NONE, READYD_FLAG_LATCHED);
	tear_down();
}
END_TEST

/* A file came in the directory. */
static void note_event(void)
{
	struct stat st;

	ck_assert_int_eq(stat(fixture.place.dir, &st), 0);
	history_note_event(&fixture.history, st.st_dev, st.st_ino);
}

/* It came and is gone, and only an event tells. */
START_TEST(ready_if_an_event_reported_a_marker)
{
	set_up(getpid());
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	note_event();
	expect(READYD_READY, READYD_REASON_NONE, 0);
	tear_down();
}
END_TEST

/* The file lies in the one that had the name before, where any user could have made it. */
START_TEST(event_in_another_directory_says_nothing)
{
	char before[sizeof(fixture.place.dir) + 8];

	set_up(getpid());
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	note_event();
	snprintf(before, sizeof(before), "%s.before", fixture.place.dir);
	ck_assert_int_eq(rename(fixture.place.dir, before), 0);
	ck_assert_int_eq(mkdir(fixture.place.dir, 0700), 0);
	expect(READYD_PENDING, READYD_REASON_CAME_AND_WENT, 0);
	ck_assert_int_eq(rmdir(fixture.place.dir), 0);
	ck_assert_int_eq(rename(before, fixture.place.dir), 0);
	tear_down();
}
END_TEST

/* The event may be read before or after the look that sees what it is. */
START_TEST(what_a_look_has_seen_counts_by_itself)
{
	set_up(getpid());
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	ck_assert_int_eq(mkfifo(fixture.marker, 0600), 0);
	if (_i == 0)
		note_event();
	expect(READYD_PENDING, READYD_REASON_NOT_A_FILE, 0);
	ck_assert_int_eq(unlink(fixture.marker), 0);
	if (_i == 1)
		note_event();
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	/* What comes later is something else. */
	note_event();
	expect(READYD_READY, READYD_REASON_NONE, 0);
	tear_down();
}
END_TEST

START_TEST(pending_if_not_a_regular_file)
{
	set_up(getpid());
	ck_assert_int_eq(symlink("/etc/passwd", fixture.marker), 0);
	expect(READYD_PENDING, READYD_REASON_NOT_A_FILE, 0);
	ck_assert_int_eq(unlink(fixture.marker), 0);
	ck_assert_int_eq(mkfifo(fixture.marker, 0600), 0);
	expect(READYD_PENDING, READYD_REASON_NOT_A_FILE, 0);
	ck_assert_int_eq(unlink(fixture.marker), 0);
	ck_assert_int_eq(mkdir(fixture.marker, 0700), 0);
	expect(READYD_PENDING, READYD_REASON_NOT_A_FILE, 0);
	/* A name in use is not an absent marker. */
	ck_assert(!fixture.history.absent_seen);
	tear_down();
}
END_TEST

START_TEST(unreachable_without_directory)
{
	set_up(getpid());
	ck_assert_int_eq(rmdir(fixture.place.dir), 0);
	expect(READYD_UNREACHABLE, READYD_REASON_NO_DIRECTORY, 0);
	unit_write(fixture.place.dir, "");
	expect(READYD_UNREACHABLE, READYD_REASON_NO_DIRECTORY, 0);
	ck_assert_int_eq(unlink(fixture.place.dir), 0);
	ck_assert_int_eq(mkdir(fixture.place.dir, 0700), 0);
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	tear_down();
}
END_TEST

/* A zombie has ended too. */
static void expect_of_zombie_and_after(pid_t child, enum readyd_verdict verdict, int wait_status)
{
	expect(verdict, READYD_REASON_NONE, 0);
	ck_assert_int_eq(fixture.answer.wait_status, wait_status);
	unit_reap(child);
	expect(verdict, READYD_REASON_NONE, 0);
	tear_down();
}

START_TEST(died_without_marker)
{
	pid_t child = unit_spawn_ending(7, 0);

	unit_await_zombie(child);
	set_up(child);
	expect_of_zombie_and_after(child, READYD_DIED, W_EXITCODE(7, 0));
	ck_assert(!fixture.history.absent_seen);
}
END_TEST

START_TEST(exited_with_marker)
{
	pid_t child = unit_spawn(NULL);

	set_up(child);
	unit_write(fixture.marker, "ready\n");
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	unit_await_zombie(child);
	expect_of_zombie_and_after(child, READYD_EXITED, SIGKILL);
}
END_TEST

START_TEST(exited_when_latched)
{
	pid_t child = unit_spawn(NULL);

	set_up(child);
	unit_write(fixture.marker, "ready\n");
	expect(READYD_READY, READYD_REASON_NONE, 0);
	ck_assert_int_eq(unlink(fixture.marker), 0);
	unit_kill(child);
	expect(READYD_EXITED, READYD_REASON_NONE, READYD_FLAG_LATCHED);
	tear_down();
}
END_TEST

START_TEST(died_if_no_such_process)
{
	set_up(UNIT_UNUSED_PID);
	expect(READYD_DIED, READYD_REASON_NO_PROCESS, 0);
	ck_assert_int_eq(fixture.answer.wait_status, -1);
	/* Its writer must have had the pid. */
	unit_write(fixture.marker, "ready\n");
	expect(READYD_EXITED, READYD_REASON_NONE, 0);
	tear_down();
}
END_TEST

/* Without descriptors nothing of the process can be read, so its marker proves nothing. */
START_TEST(unreadable_process_has_no_verdict)
{
	struct rlimit limit;

	set_up(getpid());
	tear_down();
	unit_write(fixture.marker, "ready\n");
	limit = unit_forbid_new_fds();
	process_open(&fixture.process, getpid());
	check_process(&fixture.place, &fixture.process, &fixture.history, fixture.collisions,
	    &marker_viewer_direct, &fixture.answer);
	unit_restore_fd_limit(&limit);
	ck_assert_int_eq(fixture.answer.verdict, READYD_PENDING);
	ck_assert_int_eq(fixture.answer.reason, READYD_REASON_NO_RESOURCES);
	ck_assert(!fixture.history.latched);
	ck_assert(!fixture.history.absent_seen);
	tear_down();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("check");
	TCase *tcase = unit_case(s, "check");

	tcase_add_test(tcase, pending_until_marker_is_written);
	tcase_add_test(tcase, ready_if_marker_exists_at_first_check);
	tcase_add_test(tcase, ready_stays_when_marker_is_removed);
	tcase_add_test(tcase, ready_if_an_event_reported_a_marker);
	tcase_add_test(tcase, event_in_another_directory_says_nothing);
	tcase_add_loop_test(tcase, what_a_look_has_seen_counts_by_itself, 0, 2);
	tcase_add_test(tcase, pending_if_not_a_regular_file);
	tcase_add_test(tcase, unreachable_without_directory);
	tcase_add_test(tcase, died_without_marker);
	tcase_add_test(tcase, exited_with_marker);
	tcase_add_test(tcase, exited_when_latched);
	tcase_add_test(tcase, died_if_no_such_process);
	tcase_add_test(tcase, unreadable_process_has_no_verdict);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
