/* The table and the epoll behave alike. */
#include <errno.h>

#include "client/lib/poller.h"
#include "src/clock.h"
#include "tests/unit.h"

#define PIPES (POLLER_FEW + 4)

static struct poller poller;
static struct poller_event events[POLLER_EVENTS];
static int ends[PIPES][2];

static void set_up(void)
{
	poller_init(&poller);
	for (int i = 0; i < PIPES; i++)
		ck_assert_int_eq(pipe(ends[i]), 0);
}

static void tear_down(void)
{
	poller_fini(&poller);
}

enum store { TABLE, EPOLL, SHOWN_EPOLL };

/* In the table, or by an epoll from the start; the caller may have its descriptor, or it is the poller's own.
 */
static void choose(int store)
{
	if (store == EPOLL)
		for (int i = 0; i < PIPES; i++)
			ck_assert_int_eq(poller_add(&poller, ends[i][0], POLLIN, (uint64_t)i), 0);
	if (store == EPOLL)
		for (int i = 0; i < PIPES; i++)
			poller_remove(&poller, ends[i][0]);
	if (store == SHOWN_EPOLL)
		ck_assert_int_ge(poller_fd(&poller), 0);
	ck_assert_int_eq(poller.epoll >= 0, store != TABLE);
}

static void fill(int i)
{
	ck_assert_int_eq(write(ends[i][1], "x", 1), 1);
}

static int poll_now(void)
{
	return poller_wait(&poller, clock_ms(), 0, events);
}

START_TEST(events_are_data)
{
	choose(_i);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(poller_add(&poller, ends[i][0], POLLIN, 100 + (uint64_t)i), 0);
	ck_assert_int_eq(poll_now(), 0);
	fill(1);
	ck_assert_int_eq(poller_wait(&poller, clock_ms(), -1, events), 1);
	ck_assert_uint_eq(events[0].tag, 101);
	ck_assert_uint_eq(events[0].bits, POLLIN);
	close(ends[2][1]);
	ck_assert_int_eq(poll_now(), 2);
}
END_TEST

START_TEST(removed_is_silent)
{
	choose(_i);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(poller_add(&poller, ends[i][0], POLLIN, 100 + (uint64_t)i), 0);
		fill(i);
	}
	poller_remove(&poller, ends[0][0]);
	poller_remove(&poller, ends[0][0]);
	ck_assert_int_eq(poll_now(), 2);
	poller_forget(&poller, ends[1][0]);
	close(ends[1][0]);
	ck_assert_int_eq(poll_now(), 1);
	ck_assert_uint_eq(events[0].tag, 102);
	ck_assert_int_eq(poller_add(&poller, ends[0][0], POLLIN, 100), 0);
	ck_assert_int_eq(poll_now(), 2);
}
END_TEST

START_TEST(bits_change)
{
	choose(_i);
	ck_assert_int_eq(poller_add(&poller, ends[0][1], 0, 1), 0);
	ck_assert_int_eq(poll_now(), 0);
	poller_change(&poller, ends[0][1], POLLOUT, 1);
	ck_assert_int_eq(poll_now(), 1);
	ck_assert_uint_eq(events[0].bits, POLLOUT);
}
END_TEST

/* What does not fit into the table moves to an epoll, with all that was there. */
START_TEST(many_move_to_an_epoll)
{
	for (int i = 0; i < PIPES; i++) {
		ck_assert(poller.epoll < 0 || i > POLLER_FEW);
		ck_assert_int_eq(poller_add(&poller, ends[i][0], POLLIN, (uint64_t)i), 0);
		fill(i);
	}
	ck_assert_int_ge(poller.epoll, 0);
	ck_assert_int_eq(poll_now(), PIPES);
}
END_TEST

START_TEST(deadline_ends_a_sleep)
{
	int64_t at = clock_ms() + 5;

	choose(_i);
	poller_set_deadline(&poller, at);
	ck_assert_int_eq(poller_wait(&poller, clock_ms(), -1, events), 0);
	ck_assert_int_ge(clock_ms(), at);
	/* The same again is another deadline. */
	poller_set_deadline(&poller, at);
	ck_assert_int_eq(poller_wait(&poller, clock_ms(), -1, events), 0);
}
END_TEST

/* It makes the one descriptor readable, also when it was set before that was opened. */
START_TEST(deadline_shows_in_the_descriptor)
{
	struct pollfd poll_fd = {.events = POLLIN};

	poller_set_deadline(&poller, 1);
	poll_fd.fd = poller_fd(&poller);
	ck_assert_int_eq(poll(&poll_fd, 1, -1), 1);
	ck_assert_int_eq(poll_now(), 0);
	ck_assert_int_eq(poll(&poll_fd, 1, 0), 0);
	poller_set_deadline(&poller, 1);
	ck_assert_int_eq(poll(&poll_fd, 1, -1), 1);
	poller_set_deadline(&poller, 0);
	ck_assert_int_eq(poll(&poll_fd, 1, 0), 0);
}
END_TEST

