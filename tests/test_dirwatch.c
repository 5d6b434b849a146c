#include "src/dirwatch.h"

#include <errno.h>
#include <sys/inotify.h>

#include "tests/unit.h"

#define PID 1234

static struct marker_place place;
static struct dirwatch watch;
static char other[2 * UNIT_PATH_SIZE];
static unsigned fell_behind;
static char buffer[65536] __attribute__((aligned(__alignof__(struct inotify_event))));

static void on_behind(void *context)
{
	ck_assert_ptr_eq(context, &place);
	fell_behind++;
}

static void set_up(void)
{
	char dir[UNIT_PATH_SIZE];

	unit_dir(dir);
	ck_assert_int_eq(marker_place_init(&place, dir, "ready-"), 0);
	snprintf(other, sizeof(other), "%s.other", dir);
	ck_assert_int_eq(mkdir(other, 0700), 0);
	fell_behind = 0;
	dirwatch_init(&watch, &place, on_behind, &place);
}

static void tear_down(void)
{
	dirwatch_close(&watch);
}

static void make(const char *dir, pid_t ns_pid)
{
	char path[sizeof(other) + 32];

	snprintf(path, sizeof(path), "%s/ready-%d", dir, ns_pid);
	unit_write(path, "");
}

static void take_away(const char *dir, pid_t ns_pid)
{
	char path[sizeof(other) + 32];

	snprintf(path, sizeof(path), "%s/ready-%d", dir, ns_pid);
	ck_assert_int_eq(unlink(path), 0);
}

static void rename_marker(const char *dir, pid_t from, pid_t to)
{
	char old[sizeof(other) + 32], new[sizeof(other) + 32];

	snprintf(old, sizeof(old), "%s/ready-%d", dir, from);
	snprintf(new, sizeof(new), "%s/ready-%d", dir, to);
	unit_check(rename(old, new) == 0);
}

static void replace(const char *dir)
{
	ck_assert_int_eq(rmdir(dir), 0);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
}

/* Takes what has happened; how many of it are of that kind. */
static unsigned count(enum dirwatch_kind kind)
{
	struct dirwatch_event event;
	unsigned found = 0;

	ck_assert_int_ge(dirwatch_read(&watch, buffer, sizeof(buffer)), 0);
	while (dirwatch_next(&watch, &event))
		found += event.kind == kind;
	return found;
}

static int add_extra(void)
{
	int wd;

	ck_assert_int_ne(dirwatch_arm(&watch), DIRWATCH_NONE);
	ck_assert(dirwatch_add_extra(&watch, other, &wd));
	ck_assert_int_gt(wd, 0);
	return wd;
}

START_TEST(marker_comes_and_goes)
{
	struct dirwatch_event event;

	ck_assert_int_eq(dirwatch_arm(&watch), DIRWATCH_OTHER);
	ck_assert_int_eq(dirwatch_arm(&watch), DIRWATCH_SAME);
	make(place.dir, PID);
	ck_assert_int_gt(dirwatch_read(&watch, buffer, sizeof(buffer)), 0);
	ck_assert(dirwatch_next(&watch, &event));
	ck_assert_int_eq(event.kind, DIRWATCH_MARKER);
	ck_assert_int_eq(event.ns_pid, PID);
	ck_assert(!dirwatch_next(&watch, &event));
	ck_assert_int_eq(dirwatch_read(&watch, buffer, sizeof(buffer)), 0);
	ck_assert(!dirwatch_next(&watch, &event));
	take_away(place.dir, PID);
	ck_assert_uint_eq(count(DIRWATCH_MARKER), 1);
}
END_TEST

