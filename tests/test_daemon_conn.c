/* The connection to the daemon, with a script in place of the daemon and the time as the test says. */
#include <errno.h>
#include <sys/socket.h>

#include "client/lib/daemon_conn.h"
#include "src/process.h"
#include "src/sock.h"
#include "tests/unit.h"

#define NOW 1000000

static struct settings settings;
static struct daemon_conn conn;
static struct daemon_event event;
static int listener, server;
static char hello[WIRE_REPLY_MAX + 1];

static void write_hello(const char *dir)
{
	struct wire_hello says = {.epoch = 1, .pidns = process_own_namespace("pid")};
	struct stat st;

	ck_assert_int_eq(stat(dir, &st), 0);
	says.dev = st.st_dev;
	says.ino = st.st_ino;
	says.place = settings.place;
	hello[wire_write_hello(hello, sizeof(hello) - 1, &says)] = '\0';
}

static void set_up(void)
{
	struct readyd_options options = READYD_OPTIONS_INIT;
	char dir[UNIT_PATH_SIZE], path[UNIT_PATH_SIZE + 8];

	unsetenv("READYD_BACKEND");
	unit_dir(dir);
	snprintf(path, sizeof(path), "%s/socket", dir);
	options.dir = dir;
	options.socket = path;
	ck_assert_int_eq(settings_init(&settings, &options), 0);
	listener = unit_listen(path, 1);
	write_hello(dir);
	daemon_conn_init(&conn, &settings);
	server = -1;
}

static void tear_down(void)
{
	daemon_conn_close(&conn);
	close(listener);
	sock_close(server);
}

static void ask_for(const enum wire_verb *verbs, size_t count)
{
	ck_assert(daemon_conn_begin(&conn, NOW, true, &event));
	for (size_t i = 0; i < count; i++)
		daemon_conn_put(
		    &conn, &(struct wire_request){.verb = verbs[i], .pid = 5 + (pid_t)i, .start = 7});
	ck_assert(daemon_conn_commit(&conn, NOW, true, &event));
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(server, 0);
	conn.pid = 0; /* it does not work */
}

/* Waits for 5, at NOW. */
static void ask(void)
{
	ask_for((const enum wire_verb[]){WIRE_WAIT}, 1);
}

static void expect_request(const char *request)
{
	char text[256];
	ssize_t n = recv(server, text, sizeof(text) - 1, MSG_DONTWAIT);

	ck_assert_int_gt(n, 0);
	text[n] = '\0';
	ck_assert_str_eq(text, request);
}

