#include "daemon/loop.h"
#include "daemon/notice.h"
#include "src/sock.h"
#include "tests/unit.h"

#include <errno.h>

#define TEXT "READY=1"

static struct loop *loop;
static struct notice notice;
static char address[UNIT_PATH_SIZE];
static int receiver;

static void set_up(void)
{
	ck_assert_ptr_ne(signal(SIGPIPE, SIG_IGN), SIG_ERR);
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
}

static void tear_down(void)
{
	notice_fini(&notice);
	loop_free(loop);
}

static void receive_at(const char *path)
{
	struct sockaddr_un addr;
	const socklen_t len = sock_address(&addr, path);

	receiver = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(receiver, (struct sockaddr *)&addr, len), 0);
}

/* A short path: an address holds 107 bytes. */
static void set_up_receiver(void)
{
	set_up();
	unit_dir(address);
	ck_assert_int_eq(chdir(address), 0);
	strcpy(address, "notify");
	receive_at(address);
}

static void expect_text(void)
{
	char text[64] = "";

	ck_assert_int_eq(recv(receiver, text, sizeof(text) - 1, 0), (ssize_t)strlen(TEXT));
	ck_assert_str_eq(text, TEXT);
}

static void expect_done(void)
{
	ck_assert_ptr_null(notice.to);
	ck_assert_int_eq(notice.fd, -1);
}

START_TEST(text_is_sent_to_a_path)
{
	set_up_receiver();
	notice_send(&notice, loop, TEXT, address);
	expect_done();
	expect_text();
	tear_down();
}
END_TEST

START_TEST(text_is_sent_to_an_abstract_address)
{
	set_up();
	snprintf(address, sizeof(address), "@readyd-unit-%d", (int)getpid());
	receive_at(address);
	notice_send(&notice, loop, TEXT, address);
	expect_done();
	expect_text();
	tear_down();
}
END_TEST

/* Not retried: the supervisor does not exist. */
START_TEST(address_without_a_receiver_is_given_up)
{
	static char too_long[] = "/123456789012345678901234567890123456789012345678901234567890"
				 "123456789012345678901234567890123456789012345678901234567890";
	int fds;

	set_up();
	fds = unit_count_fds();
	notice_send(&notice, loop, TEXT, "/nonexistent/notify");
	expect_done();
	notice_send(&notice, loop, TEXT, too_long);
	expect_done();
	notice_send(&notice, loop, TEXT, "");
	expect_done();
	ck_assert_int_eq(unit_count_fds(), fds);
	tear_down();
}
END_TEST

/* Returns how many datagrams fill the receiver's queue. */
static unsigned fill_queue(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr;
	const socklen_t len = sock_address(&addr, address);
	unsigned count = 0;

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, len), 0);
	while (send(fd, "x", 1, 0) == 1)
		count++;
	ck_assert_int_eq(errno, EAGAIN);
	close(fd);
	return count;
}

static void drain_queue(unsigned count)
{
	char byte;

	for (; count > 0; count--)
		ck_assert_int_eq(recv(receiver, &byte, 1, 0), 1);
}

START_TEST(full_queue_delays_the_text)
{
	unsigned count;

	set_up_receiver();
	count = fill_queue();
	notice_send(&notice, loop, TEXT, address);
	ck_assert(notice.is_delayed);
	loop_settle(loop);
	ck_assert_str_eq(notice.to, address);
	/* It waits for room instead of trying now and then. */
	ck_assert_ptr_null(notice.retry);
	drain_queue(count);
	while (notice.to != NULL)
		loop_turn(loop, true);
	expect_done();
	expect_text();
	tear_down();
}
END_TEST

/* As the daemon stops, no event loop runs any more. */
START_TEST(full_queue_loses_the_text_without_a_loop)
{
	unsigned count;

	set_up_receiver();
	count = fill_queue();
	notice_send(&notice, NULL, TEXT, address);
	expect_done();
	drain_queue(count);
	ck_assert_int_eq(recv(receiver, address, 1, 0), -1);
	tear_down();
}
END_TEST