/* Only where that is asked for: each private watch costs the writer time. */
START_TEST(writes_are_reported_with_their_position)
{
	struct dirwatch_event event;
	uint64_t before;

	make(place.dir, 7);
	watch.reports_writes = true;
	ck_assert_int_eq(dirwatch_arm(&watch), DIRWATCH_OTHER);
	before = dirwatch_position(&watch);
	ck_assert_uint_eq(before, 0);
	make(place.dir, 7);
	ck_assert_uint_gt(dirwatch_position(&watch), before);
	ck_assert_int_gt(dirwatch_read(&watch, buffer, sizeof(buffer)), 0);
	ck_assert(dirwatch_next(&watch, &event));
	ck_assert_int_eq(event.kind, DIRWATCH_MARKER);
	ck_assert(event.written && !event.came);
	ck_assert_uint_gt(event.position, before);
	ck_assert_uint_eq(event.position, dirwatch_position(&watch));
	ck_assert(!dirwatch_next(&watch, &event));
	dirwatch_close(&watch);
	ck_assert_uint_eq(dirwatch_position(&watch), UINT64_MAX);
}
END_TEST

/* The kernel counts a long queue event by event, while those that cause events wait. */
START_TEST(a_long_queue_is_counted_once_between_reads)
{
	uint64_t before;

	watch.counts_once = true;
	ck_assert_int_eq(dirwatch_arm(&watch), DIRWATCH_OTHER);
	make(place.dir, 7);
	before = dirwatch_position(&watch);
	for (pid_t pid = 100; pid < 900; pid++)
		make(place.dir, pid);
	ck_assert_uint_gt(dirwatch_position(&watch), before);
	before = dirwatch_position(&watch);
	make(place.dir, 8);
	ck_assert_uint_eq(dirwatch_position(&watch), before);
	watch.counts_once = false;
	ck_assert_uint_gt(dirwatch_position(&watch), before);
	watch.counts_once = true;
	ck_assert_int_gt(dirwatch_read(&watch, buffer, sizeof(buffer)), 0);
	ck_assert_uint_gt(dirwatch_position(&watch), before);
}
END_TEST

START_TEST(writes_are_not_reported_unasked)
{
	make(place.dir, 7);
	ck_assert_int_eq(dirwatch_arm(&watch), DIRWATCH_OTHER);
	make(place.dir, 7);
	ck_assert_uint_eq(count(DIRWATCH_MARKER), 0);
}
END_TEST

START_TEST(other_names_are_unrelated)
{
	ck_assert_int_eq(dirwatch_arm(&watch), DIRWATCH_OTHER);
	make(place.dir, -1);
	ck_assert_uint_eq(count(DIRWATCH_UNRELATED), 1);
}
END_TEST

START_TEST(arming_keeps_queued_events)
{
	ck_assert_int_eq(dirwatch_arm(&watch), DIRWATCH_OTHER);
	make(place.dir, PID);
	ck_assert_int_eq(dirwatch_arm(&watch), DIRWATCH_SAME);
	ck_assert_uint_eq(count(DIRWATCH_MARKER), 1);
}
END_TEST

START_TEST(directory_is_replaced)
{
	ck_assert_int_eq(dirwatch_arm(&watch), DIRWATCH_OTHER);
	replace(place.dir);
	ck_assert_uint_gt(count(DIRWATCH_UNSURE), 0);
	ck_assert_int_eq(dirwatch_arm(&watch), DIRWATCH_OTHER);
	make(place.dir, PID);
	ck_assert_uint_eq(count(DIRWATCH_MARKER), 1);
}
END_TEST