static void say(const char *text)
{
	ck_assert_int_eq(send(server, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void hang_up(void)
{
	close(server);
	server = -1;
}

static void expect(enum daemon_event_kind kind)
{
	ck_assert(daemon_conn_next(&conn, NOW, &event));
	ck_assert_int_eq(event.kind, kind);
}

static void expect_nothing(void)
{
	ck_assert(!daemon_conn_next(&conn, NOW, &event));
}

/* A line that says nothing to act on. */
static void greet(void)
{
	say(hello);
	expect(DAEMON_NOTHING);
}

static void expect_absent(int error)
{
	expect(DAEMON_ABSENT);
	ck_assert_int_eq(event.error, error);
	ck_assert_int_eq(conn.state, DAEMON_BACKING_OFF);
	ck_assert(daemon_conn_is_absent(&conn));
	ck_assert_int_eq(conn.io.fd, -1);
	expect_nothing();
}

START_TEST(greets_and_asks_in_one_go)
{
	ask();
	ck_assert_int_eq(conn.state, DAEMON_GREETING);
	ck_assert(!daemon_conn_may_ask(&conn, NOW, true));
	expect_request("HELLO 1\nWAIT 5:7\nPING\n");
	greet();
	ck_assert_int_eq(conn.state, DAEMON_OPEN);
	say("died 5 start=7\nPONG\n");
	expect(DAEMON_ANSWER);
	ck_assert_int_eq(event.answer.verdict, READYD_DIED);
	expect(DAEMON_ANSWERED);
	expect_nothing();
	ck_assert(daemon_conn_may_ask(&conn, NOW, false));
	ck_assert_int_eq(daemon_conn_deadline(&conn, true), 0);
}
END_TEST

/* Each of these has one reply, so that no PING has to follow them. */
START_TEST(counts_the_answers_to_gates)
{
	ask_for((const enum wire_verb[]){WIRE_QUERY, WIRE_GATE, WIRE_GATE}, 3);
	expect_request("HELLO 1\nQUERY 5:7\nGATE 6:7\nGATE 7:7\n");
	greet();
	say("stale 5 start=7\nready 6 start=7\n");
	expect(DAEMON_ANSWER);
	ck_assert(!daemon_conn_is_drained(&conn));
	expect(DAEMON_ANSWER);
	ck_assert(daemon_conn_is_drained(&conn));
	expect_nothing();
	ck_assert(!daemon_conn_may_ask(&conn, NOW, true));
	say("ERR no-resources pid=7\n");
	expect(DAEMON_REFUSED);
	ck_assert(!daemon_conn_is_drained(&conn));
	ck_assert(!daemon_conn_may_ask(&conn, NOW, true));
	expect(DAEMON_ANSWERED);
	ck_assert(daemon_conn_is_drained(&conn));
	ck_assert(daemon_conn_may_ask(&conn, NOW, true));
	ck_assert_int_eq(daemon_conn_deadline(&conn, true), 0);
	expect_nothing();
}
END_TEST

/* A descriptor ends a read, whatever comes after it. */
START_TEST(a_gate_does_not_show_that_the_socket_is_empty)
{
	ask_for((const enum wire_verb[]){WIRE_GATE, WIRE_GATE}, 2);
	expect_request("HELLO 1\nGATE 5:7\nGATE 6:7\n");
	greet();
	ck_assert_int_eq(sock_send_fd(server, "GATE 5 start=7\n", 15, STDIN_FILENO), 15);
	say("ready 6 start=7\n");
	expect(DAEMON_GATE);
	close(event.fd);
	ck_assert(!daemon_conn_is_drained(&conn));
	expect(DAEMON_ANSWER);
}
END_TEST

/* Verdicts about earlier waits come at any time. */
START_TEST(counts_no_answers_beside_waits)
{
	const struct wire_request gate = {.verb = WIRE_GATE, .pid = 6, .start = 7};

	ask();
	expect_request("HELLO 1\nWAIT 5:7\nPING\n");
	greet();
	say("PONG\n");
	expect(DAEMON_ANSWERED);
	ck_assert(daemon_conn_begin(&conn, NOW, true, &event));
	daemon_conn_put(&conn, &gate);
	ck_assert(daemon_conn_commit(&conn, NOW, true, &event));
	expect_request("GATE 6:7\nPING\n");
	say("ready 5 start=7\n");
	expect(DAEMON_ANSWER);
	expect_nothing();
	ck_assert(!daemon_conn_may_ask(&conn, NOW, true));
	say("ready 6 start=7\nPONG\n");
	expect(DAEMON_ANSWER);
	expect(DAEMON_ANSWERED);
	expect_nothing();
}
END_TEST

START_TEST(nothing_requested_is_answered)
{
	ask_for(NULL, 0);
	greet();
	expect_nothing();
	ck_assert(daemon_conn_may_ask(&conn, NOW, true));
}
END_TEST

START_TEST(serves_another_directory)
{
	ask();
	write_hello("/");
	say(hello);
	say("PONG\n");
	expect_absent(EXDEV);
}
END_TEST

START_TEST(has_no_room)
{
	ask();
	say("ERR too-many-clients\n");
	expect_absent(EAGAIN);
}
END_TEST

START_TEST(refuses_one)
{
	ask();
	greet();
	say("ERR too-many-waits pid=5\nPONG\n");
	expect(DAEMON_REFUSED);
	ck_assert_int_eq(event.answer.pid, 5);
	ck_assert_int_eq(event.refusal, WIRE_TOO_MANY_WAITS);
	daemon_conn_refuse(&conn, NOW);
	/* Others may still be answered. */
	ck_assert(!daemon_conn_is_absent(&conn));
	expect(DAEMON_ANSWERED);
	ck_assert(daemon_conn_is_absent(&conn));
	ck_assert(!daemon_conn_may_ask(&conn, NOW, false));
	ck_assert(daemon_conn_may_ask(&conn, NOW, true));
	ck_assert(daemon_conn_may_ask(&conn, NOW + 1250, false));
	daemon_conn_ask_soon(&conn);
	ck_assert(daemon_conn_may_ask(&conn, NOW, false));
}
END_TEST

/* Then it answers nothing, new or not. */
START_TEST(what_is_new_waits_for_a_daemon_that_is_absent)
{
	ask();
	hang_up();
	expect_absent(ECONNRESET);
	daemon_conn_ask_soon(&conn);
	ck_assert(!daemon_conn_may_ask(&conn, NOW, false));
}
END_TEST

static const char *const garbage[] = {
    "hello\n", "\n", "ready\n", "PONG PONG\n", "\x01\x02\xff\n", "GATE 5\n"};

/* The last one: its descriptor is missing. */
START_TEST(garbage_is_absence)
{
	ask();
	greet();
	say(garbage[_i]);
	expect_absent(EPROTO);
}
END_TEST

START_TEST(gate_brings_a_descriptor)
{
	const char line[] = "GATE 5 start=7\n";
	int ends[2];

	ask();
	greet();
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(sock_send_fd(server, line, strlen(line), ends[0]), (ssize_t)strlen(line));
	expect(DAEMON_GATE);
	ck_assert_int_eq(event.answer.pid, 5);
	ck_assert_uint_eq(event.answer.start, 7);
	ck_assert_int_ge(event.fd, 0);
	close(event.fd);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

/* Whatever has been sent, the end is told once; and only a daemon that had answered everything is tried again
 * soon. */
START_TEST(cut_at_every_byte)
{
	char script[sizeof(hello) + 64];
	int fds = unit_count_fds(), ends;
	size_t len;

	len = (size_t)snprintf(script, sizeof(script), "%sdied 5 start=7\nPONG\n", hello);
	for (size_t cut = 0; cut <= len; cut++) {
		ask();
		ck_assert_int_eq(send(server, script, cut, MSG_NOSIGNAL), (ssize_t)cut);
		hang_up();
		for (ends = 0; daemon_conn_next(&conn, NOW, &event);)
			ends += event.kind == DAEMON_ABSENT || event.kind == DAEMON_LOST;
		unit_check(ends == 1 && event.error == ECONNRESET);
		unit_check(conn.state == (cut == len ? DAEMON_CLOSED : DAEMON_BACKING_OFF));
		unit_check(daemon_conn_is_absent(&conn) == (cut < len));
		unit_check(daemon_conn_may_ask(&conn, NOW + 25, false) == (cut == len));
		unit_check(unit_count_fds() == fds);
		conn.retry_at = 0;
	}
}
END_TEST

static void expire(int64_t after, enum daemon_event_kind kind)
{
	ck_assert(daemon_conn_expire(&conn, NOW + after, &event));
	ck_assert_int_eq(event.kind, kind);
}

START_TEST(frozen_is_late)
{
	ask();
	ck_assert_int_eq(daemon_conn_deadline(&conn, true), NOW + 1000);
	ck_assert(!daemon_conn_expire(&conn, NOW + 999, &event));
	expire(1000, DAEMON_ABSENT);
	ck_assert_int_eq(event.error, ETIMEDOUT);
	ck_assert_int_eq(conn.state, DAEMON_LATE);
	ck_assert(daemon_conn_is_absent(&conn));
	ck_assert(!daemon_conn_may_ask(&conn, NOW + 10000, true));
	ck_assert(!daemon_conn_expire(&conn, NOW + 10000, &event));
	/* Its late answer is welcome. */
	greet();
	ck_assert_int_eq(conn.state, DAEMON_LATE);
	say("PONG\n");
	expect(DAEMON_ANSWERED);
	ck_assert_int_eq(conn.state, DAEMON_OPEN);
	ck_assert(!daemon_conn_is_absent(&conn));
}
END_TEST

/* One that has used CPU time since it was last checked, as one has that was never checked. */
START_TEST(working_is_not_late)
{
	ask();
	conn.pid = getpid();
	ck_assert(!daemon_conn_expire(&conn, NOW + 1000, &event));
	ck_assert_int_ge(daemon_conn_deadline(&conn, true), NOW + 1000 + 750);
	ck_assert_int_eq(conn.state, DAEMON_GREETING);
	/* Not without end. */
	conn.cpu = 0;
	expire(30000, DAEMON_ABSENT);
}
END_TEST

START_TEST(replies_renew_the_time)
{
	ask();
	say(hello);
	ck_assert(daemon_conn_next(&conn, NOW + 900, &event));
	ck_assert(!daemon_conn_expire(&conn, NOW + 1000, &event));
	expire(1900, DAEMON_ABSENT);
}
END_TEST

/* Lines that keep coming, but none that was asked for. */
static int64_t renew(int64_t interval, int64_t most)
{
	int64_t after = 0;

	while (!daemon_conn_expire(&conn, NOW + after, &event) && after < most) {
		after += interval;
		say("CANCELLED 9 1\n");
		ck_assert(daemon_conn_next(&conn, NOW + after, &event));
		ck_assert_int_eq(event.kind, DAEMON_NOTHING);
	}
	ck_assert_int_eq(event.kind, DAEMON_ABSENT);
	ck_assert_int_eq(event.error, ETIMEDOUT);
	return after;
}

START_TEST(replies_do_not_renew_the_time_without_end)
{
	int64_t after;

	ask();
	after = renew(100, 60000);
	ck_assert_int_ge(after, 30000);
	ck_assert_int_le(after, 31000);
}
END_TEST

START_TEST(nor_that_until_the_own_check_counts)
{
	daemon_conn_init(&conn, &settings);
	ask();
	conn.reply_by = 0;
	daemon_conn_expect(&conn, NOW, true);
	for (int64_t after = 0; after < 30000; after += 20) {
		say("ready 9 start=9\n");
		ck_assert(daemon_conn_next(&conn, NOW + after, &event));
		ck_assert_int_eq(event.kind, DAEMON_ANSWER);
		ck_assert(!daemon_conn_expire(&conn, NOW + after, &event));
	}
	say("ready 9 start=9\n");
	ck_assert(daemon_conn_next(&conn, NOW + 30050, &event));
	expire(30050, DAEMON_STOPPED);
}
END_TEST

static void put_question(enum wire_verb verb, bool long_answer)
{
	const struct wire_request request = {.verb = verb};

	daemon_conn_init_question(&conn, &settings, long_answer);
	ck_assert(daemon_conn_begin(&conn, NOW, false, &event));
	daemon_conn_put(&conn, &request);
	ck_assert(daemon_conn_commit(&conn, NOW, false, &event));
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	conn.pid = 0; /* it does not work */
}

START_TEST(no_reply_renews_the_time_of_a_question)
{
	put_question(WIRE_STATS, false);
	ck_assert_int_le(renew(10, 60000), 260);
}
END_TEST

START_TEST(insisting_on_a_question_has_an_end)
{
	settings.backend = READYD_BACKEND_DAEMON;
	put_question(WIRE_PING, false);
	ck_assert_int_le(renew(10, 60000), 5010);
}
END_TEST

START_TEST(a_list_has_an_end)
{
	int64_t after;

	put_question(WIRE_LIST, true);
	after = renew(100, 60000);
	ck_assert_int_ge(after, 10000);
	ck_assert_int_le(after, 10400);
}
END_TEST

START_TEST(insisting_is_more_patient)
{
	settings.backend = READYD_BACKEND_DAEMON;
	daemon_conn_init(&conn, &settings);
	ask();
	ck_assert(!daemon_conn_expire(&conn, NOW + 4999, &event));
	expire(5000, DAEMON_ABSENT);
}
END_TEST

START_TEST(question_is_less_patient)
{
	const struct wire_request query = {.verb = WIRE_QUERY, .pid = 5};

	daemon_conn_init_question(&conn, &settings, false);
	ck_assert(daemon_conn_begin(&conn, NOW, true, &event));
	daemon_conn_put(&conn, &query);
	ck_assert(daemon_conn_commit(&conn, NOW, false, &event));
	conn.pid = 0;
	ck_assert(!daemon_conn_expire(&conn, NOW + 249, &event));
	expire(250, DAEMON_ABSENT);
	ck_assert_int_eq(event.error, ETIMEDOUT);
}
END_TEST

/* It has a crowd to serve. */
START_TEST(question_waits_while_the_daemon_works)
{
	const struct wire_request query = {.verb = WIRE_QUERY, .pid = 5};

	daemon_conn_init_question(&conn, &settings, false);
	ck_assert(daemon_conn_begin(&conn, NOW, true, &event));
	daemon_conn_put(&conn, &query);
	ck_assert(daemon_conn_commit(&conn, NOW, false, &event));
	for (int64_t after = 250; after < 4000; after += 320) {
		conn.cpu = 0;
		ck_assert(!daemon_conn_expire(&conn, NOW + after, &event));
		ck_assert_int_le(daemon_conn_deadline(&conn, false), NOW + after + 320);
	}
	conn.cpu = 0;
	expire(4400, DAEMON_ABSENT);
}
END_TEST

START_TEST(expected_word_of_a_stopped_one)
{
	daemon_conn_expect(&conn, NOW, true);
	ck_assert(!daemon_conn_expire(&conn, NOW + 30, &event));
	expire(63, DAEMON_STOPPED);
	ck_assert(!daemon_conn_expire(&conn, NOW + 1000, &event));
	daemon_conn_expect(&conn, NOW, true);
	daemon_conn_expect(&conn, NOW, false);
	ck_assert(!daemon_conn_expire(&conn, NOW + 1000, &event));
}
END_TEST

/* The intervals grow up to a second. */
START_TEST(expected_word_of_a_working_one)
{
	int64_t now = NOW, interval = 50;

	conn.pid = getpid();
	daemon_conn_expect(&conn, now, true);
	for (int i = 0; i < 8; i++) {
		conn.cpu = 0;
		ck_assert_int_ge(conn.confirm_by, now + interval * 3 / 4);
		ck_assert_int_le(conn.confirm_by, now + interval * 5 / 4);
		now = conn.confirm_by;
		ck_assert(daemon_conn_expire(&conn, now, &event));
		ck_assert_int_eq(event.kind, DAEMON_SLOW);
		ck_assert(event.again == (interval == 1000));
		interval = interval < 500 ? 2 * interval : 1000;
	}
}
END_TEST

START_TEST(nothing_listens)
{
	close(listener);
	ck_assert_int_eq(unlink(settings.socket), 0);
	ck_assert(!daemon_conn_begin(&conn, NOW, true, &event));
	ck_assert_int_eq(event.kind, DAEMON_ABSENT);
	ck_assert_int_eq(event.error, ENOENT);
	ck_assert(daemon_conn_is_absent(&conn));
	ck_assert(!daemon_conn_may_ask(&conn, NOW + 700, false));
	ck_assert(daemon_conn_may_ask(&conn, NOW + 700, true));
	ck_assert(daemon_conn_may_ask(&conn, NOW + 1250, false));
	daemon_conn_rest(&conn, true);
	ck_assert_int_eq(conn.state, DAEMON_CLOSED);
	ck_assert(!daemon_conn_is_absent(&conn));
	ck_assert(daemon_conn_may_ask(&conn, NOW, false));
}
END_TEST

/* It is tried again, at growing intervals of a second together; what is urgent waits for that too. */
START_TEST(backlog_is_full)
{
	int clients[3];

	for (int i = 0; i < 3; i++)
		clients[i] = sock_connect(settings.socket);
	for (int64_t ms = 20; ms <= 640; ms *= 2) {
		ck_assert(!daemon_conn_begin(&conn, NOW, true, &event));
		ck_assert_int_eq(event.kind, DAEMON_NOTHING);
		ck_assert(!daemon_conn_is_absent(&conn));
		ck_assert(!daemon_conn_may_ask(&conn, NOW + ms * 3 / 4 - 1, true));
		ck_assert(daemon_conn_may_ask(&conn, NOW + ms * 5 / 4, false));
	}
	ck_assert(!daemon_conn_begin(&conn, NOW, true, &event));
	ck_assert_int_eq(event.kind, DAEMON_ABSENT);
	ck_assert_int_eq(event.error, EAGAIN);
	for (int i = 0; i < 3; i++)
		sock_close(clients[i]);
}
END_TEST

/* The same for a daemon of another kernel, which is greeted with a tag. */
static void ask_remote(void)
{
	settings.backend = READYD_BACKEND_REMOTE;
	settings.place_given = false;
	ask();
}

static void greet_with(uint64_t tag)
{
	struct wire_hello says = {.epoch = 1, .tag = tag, .place = settings.place};
	char line[WIRE_REPLY_MAX + 1];

	line[wire_write_hello(line, sizeof(line) - 1, &says)] = '\0';
	say(line);
	expect(DAEMON_NOTHING);
}

static void meet_remote(void)
{
	ask_remote();
	greet_with(conn.tag);
	say("PONG\n");
	expect(DAEMON_ANSWERED);
}

START_TEST(what_a_stream_has_left_is_skipped)
{
	char request[256];

	ask_remote();
	ck_assert_uint_ne(conn.tag, 0);
	snprintf(request, sizeof(request), "\nHELLO 1 %llu\nWAIT 5:7\nPING\n", (unsigned long long)conn.tag);
	expect_request(request);
	say("ady 5 start=7\n\xff\xfe\n\n");
	expect_nothing();
	say("ready 5 start=7\nPONG\nERR bad-verb\n");
	expect(DAEMON_NOTHING);
	expect(DAEMON_NOTHING);
	expect(DAEMON_NOTHING);
	greet();
	greet_with(conn.tag + 1);
	ck_assert_int_eq(conn.state, DAEMON_GREETING);
	ck_assert(!conn.met);
	greet_with(conn.tag);
	ck_assert_int_eq(conn.state, DAEMON_OPEN);
	say("ready 5 start=7\nPONG\n");
	expect(DAEMON_ANSWER);
	expect(DAEMON_ANSWERED);
	say("x\n");
	expect(DAEMON_LOST);
}
END_TEST

START_TEST(another_client_takes_the_stream)
{
	meet_remote();
	say("READYD 1 epoch=1 pidns=0 timens=0 dir=0:0 prefix=a path=/ tag=2\n");
	expect(DAEMON_LOST);
	ck_assert_int_eq(conn.io.fd, -1);
}
END_TEST

/* The first loss is met at once, and each attempt later; after 5 seconds, there is no daemon. */
START_TEST(lost_remote_daemon_is_tried_again)
{
	int64_t delay, now = NOW, before = 0;

	meet_remote();
	hang_up();
	expect(DAEMON_LOST);
	close(listener);
	listener = -1;
	for (int i = 0; i < 4; i++, before = delay) {
		delay = conn.retry_at - now;
		ck_assert_int_gt(delay, before);
		now = conn.retry_at;
		ck_assert(!daemon_conn_begin(&conn, now, true, &event));
		ck_assert_int_eq(event.kind, DAEMON_LOST);
	}
	ck_assert_int_gt(before, 100);
	ck_assert(!daemon_conn_begin(&conn, NOW + 5000, true, &event));
	ck_assert_int_eq(event.kind, DAEMON_ABSENT);
	ck_assert_int_eq(conn.state, DAEMON_BACKING_OFF);
}
END_TEST

START_TEST(silent_remote_daemon_is_lost)
{
	int64_t at;

	meet_remote();
	at = daemon_conn_deadline(&conn, false);
	ck_assert_int_gt(at, NOW);
	ck_assert(!daemon_conn_expire(&conn, at - 1, &event));
	ck_assert(!conn.in_flight);
	ck_assert(!daemon_conn_expire(&conn, at, &event));
	ck_assert(conn.in_flight);
	ck_assert(daemon_conn_expire(&conn, daemon_conn_deadline(&conn, false), &event));
	ck_assert_int_eq(event.kind, DAEMON_LOST);
	ck_assert_int_eq(event.error, ETIMEDOUT);
}
END_TEST

/* Later each time, but not without end; the first loss after that is met at once again. */
START_TEST(remote_daemon_that_has_not_answered_is_tried_again)
{
	int64_t delay, now = NOW, before = 0;

	ask_remote();
	hang_up();
	expect(DAEMON_LOST);
	ck_assert_int_eq(conn.error, ECONNRESET);
	for (int i = 0; i < 100; i++, before = delay) {
		delay = conn.retry_at - now;
		ck_assert_int_gt(delay, i < 5 ? before : 2000);
		ck_assert_int_lt(delay, 5000);
		now = conn.retry_at;
		ck_assert(daemon_conn_begin(&conn, now, true, &event));
		server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		hang_up();
		(void)daemon_conn_next(&conn, now, &event);
		ck_assert_int_eq(event.kind, DAEMON_LOST);
	}
	meet_remote();
	ck_assert_int_eq(conn.error, 0);
	hang_up();
	expect(DAEMON_LOST);
	ck_assert_int_lt(conn.retry_at - NOW, 100);
	ck_assert_int_eq(conn.error, 0);
}
END_TEST

START_TEST(silent_remote_daemon_that_has_not_answered_is_tried_again)
{
	ask_remote();
	ck_assert(daemon_conn_expire(&conn, daemon_conn_deadline(&conn, false), &event));
	ck_assert_int_eq(event.kind, DAEMON_LOST);
	ck_assert_int_eq(conn.error, ETIMEDOUT);
	ck_assert_int_eq(conn.io.fd, -1);
}
END_TEST

START_TEST(remote_daemon_without_room_is_tried_again)
{
	ask_remote();
	say("ERR too-many-clients no room\n");
	expect(DAEMON_LOST);
	ck_assert_int_eq(conn.error, EAGAIN);
}
END_TEST

START_TEST(remote_daemon_that_is_too_old_is_absent)
{
	settings.backend = READYD_BACKEND_REMOTE;
	settings.place_given = false;
	ask_for((const enum wire_verb[]){WIRE_END}, 1);
	ck_assert(conn.carries_waits);
	greet_with(conn.tag);
	say("ERR bad-verb use HELLO\n");
	expect_absent(EOPNOTSUPP);
}
END_TEST

START_TEST(remote_daemon_of_another_directory_is_absent)
{
	char line[128];

	ask_remote();
	settings.place_given = true;
	snprintf(line, sizeof(line), "READYD 1 epoch=1 pidns=0 timens=0 dir=0:0 prefix=a path=/ tag=%llu\n",
	    (unsigned long long)conn.tag);
	say(line);
	expect_absent(EXDEV);
}
END_TEST

START_TEST(question_tries_once_to_reach_a_remote_daemon)
{
	settings.backend = READYD_BACKEND_REMOTE;
	daemon_conn_init_question(&conn, &settings, false);
	ask_remote();
	hang_up();
	expect_absent(ECONNRESET);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("daemon_conn");
	TCase *tcase = unit_case(s, "daemon_conn");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, greets_and_asks_in_one_go);
	tcase_add_test(tcase, counts_the_answers_to_gates);
	tcase_add_test(tcase, a_gate_does_not_show_that_the_socket_is_empty);
	tcase_add_test(tcase, counts_no_answers_beside_waits);
	tcase_add_test(tcase, nothing_requested_is_answered);
	tcase_add_test(tcase, serves_another_directory);
	tcase_add_test(tcase, has_no_room);
	tcase_add_test(tcase, refuses_one);
	tcase_add_test(tcase, what_is_new_waits_for_a_daemon_that_is_absent);
	tcase_add_loop_test(tcase, garbage_is_absence, 0, UNIT_COUNT(garbage));
	tcase_add_test(tcase, gate_brings_a_descriptor);
	tcase_add_test(tcase, cut_at_every_byte);
	tcase_add_test(tcase, frozen_is_late);
	tcase_add_test(tcase, working_is_not_late);
	tcase_add_test(tcase, replies_renew_the_time);
	tcase_add_test(tcase, replies_do_not_renew_the_time_without_end);
	tcase_add_test(tcase, nor_that_until_the_own_check_counts);
	tcase_add_test(tcase, no_reply_renews_the_time_of_a_question);
	tcase_add_test(tcase, insisting_on_a_question_has_an_end);
	tcase_add_test(tcase, a_list_has_an_end);
	tcase_add_test(tcase, insisting_is_more_patient);
	tcase_add_test(tcase, question_is_less_patient);
	tcase_add_test(tcase, question_waits_while_the_daemon_works);
	tcase_add_test(tcase, expected_word_of_a_stopped_one);
	tcase_add_test(tcase, expected_word_of_a_working_one);
	tcase_add_test(tcase, nothing_listens);
	tcase_add_test(tcase, backlog_is_full);
	tcase_add_test(tcase, what_a_stream_has_left_is_skipped);
	tcase_add_test(tcase, another_client_takes_the_stream);
	tcase_add_test(tcase, lost_remote_daemon_is_tried_again);
	tcase_add_test(tcase, silent_remote_daemon_is_lost);
	tcase_add_test(tcase, remote_daemon_that_has_not_answered_is_tried_again);
	tcase_add_test(tcase, silent_remote_daemon_that_has_not_answered_is_tried_again);
	tcase_add_test(tcase, remote_daemon_without_room_is_tried_again);
	tcase_add_test(tcase, remote_daemon_that_is_too_old_is_absent);
	tcase_add_test(tcase, remote_daemon_of_another_directory_is_absent);
	tcase_add_test(tcase, question_tries_once_to_reach_a_remote_daemon);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