/* What it is in between is not set, so the timer does not expire. */
START_TEST(deadline_is_held)
{
	const int64_t at = clock_ms() + 3600000;
	struct pollfd poll_fd = {.fd = poller_fd(&poller), .events = POLLIN};

	poller_set_deadline(&poller, at);
	poller_hold(&poller);
	poller_set_deadline(&poller, 1);
	ck_assert_int_eq(poll(&poll_fd, 1, 0), 0);
	poller_set_deadline(&poller, at);
	poller_release(&poller);
	ck_assert_int_eq(poll(&poll_fd, 1, 0), 0);
	poller_hold(&poller);
	poller_set_deadline(&poller, 1);
	poller_release(&poller);
	ck_assert_int_eq(poll(&poll_fd, 1, -1), 1);
}
END_TEST

START_TEST(no_descriptors_for_an_epoll)
{
	struct rlimit before = unit_forbid_new_fds();

	ck_assert_int_eq(poller_fd(&poller), -1);
	ck_assert_int_eq(errno, EMFILE);
	unit_restore_fd_limit(&before);
	ck_assert_int_eq(poller_add(&poller, ends[0][0], POLLIN, 7), 0);
	fill(0);
	ck_assert_int_eq(poll_now(), 1);
	ck_assert_int_ge(poller_fd(&poller), 0);
	ck_assert_int_eq(poll_now(), 1);
	ck_assert_uint_eq(events[0].tag, 7);
}
END_TEST

/* What does not fit is refused; what was there stays, and the refused one fits later. */
START_TEST(no_descriptors_for_the_move_to_an_epoll)
{
	struct rlimit before;
	int i;

	for (i = 0; i < POLLER_FEW; i++) {
		ck_assert_int_eq(poller_add(&poller, ends[i][0], POLLIN, (uint64_t)i), 0);
		fill(i);
	}
	fill(i);
	before = unit_forbid_new_fds();
	ck_assert_int_eq(poller_add(&poller, ends[i][0], POLLIN, (uint64_t)i), -1);
	ck_assert_int_eq(errno, EMFILE);
	unit_restore_fd_limit(&before);
	ck_assert_int_eq(poll_now(), POLLER_FEW);
	ck_assert_int_eq(poller_add(&poller, ends[i][0], POLLIN, (uint64_t)i), 0);
	ck_assert_int_eq(poll_now(), POLLER_FEW + 1);
}
END_TEST

/* poll(2) takes a regular file, epoll does not: the move fails half way, and leaves no descriptor. */
START_TEST(a_failed_move_changes_nothing)
{
	char path[UNIT_PATH_SIZE + 8], dir[UNIT_PATH_SIZE];
	int file, fds;

	unit_dir(dir);
	snprintf(path, sizeof(path), "%s/file", dir);
	file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	ck_assert_int_eq(poller_add(&poller, ends[0][0], POLLIN, 100), 0);
	ck_assert_int_eq(poller_add(&poller, file, POLLIN, 101), 0);
	fds = unit_count_fds();
	ck_assert_int_eq(poller_fd(&poller), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(unit_count_fds(), fds);
	fill(0);
	ck_assert_int_eq(poll_now(), 2);
	close(file);
}
END_TEST

START_TEST(nothing_stays_open)
{
	int fds = unit_count_fds();

	ck_assert_int_ge(poller_fd(&poller), 0);
	ck_assert_int_eq(unit_count_fds(), fds + 2);
	poller_fini(&poller);
	ck_assert_int_eq(unit_count_fds(), fds);
}
END_TEST

/* Whichever comes first; the other would hang the test. */
START_TEST(sleep_ends_at_deadline_or_timeout)
{
	choose(_i);
	ck_assert_int_eq(poller_add(&poller, ends[0][0], POLLIN, 1), 0);
	poller_set_deadline(&poller, clock_ms() + 1000000);
	ck_assert_int_eq(poll_now(), 0);
	poller_set_deadline(&poller, 1);
	ck_assert_int_eq(poller_wait(&poller, clock_ms(), 1000000, events), 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("poller");
	TCase *tcase = unit_case(s, "poller");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, events_are_data, TABLE, SHOWN_EPOLL + 1);
	tcase_add_loop_test(tcase, removed_is_silent, TABLE, SHOWN_EPOLL + 1);
	tcase_add_loop_test(tcase, bits_change, TABLE, SHOWN_EPOLL + 1);
	tcase_add_test(tcase, many_move_to_an_epoll);
	tcase_add_loop_test(tcase, deadline_ends_a_sleep, TABLE, SHOWN_EPOLL + 1);
	tcase_add_loop_test(tcase, sleep_ends_at_deadline_or_timeout, TABLE, SHOWN_EPOLL + 1);
	tcase_add_test(tcase, deadline_shows_in_the_descriptor);
	tcase_add_test(tcase, deadline_is_held);
	tcase_add_test(tcase, no_descriptors_for_an_epoll);
	tcase_add_test(tcase, no_descriptors_for_the_move_to_an_epoll);
	tcase_add_test(tcase, a_failed_move_changes_nothing);
	tcase_add_test(tcase, nothing_stays_open);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