/* A directory that is held raises no event when it is removed. */
START_TEST(held_directory_is_replaced)
{
	int holder = open(place.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ck_assert_int_eq(dirwatch_arm(&watch), DIRWATCH_OTHER);
	replace(place.dir);
	ck_assert_uint_eq(count(DIRWATCH_UNSURE), 0);
	ck_assert_int_eq(dirwatch_arm(&watch), DIRWATCH_OTHER);
	close(holder);
	/* The end of the old one says nothing about the new one. */
	ck_assert_uint_eq(count(DIRWATCH_UNSURE), 0);
}
END_TEST

START_TEST(directory_is_missing)
{
	ck_assert_int_eq(rmdir(place.dir), 0);
	ck_assert_int_eq(dirwatch_arm(&watch), DIRWATCH_NONE);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(watch.wd, -1);
	ck_assert_int_eq(mkdir(place.dir, 0700), 0);
	ck_assert_int_eq(dirwatch_arm(&watch), DIRWATCH_OTHER);
	ck_assert_int_eq(rmdir(place.dir), 0);
	ck_assert_int_eq(dirwatch_arm(&watch), DIRWATCH_NONE);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(no_descriptors)
{
	struct rlimit limit = unit_forbid_new_fds();

	ck_assert_int_eq(dirwatch_arm(&watch), DIRWATCH_NONE);
	ck_assert_int_eq(errno, EMFILE);
	ck_assert_int_eq(watch.fd, -1);
	unit_restore_fd_limit(&limit);
	ck_assert_int_eq(dirwatch_arm(&watch), DIRWATCH_OTHER);
}
END_TEST

START_TEST(extra_directory_is_told_apart)
{
	int wd = add_extra(), again;

	ck_assert(!dirwatch_add_extra(&watch, other, &again));
	ck_assert_int_eq(again, wd);
	make(other, PID);
	make(place.dir, 1);
	ck_assert_int_gt(dirwatch_read(&watch, buffer, sizeof(buffer)), 0);
	for (int i = 0; i < 2; i++) {
		struct dirwatch_event event;

		ck_assert(dirwatch_next(&watch, &event));
		ck_assert_int_eq(event.kind, i == 0 ? DIRWATCH_EXTRA : DIRWATCH_MARKER);
		ck_assert_int_eq(event.ns_pid, i == 0 ? PID : 1);
	}
	ck_assert(dirwatch_has_arrived(&watch, wd, PID));
	ck_assert(!dirwatch_has_arrived(&watch, wd, 1));
	ck_assert_uint_eq(fell_behind, 0);
}
END_TEST

static unsigned gone;

static void on_gone(void *charged, void *context)
{
	unit_check(charged == &gone && context == &watch);
	gone++;
}

/* What an extra watch is charged to is told when the watch ends. */
START_TEST(charge_ends_with_the_extra_directory)
{
	int wd = add_extra();

	gone = 0;
	watch.on_extra_gone = on_gone;
	watch.extra_context = &watch;
	ck_assert_ptr_null(dirwatch_extra_charged(&watch, wd));
	dirwatch_charge_extra(&watch, wd, &gone);
	dirwatch_charge_extra(&watch, wd + 1, &gone);
	ck_assert_ptr_eq(dirwatch_extra_charged(&watch, wd), &gone);
	dirwatch_age(&watch);
	ck_assert_uint_eq(gone, 0);
	dirwatch_age(&watch);
	dirwatch_age(&watch);
	ck_assert_uint_eq(gone, 1);
	ck_assert_ptr_null(dirwatch_extra_charged(&watch, wd));
}
END_TEST

START_TEST(extra_directory_may_be_here_or_nowhere)
{
	int wd = 1;

	ck_assert(!dirwatch_add_extra(&watch, other, &wd));
	ck_assert_int_eq(wd, 0);
	ck_assert_int_eq(dirwatch_arm(&watch), DIRWATCH_OTHER);
	ck_assert(!dirwatch_add_extra(&watch, place.dir, &wd));
	ck_assert(!dirwatch_add_extra(&watch, "/nonexistent", &wd));
	ck_assert(!dirwatch_add_extra(&watch, "/dev/null", &wd));
	ck_assert_int_eq(wd, 0);
	make(place.dir, PID);
	ck_assert_uint_eq(count(DIRWATCH_MARKER), 1);
}
END_TEST

/* At once, though the event is still queued; and nothing else that has happened is lost by that. */
START_TEST(arrival_is_read_ahead)
{
	int wd = add_extra();

	ck_assert(!dirwatch_has_arrived(&watch, wd, PID));
	ck_assert_uint_eq(fell_behind, 0);
	make(place.dir, 1);
	make(other, PID);
	ck_assert(dirwatch_has_arrived(&watch, wd, PID));
	ck_assert(dirwatch_has_arrived(&watch, wd, PID));
	ck_assert_uint_eq(fell_behind, 1);
	ck_assert_uint_eq(count(DIRWATCH_UNSURE), 1);
	ck_assert_uint_eq(count(DIRWATCH_UNSURE), 0);
}
END_TEST

/* The rest of a buffer is still gone through. */
START_TEST(arrival_is_read_ahead_between_two_events)
{
	struct dirwatch_event event;
	int wd = add_extra();

	make(place.dir, 1);
	make(place.dir, 2);
	ck_assert_int_gt(dirwatch_read(&watch, buffer, sizeof(buffer)), 0);
	ck_assert(dirwatch_next(&watch, &event));
	make(other, PID);
	ck_assert(dirwatch_has_arrived(&watch, wd, PID));
	ck_assert(dirwatch_next(&watch, &event));
	ck_assert_int_eq(event.kind, DIRWATCH_UNSURE);
	ck_assert(dirwatch_next(&watch, &event));
	ck_assert_int_eq(event.kind, DIRWATCH_MARKER);
	ck_assert_int_eq(event.ns_pid, 2);
	ck_assert(!dirwatch_next(&watch, &event));
}
END_TEST

/* It is gone together with its last process. */
START_TEST(arrival_outlives_its_directory)
{
	int wd = add_extra();

	make(other, PID);
	take_away(other, PID);
	ck_assert_int_eq(rmdir(other), 0);
	ck_assert(dirwatch_has_arrived(&watch, wd, PID));
}
END_TEST

START_TEST(arrival_is_forgotten)
{
	int wd = add_extra();

	make(other, PID);
	ck_assert(dirwatch_has_arrived(&watch, wd, PID));
	dirwatch_forget_arrival(&watch, wd, PID);
	ck_assert(!dirwatch_has_arrived(&watch, wd, PID));
	take_away(other, PID);
	ck_assert(!dirwatch_has_arrived(&watch, wd, PID));
	make(other, PID);
	ck_assert(dirwatch_has_arrived(&watch, wd, PID));
}
END_TEST

/* A look can see it before its event is read. */
START_TEST(arrival_whose_event_is_unread_is_forgotten)
{
	int wd = add_extra();

	make(other, PID);
	dirwatch_forget_arrival(&watch, wd, PID);
	ck_assert(!dirwatch_has_arrived(&watch, wd, PID));
	take_away(other, PID);
	make(other, PID);
	ck_assert(dirwatch_has_arrived(&watch, wd, PID));
}
END_TEST

/* A directory that is flooded costs a bounded amount of memory, and keeps the latest names. */
START_TEST(oldest_arrivals_are_forgotten)
{
	int wd = add_extra();

	make(other, 1);
	for (pid_t ns_pid = 2; ns_pid <= 5000; ns_pid++) {
		rename_marker(other, ns_pid - 1, ns_pid);
		if (ns_pid % 100 == 0)
			(void)count(DIRWATCH_EXTRA);
	}
	ck_assert(!dirwatch_has_arrived(&watch, wd, 1));
	ck_assert(!dirwatch_has_arrived(&watch, wd, 904));
	for (pid_t ns_pid = 905; ns_pid <= 5000; ns_pid++)
		unit_check(dirwatch_has_arrived(&watch, wd, ns_pid));
}
END_TEST

START_TEST(extra_directory_is_given_up)
{
	int wd = add_extra(), again;

	for (int i = 0; i < 3; i++) {
		dirwatch_age(&watch);
		ck_assert(!dirwatch_add_extra(&watch, other, &again));
	}
	dirwatch_age(&watch);
	dirwatch_age(&watch);
	make(other, PID);
	ck_assert_uint_eq(count(DIRWATCH_EXTRA), 1);
	dirwatch_age(&watch);
	(void)count(DIRWATCH_UNRELATED);
	make(other, 1);
	ck_assert_int_eq(dirwatch_read(&watch, buffer, sizeof(buffer)), 0);
	ck_assert(!dirwatch_has_arrived(&watch, wd, PID));
	ck_assert(dirwatch_add_extra(&watch, other, &again));
}
END_TEST

static unsigned queue_limit(void)
{
	FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
	unsigned limit = 0;

	if (file == NULL)
		return UINT32_MAX;
	if (fscanf(file, "%u", &limit) != 1)
		limit = UINT32_MAX;
	fclose(file);
	return limit;
}

/* The kernel joins an event with the one before it if they say the same, so two files take turns. A change of
 * mode costs the least. */
START_TEST(overflow_is_reported)
{
	unsigned overflows = 0;
	int fds[2];

	for (int i = 0; i < 2; i++) {
		char path[UNIT_PATH_SIZE + 16];

		snprintf(path, sizeof(path), "%s/%d", place.dir, i);
		fds[i] = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		ck_assert_int_ge(fds[i], 0);
	}
	watch.reports_writes = true;
	ck_assert_int_eq(dirwatch_arm(&watch), DIRWATCH_OTHER);
	for (unsigned i = 0, limit = queue_limit(); i <= limit; i++)
		unit_check(fchmod(fds[i % 2], 0600) == 0);
	close(fds[0]);
	close(fds[1]);
	for (unsigned i = 0; overflows == 0 && i < queue_limit(); i++)
		overflows = count(DIRWATCH_OVERFLOW);
	ck_assert_uint_eq(overflows, 1);
}
END_TEST

START_TEST(broken_instance_is_reported)
{
	ck_assert_int_eq(dirwatch_arm(&watch), DIRWATCH_OTHER);
	close(watch.fd);
	ck_assert_int_eq(dirwatch_read(&watch, buffer, sizeof(buffer)), -1);
	ck_assert_int_eq(errno, EBADF);
	watch.fd = -1;
}
END_TEST

START_TEST(close_leaves_nothing_open)
{
	int fds = unit_count_fds(), wd;

	wd = add_extra();
	make(other, PID);
	ck_assert(dirwatch_has_arrived(&watch, wd, PID));
	ck_assert_int_eq(unit_count_fds(), fds + 1);
	dirwatch_close(&watch);
	ck_assert_int_eq(unit_count_fds(), fds);
	ck_assert(!dirwatch_has_arrived(&watch, wd, PID));
	dirwatch_close(&watch);
	ck_assert_int_eq(dirwatch_arm(&watch), DIRWATCH_OTHER);
	ck_assert_uint_eq(count(DIRWATCH_UNSURE), 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("dirwatch");
	TCase *tcase = unit_case(s, "dirwatch");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, marker_comes_and_goes);
	tcase_add_test(tcase, writes_are_reported_with_their_position);
	tcase_add_test(tcase, a_long_queue_is_counted_once_between_reads);
	tcase_add_test(tcase, writes_are_not_reported_unasked);
	tcase_add_test(tcase, other_names_are_unrelated);
	tcase_add_test(tcase, arming_keeps_queued_events);
	tcase_add_test(tcase, directory_is_replaced);
	tcase_add_test(tcase, held_directory_is_replaced);
	tcase_add_test(tcase, directory_is_missing);
	tcase_add_test(tcase, no_descriptors);
	tcase_add_test(tcase, extra_directory_is_told_apart);
	tcase_add_test(tcase, charge_ends_with_the_extra_directory);
	tcase_add_test(tcase, extra_directory_may_be_here_or_nowhere);
	tcase_add_test(tcase, arrival_is_read_ahead);
	tcase_add_test(tcase, arrival_is_read_ahead_between_two_events);
	tcase_add_test(tcase, arrival_outlives_its_directory);
	tcase_add_test(tcase, arrival_is_forgotten);
	tcase_add_test(tcase, arrival_whose_event_is_unread_is_forgotten);
	tcase_add_test(tcase, oldest_arrivals_are_forgotten);
	tcase_add_test(tcase, extra_directory_is_given_up);
	unit_add_if(tcase, overflow_is_reported, queue_limit() <= 65536, "too long a queue to fill");
	tcase_add_test(tcase, broken_instance_is_reported);
	tcase_add_test(tcase, close_leaves_nothing_open);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
