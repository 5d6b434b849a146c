/* The monitors of the library, with a script in place of the daemon. */
#include <errno.h>
#include <sys/socket.h>

#include "readyd/readyd.h"
#include "src/marker.h"
#include "src/process.h"
#include "src/wire.h"
#include "tests/unit.h"

static struct readyd_options options;
static char dir[UNIT_PATH_SIZE], path[UNIT_PATH_SIZE + 8], hello[WIRE_REPLY_MAX + 1];
static int listener, server;
static struct readyd_monitor *monitor;
static struct readyd_event event;

static void write_hello(void)
{
	struct wire_hello says = {.epoch = 5, .pidns = process_own_namespace("pid")};
	struct stat st;

	ck_assert_int_eq(stat(dir, &st), 0);
	ck_assert_int_eq(marker_place_init(&says.place, dir, NULL), 0);
	says.dev = st.st_dev;
	says.ino = st.st_ino;
	hello[wire_write_hello(hello, sizeof(hello) - 1, &says)] = '\0';
}

static void listen_now(void)
{
	(void)unlink(path);
	listener = unit_listen(path, 1);
}

static void set_up(void)
{
	unsetenv("READYD_BACKEND");
	unit_dir(dir);
	snprintf(path, sizeof(path), "%s/socket", dir);
	options = (struct readyd_options)READYD_OPTIONS_INIT;
	options.dir = dir;
	options.socket = path;
	write_hello();
	listen_now();
	server = -1;
	event = (struct readyd_event)READYD_EVENT_INIT;
}

static void tear_down(void)
{
	readyd_monitor_free(monitor);
	monitor = NULL;
	close(listener);
	if (server >= 0)
		close(server);
}

static void begin(const char *token)
{
	monitor = readyd_monitor_new(&options, token);
	ck_assert_ptr_nonnull(monitor);
}

/* The next event, whenever it comes. */
static void expect(enum readyd_change change, uint64_t seq)
{
	int got;

	while ((got = readyd_monitor_next(monitor, &event)) == 0)
		ck_assert_int_eq(readyd_monitor_sleep(monitor, -1), 0);
	ck_assert_int_eq(got, 1);
	ck_assert_str_eq(readyd_change_name(event.change), readyd_change_name(change));
	ck_assert_uint_eq(event.seq, seq);
	ck_assert_uint_eq(event.size, sizeof(event));
}

static void expect_none(void)
{
	ck_assert_int_eq(readyd_monitor_next(monitor, &event), 0);
}