START_TEST(text_that_was_not_sent_is_dropped)
{
	int fds;

	set_up_receiver();
	fds = unit_count_fds();
	fill_queue();
	notice_send(&notice, loop, TEXT, address);
	ck_assert_int_gt(unit_count_fds(), fds);
	notice_fini(&notice);
	expect_done();
	ck_assert_int_eq(unit_count_fds(), fds);
	notice_fini(&notice);
	tear_down();
}
END_TEST

START_TEST(shortage_of_descriptors_delays_the_text)
{
	struct rlimit before;

	set_up_receiver();
	before = unit_forbid_new_fds();
	notice_send(&notice, loop, TEXT, address);
	unit_restore_fd_limit(&before);
	ck_assert(notice.is_delayed);
	ck_assert(loop_timer_runs(notice.retry));
	while (notice.to != NULL)
		loop_turn(loop, true);
	expect_text();
	tear_down();
}
END_TEST

static void await_attempt(void)
{
	const int64_t before = notice.delay;

	while (notice.delay == before)
		loop_turn(loop, true);
}

/* Each delay is twice the last one, up to a second. */
START_TEST(lasting_shortage_is_tried_less_and_less_often)
{
	static const int64_t delays[] = {10, 20, 40, 80};
	struct rlimit before;

	set_up_receiver();
	before = unit_forbid_new_fds();
	notice_send(&notice, loop, TEXT, address);
	for (size_t i = 0; i < UNIT_COUNT(delays); i++) {
		ck_assert_int_eq(notice.delay, delays[i]);
		await_attempt();
	}
	notice.delay = 800;
	await_attempt();
	ck_assert_int_eq(notice.delay, 1000);
	unit_restore_fd_limit(&before);
	tear_down();
}
END_TEST

START_TEST(text_is_written_to_a_descriptor_that_is_then_closed)
{
	char text[64] = "";
	int ends[2];

	set_up();
	ck_assert_int_eq(pipe(ends), 0);
	notice_write(&notice, loop, TEXT, ends[1], "the supervisor");
	expect_done();
	ck_assert_int_eq(read(ends[0], text, sizeof(text)), (ssize_t)strlen(TEXT));
	ck_assert_str_eq(text, TEXT);
	ck_assert_int_eq(read(ends[0], text, sizeof(text)), 0);
	tear_down();
}
END_TEST

START_TEST(full_pipe_delays_the_text)
{
	static char full[4096], text[8192];
	int ends[2];

	set_up();
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(fcntl(ends[1], F_SETPIPE_SZ, sizeof(full)), (int)sizeof(full));
	ck_assert_int_eq(write(ends[1], full, sizeof(full)), (ssize_t)sizeof(full));
	notice_write(&notice, loop, TEXT, ends[1], "the supervisor");
	ck_assert(notice.is_delayed);
	ck_assert_int_eq(read(ends[0], full, sizeof(full)), (ssize_t)sizeof(full));
	while (notice.to != NULL)
		loop_turn(loop, true);
	ck_assert_int_eq(read(ends[0], text, sizeof(text)), (ssize_t)strlen(TEXT));
	tear_down();
}
END_TEST

START_TEST(pipe_without_a_reader_is_given_up)
{
	int ends[2];

	set_up();
	ck_assert_int_eq(pipe(ends), 0);
	close(ends[0]);
	notice_write(&notice, loop, TEXT, ends[1], "the supervisor");
	expect_done();
	ck_assert_int_eq(fcntl(ends[1], F_GETFD), -1);
	tear_down();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("notice");
	TCase *tcase = unit_case(s, "notice");

	tcase_add_test(tcase, text_is_sent_to_a_path);
	tcase_add_test(tcase, text_is_sent_to_an_abstract_address);
	tcase_add_test(tcase, address_without_a_receiver_is_given_up);
	tcase_add_test(tcase, full_queue_delays_the_text);
	tcase_add_test(tcase, full_queue_loses_the_text_without_a_loop);
	tcase_add_test(tcase, text_that_was_not_sent_is_dropped);
	tcase_add_test(tcase, shortage_of_descriptors_delays_the_text);
	tcase_add_test(tcase, lasting_shortage_is_tried_less_and_less_often);
	tcase_add_test(tcase, text_is_written_to_a_descriptor_that_is_then_closed);
	tcase_add_test(tcase, full_pipe_delays_the_text);
	tcase_add_test(tcase, pipe_without_a_reader_is_given_up);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
