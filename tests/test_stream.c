#include "daemon/loop.h"
#include "daemon/stream.h"
#include "src/sock.h"
#include "tests/refuse.h"
#include "tests/unit.h"

#include <errno.h>
#include <termios.h>

/* The other kernel, and what the daemon has of it. */
static struct loop *loop;
static struct stream *stream;
static int peer, session, sessions;
static char path[UNIT_PATH_SIZE + 8];

static void on_session(int fd, void *context)
{
	ck_assert_ptr_eq(context, &sessions);
	if (session >= 0)
		close(session);
	session = fd;
	sessions++;
}

static void set_up(void)
{
	ck_assert_ptr_ne(signal(SIGPIPE, SIG_IGN), SIG_ERR);
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	peer = session = -1;
	sessions = 0;
}

static void tear_down(void)
{
	stream_free(stream);
	loop_free(loop);
}

static void open_terminal(void)
{
	peer = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(peer, 0);
	ck_assert_int_eq(grantpt(peer), 0);
	ck_assert_int_eq(unlockpt(peer), 0);
	ck_assert_int_eq(ptsname_r(peer, path, sizeof(path)), 0);
	stream = stream_new(loop, path, on_session, &sessions);
}

static void open_socket(void)
{
	char dir[UNIT_PATH_SIZE];
	int listener;

	unit_dir(dir);
	ck_assert_int_eq(chdir(dir), 0);
	listener = unit_listen("s", 1);
	stream = stream_new(loop, "s", on_session, &sessions);
	peer = accept(listener, NULL, NULL);
	ck_assert_int_ge(peer, 0);
	close(listener);
}

static void say(const char *text)
{
	ck_assert_int_eq(write(peer, text, strlen(text)), (ssize_t)strlen(text));
}

static void await_sessions(int count)
{
	while (sessions < count)
		loop_turn(loop, true);
}

/* What comes through the loop to that descriptor. */
static void expect(int fd, const char *text)
{
	char got[256];
	size_t len = 0;
	ssize_t n;

	ck_assert_int_ne(fcntl(fd, F_SETFL, O_NONBLOCK), -1);
	while (len < strlen(text)) {
		n = read(fd, got + len, sizeof(got) - 1 - len);
		if (n > 0)
			len += (size_t)n;
		else
			loop_turn(loop, true);
	}
	got[len] = '\0';
	ck_assert_str_eq(got, text);
}

static void (*const openers[])(void) = {open_terminal, open_socket};

/* Each HELLO begins one; what comes before the first belongs to none. */
START_TEST(sessions_follow_each_other)
{
	openers[_i]();
	say("PING\nHELLO 1\nPING\n");
	await_sessions(1);
	expect(session, "HELLO 1\nPING\n");
	ck_assert_int_eq(write(session, "PONG\n", 5), 5);
	expect(peer, "\nPONG\n");
	say("HELLO 1\n");
	await_sessions(2);
	expect(session, "HELLO 1\n");
	ck_assert_int_eq(sessions, 2);
	close(session);
}
END_TEST

/* A terminal is no longer one that echoes. */
START_TEST(terminal_is_raw)
{
	struct termios settings;

	open_terminal();
	ck_assert_int_eq(tcgetattr(peer, &settings), 0);
	ck_assert_uint_eq(settings.c_lflag & (ECHO | ICANON), 0);
}
END_TEST

/* The session ends with it. */
START_TEST(peer_hangs_up)
{
	char byte;

	openers[_i]();
	say("HELLO 1\n");
	await_sessions(1);
	expect(session, "HELLO 1\n");
	close(peer);
	while (read(session, &byte, 1) < 0)
		loop_turn(loop, true);
	ck_assert_int_eq(read(session, &byte, 1), 0);
	close(session);
}
END_TEST

static void make_file(void)
{
	unit_write("s", "");
}

static void make_fifo(void)
{
	ck_assert_int_eq(mkfifo("s", 0600), 0);
}

static void make_nothing(void)
{
}

static void (*const others[])(void) = {make_nothing, make_file, make_fifo};

START_TEST(what_is_no_stream_is_tried_again)
{
	char dir[UNIT_PATH_SIZE];
	int fds = unit_count_fds();

	unit_dir(dir);
	ck_assert_int_eq(chdir(dir), 0);
	others[_i]();
	stream = stream_new(loop, "s", on_session, &sessions);
	ck_assert_int_eq(unit_count_fds(), fds);
	ck_assert(_i == 0 || unlink("s") == 0);
	unit_listen("s", 1);
	while (unit_count_fds() < fds + 2)
		loop_turn(loop, true);
	ck_assert_int_eq(sessions, 0);
}
END_TEST

START_TEST(no_session_without_descriptors)
{
	open_socket();
	ck_assert_int_eq(refuse(SYS_socketpair, EMFILE), 0);
	say("HELLO 1\n");
	for (int i = 0; i < 10; i++)
		loop_turn(loop, false);
	ck_assert_int_eq(sessions, 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("stream");
	TCase *tcase = unit_case(s, "stream");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, sessions_follow_each_other, 0, UNIT_COUNT(openers));
	tcase_add_test(tcase, terminal_is_raw);
	tcase_add_loop_test(tcase, peer_hangs_up, 0, UNIT_COUNT(openers));
	tcase_add_loop_test(tcase, what_is_no_stream_is_tried_again, 0, UNIT_COUNT(others));
	unit_add_if(tcase, no_session_without_descriptors, unit_can_refuse(), "no filters of system calls");
	return s;
}

int main(void)
{
	return unit_main(suite);
}