/* The monitor connects, and requests this. */
static void serve(const char *request)
{
	char text[512], wanted[128];
	size_t len = 0;
	ssize_t n;

	snprintf(wanted, sizeof(wanted), "HELLO 1\n%s", request);
	while ((server = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0)
		ck_assert_int_eq(errno, EINTR);
	while (len < strlen(wanted)) {
		n = recv(server, text + len, sizeof(text) - 1 - len, 0);
		ck_assert_int_gt(n, 0);
		len += (size_t)n;
	}
	text[len] = '\0';
	ck_assert_str_eq(text, wanted);
	ck_assert_int_eq(send(server, hello, strlen(hello), MSG_NOSIGNAL), (ssize_t)strlen(hello));
}

static void tell(const char *lines)
{
	ck_assert_int_eq(send(server, lines, strlen(lines), MSG_NOSIGNAL), (ssize_t)strlen(lines));
}

static void hang_up(void)
{
	close(server);
	server = -1;
}

/* Sleeps until the monitor tries again, and lets it. */
static void let_it_connect(void)
{
	struct pollfd fd = {.fd = listener, .events = POLLIN};

	while (poll(&fd, 1, 0) == 0) {
		ck_assert_int_eq(readyd_monitor_sleep(monitor, -1), 0);
		expect_none();
	}
}

START_TEST(tells_the_state_and_then_transitions)
{
	begin(NULL);
	serve("MONITOR\n");
	tell("SNAPSHOT 5:7\nSTATE 5:7 ready 12 start=34 time=99 waiters=0 name=a%20b\nLIVE 5:7\n");
	expect(READYD_CHANGE_SNAPSHOT, 7);
	expect(READYD_CHANGE_STATE, 7);
	ck_assert_int_eq(event.pid, 12);
	ck_assert_uint_eq(event.start, 34);
	ck_assert_int_eq(event.time_ms, 99);
	ck_assert_str_eq(event.name, "a b");
	expect(READYD_CHANGE_LIVE, 7);
	expect_none();
	tell("EVENT 5:8 exited exited 12 start=34 signal=9 time=100 waiters=0\n");
	expect(READYD_CHANGE_EXITED, 8);
	ck_assert_int_eq(event.wait_status, 9);
	expect_none();
}
END_TEST

/* The same descriptor serves any event loop. */
START_TEST(the_descriptor_tells_when_there_is_an_event)
{
	struct pollfd fd = {.events = POLLIN};

	begin(NULL);
	fd.fd = readyd_monitor_fd(monitor);
	ck_assert_int_ge(fd.fd, 0);
	serve("MONITOR\n");
	tell("SNAPSHOT 5:0\nLIVE 5:0\n");
	ck_assert_int_eq(poll(&fd, 1, -1), 1);
	expect(READYD_CHANGE_SNAPSHOT, 0);
	expect(READYD_CHANGE_LIVE, 0);
	expect_none();
	ck_assert_int_eq(poll(&fd, 1, 0), 0);
	hang_up();
	ck_assert_int_eq(poll(&fd, 1, -1), 1);
	expect(READYD_CHANGE_LOST, 0);
	/* For the next attempt. */
	ck_assert_int_eq(poll(&fd, 1, -1), 1);
	ck_assert_int_eq(readyd_monitor_fd(monitor), fd.fd);
}
END_TEST

START_TEST(a_missing_daemon_is_told_once)
{
	close(listener);
	ck_assert_int_eq(unlink(path), 0);
	begin(NULL);
	expect(READYD_CHANGE_LOST, 0);
	ck_assert_uint_eq(event.epoch, 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(readyd_monitor_sleep(monitor, -1), 0);
		expect_none();
	}
	listen_now();
	let_it_connect();
	serve("MONITOR\n");
	tell("SNAPSHOT 5:0\n");
	expect(READYD_CHANGE_SNAPSHOT, 0);
}
END_TEST

START_TEST(a_lost_connection_is_resumed)
{
	begin(NULL);
	serve("MONITOR\n");
	tell("SNAPSHOT 5:7\nLIVE 5:7\nEVENT 5:8 ready ready 12\n");
	expect(READYD_CHANGE_SNAPSHOT, 7);
	expect(READYD_CHANGE_LIVE, 7);
	expect(READYD_CHANGE_READY, 8);
	hang_up();
	expect(READYD_CHANGE_LOST, 8);
	ck_assert_uint_eq(event.epoch, 5);
	let_it_connect();
	serve("MONITOR 5:8\n");
	tell("RESUMED 5:8\nEVENT 5:9 exited exited 12\n");
	expect(READYD_CHANGE_RESUMED, 8);
	expect(READYD_CHANGE_EXITED, 9);
	hang_up();
	expect(READYD_CHANGE_LOST, 9);
	let_it_connect();
	serve("MONITOR 5:9\n");
	tell("GAP 6:0\nSNAPSHOT 6:0\nLIVE 6:0\n");
	expect(READYD_CHANGE_GAP, 0);
	ck_assert_uint_eq(event.epoch, 6);
	expect(READYD_CHANGE_SNAPSHOT, 0);
	expect(READYD_CHANGE_LIVE, 0);
}
END_TEST

/* A transition before LIVE is not a position to resume from: the rest of the state would be missing. */
START_TEST(a_state_that_was_cut_off_begins_again_with_a_gap)
{
	begin("5:3");
	serve("MONITOR 5:3\n");
	tell("GAP 5:7\nSNAPSHOT 5:7\nSTATE 5:7 ready 12\nEVENT 5:8 ready ready 13\n");
	expect(READYD_CHANGE_GAP, 7);
	expect(READYD_CHANGE_SNAPSHOT, 7);
	expect(READYD_CHANGE_STATE, 7);
	expect(READYD_CHANGE_READY, 8);
	hang_up();
	expect(READYD_CHANGE_LOST, 8);
	let_it_connect();
	serve("MONITOR\n");
	tell("SNAPSHOT 5:9\n");
	expect(READYD_CHANGE_GAP, 9);
	expect(READYD_CHANGE_SNAPSHOT, 9);
	expect_none();
}
END_TEST

/* A daemon that ends each connection at once is not asked as fast as it does. */
START_TEST(a_token_survives_a_connection_that_told_nothing)
{
	begin("5:3");
	for (int i = 0; i < 2; i++) {
		serve("MONITOR 5:3\n");
		hang_up();
		if (i == 0)
			expect(READYD_CHANGE_LOST, 3);
		let_it_connect();
	}
	serve("MONITOR 5:3\n");
	tell("RESUMED 5:3\n");
	expect(READYD_CHANGE_RESUMED, 3);
}
END_TEST

START_TEST(an_older_daemon_is_an_error)
{
	begin(NULL);
	serve("MONITOR\n");
	tell("ERR bad-verb use HELLO\n");
	expect(READYD_CHANGE_LOST, 0);
	ck_assert_int_eq(readyd_monitor_next(monitor, &event), -1);
	ck_assert_int_eq(errno, EOPNOTSUPP);
	ck_assert_int_eq(readyd_monitor_next(monitor, &event), -1);
}
END_TEST

START_TEST(a_daemon_without_room_is_tried_again)
{
	begin(NULL);
	serve("MONITOR\n");
	tell("ERR too-many-monitors end some\n");
	expect(READYD_CHANGE_LOST, 0);
	ck_assert_int_eq(event.reason, READYD_REASON_NO_RESOURCES);
	close(server);
	let_it_connect();
	serve("MONITOR\n");
}
END_TEST

START_TEST(another_directory_is_an_error)
{
	static char other[UNIT_PATH_SIZE];

	unit_dir(other);
	options.dir = other;
	begin(NULL);
	serve("MONITOR\n");
	expect(READYD_CHANGE_LOST, 0);
	ck_assert_int_eq(readyd_monitor_next(monitor, &event), -1);
	ck_assert_int_eq(errno, EXDEV);
}
END_TEST

static const char *const wrong_tokens[] = {
    "", "5", "5:", ":5", "5:x", "5:6:7", " 5:6", "18446744073709551616:1"};

START_TEST(a_wrong_token_is_refused)
{
	errno = 0;
	ck_assert_ptr_null(readyd_monitor_new(&options, wrong_tokens[_i]));
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(the_file_cannot_be_monitored)
{
	options.backend = READYD_BACKEND_FILE;
	errno = 0;
	ck_assert_ptr_null(readyd_monitor_new(&options, NULL));
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(an_event_without_a_size_is_refused)
{
	begin(NULL);
	event.size = 0;
	errno = 0;
	ck_assert_int_eq(readyd_monitor_next(monitor, &event), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(each_change_has_a_name)
{
	for (int i = READYD_CHANGE_SNAPSHOT; i <= READYD_CHANGE_FORGOTTEN; i++)
		ck_assert_ptr_nonnull(readyd_change_name((enum readyd_change)i));
	ck_assert_ptr_null(readyd_change_name((enum readyd_change)(READYD_CHANGE_FORGOTTEN + 1)));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("monitor");
	TCase *tcase = unit_case(s, "monitor");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, tells_the_state_and_then_transitions);
	tcase_add_test(tcase, the_descriptor_tells_when_there_is_an_event);
	tcase_add_test(tcase, a_missing_daemon_is_told_once);
	tcase_add_test(tcase, a_lost_connection_is_resumed);
	tcase_add_test(tcase, a_state_that_was_cut_off_begins_again_with_a_gap);
	tcase_add_test(tcase, a_token_survives_a_connection_that_told_nothing);
	tcase_add_test(tcase, an_older_daemon_is_an_error);
	tcase_add_test(tcase, a_daemon_without_room_is_tried_again);
	tcase_add_test(tcase, another_directory_is_an_error);
	tcase_add_loop_test(tcase, a_wrong_token_is_refused, 0, UNIT_COUNT(wrong_tokens));
	tcase_add_test(tcase, the_file_cannot_be_monitored);
	tcase_add_test(tcase, an_event_without_a_size_is_refused);
	tcase_add_test(tcase, each_change_has_a_name);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
