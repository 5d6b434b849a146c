/* A stream to another kernel, with a socket or a terminal in place of its device, and sessions that are read
 * and written here in place of the server. */
#include <errno.h>
#include <sys/mman.h>
#include <termios.h>

#include "daemon/loop.h"
#include "daemon/stream.h"
#include "src/sock.h"
#include "tests/refuse.h"
#include "tests/unit.h"

#define SESSIONS 8

static struct loop *loop;
static struct stream *stream;
static int listener, peer, sessions[SESSIONS], count;
static const char *refusal; /* what each session is told before it is closed at once */

static void on_session(int fd, void *context)
{
	(void)context;
	ck_assert_int_lt(count, SESSIONS);
	sessions[count++] = fd;
	if (refusal == NULL)
		return;
	ck_assert_int_eq(sock_send(fd, refusal, strlen(refusal)), (ssize_t)strlen(refusal));
	close(fd);
	sessions[count - 1] = -1;
}

static void accept_peer(void)
{
	struct pollfd poll_fd = {.fd = listener, .events = POLLIN};

	while (poll(&poll_fd, 1, 0) == 0)
		loop_turn(loop, true);
	peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	ck_assert_int_ge(peer, 0);
}

static void set_up(void)
{
	char dir[UNIT_PATH_SIZE];

	unit_dir(dir);
	ck_assert_int_eq(chdir(dir), 0);
	loop = loop_new();
	count = 0;
	refusal = NULL;
	listener = peer = -1;
}

static void set_up_peer(void)
{
	set_up();
	listener = unit_listen("s", 4);
	stream = stream_new(loop, "s", on_session, NULL);
	accept_peer();
}

static void tear_down(void)
{
	stream_free(stream);
	stream = NULL;
	loop_free(loop);
	sock_close(listener);
	sock_close(peer);
	for (int i = 0; i < count; i++)
		sock_close(sessions[i]);
}

static void say(int fd, const char *text)
{
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	loop_settle(loop);
}

/* What can be read now; "" at the end, too. */
static void expect_heard(int fd, const char *text)
{
	char got[1024];
	size_t len = 0;
	ssize_t n;

	loop_settle(loop);
	while (len + 1 < sizeof(got) && (n = read(fd, got + len, sizeof(got) - len - 1)) > 0)
		len += (size_t)n;
	got[len] = '\0';
	ck_assert_str_eq(got, text);
}

static void expect_end(int fd)
{
	char byte;

	loop_settle(loop);
	ck_assert_int_eq(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
}

START_TEST(nothing_comes_before_the_greeting)
{
	say(peer, "PING\nhello\n\n HELLO 1\n");
	ck_assert_int_eq(count, 0);
	say(peer, "HELLO 1 7\nPING\n");
	ck_assert_int_eq(count, 1);
	expect_heard(sessions[0], "HELLO 1 7\nPING\n");
	expect_heard(peer, "");
}
END_TEST

START_TEST(lines_come_in_parts)
{
	static const char text[] = "HELLO 1\nQUERY 5\n";

	for (const char *at = text; *at != '\0'; at++) {
		say(peer, (const char[]){*at, '\0'});
		ck_assert_int_eq(count, at >= text + strlen("HELLO 1"));
	}
	expect_heard(sessions[0], text);
	say(peer, "QUE");
	expect_heard(sessions[0], "");
	say(peer, "RY 6\nPI");
	expect_heard(sessions[0], "QUERY 6\n");
	say(peer, "NG\n");
	expect_heard(sessions[0], "PING\n");
}
END_TEST

/* What is too long for a line is the daemon's to refuse. A greeting within it is none. */
START_TEST(line_that_is_too_long_is_copied)
{
	char line[301];

	memset(line, '1', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	say(peer, "HELLO 1\n");
	expect_heard(sessions[0], "HELLO 1\n");
	say(peer, line);
	expect_heard(sessions[0], line);
	say(peer, "HELLO 2\n");
	ck_assert_int_eq(count, 1);
	expect_heard(sessions[0], "HELLO 2\n");
	say(peer, "HELLO 3\n");
	ck_assert_int_eq(count, 2);
}
END_TEST

START_TEST(greeting_ends_the_session_before)
{
	say(peer, "HELLO 1\n");
	say(sessions[0], "READYD 1");
	expect_heard(peer, "\nREADYD 1");
	say(peer, "HELLO 2\n");
	ck_assert_int_eq(count, 2);
	expect_heard(sessions[0], "HELLO 1\n");
	expect_end(sessions[0]);
	expect_heard(sessions[1], "HELLO 2\n");
	say(sessions[1], "READYD 1\n");
	expect_heard(peer, "\nREADYD 1\n");
}
END_TEST

START_TEST(session_that_ends_is_heard_to_its_end)
{
	say(peer, "HELLO 1\n");
	say(sessions[0], "ERR too-many-clients\n");
	close(sessions[0]);
	sessions[0] = -1;
	say(peer, "PING\n");
	expect_heard(peer, "\nERR too-many-clients\n");
	say(peer, "PING\n");
	say(peer, "HELLO 2\n");
	ck_assert_int_eq(count, 2);
	expect_heard(sessions[1], "HELLO 2\n");
}
END_TEST

START_TEST(session_that_is_refused_hears_why)
{
	refusal = "ERR too-many-clients\n";
	say(peer, "HELLO 1\nPING\n");
	ck_assert_int_eq(count, 1);
	expect_heard(peer, "\nERR too-many-clients\n");
}
END_TEST

/* Lines of 8 bytes, numbered. */
static bool send_line(int fd, unsigned number)
{
	char line[16];

	snprintf(line, sizeof(line), "%07u\n", number % 10000000);
	return sock_send(fd, line, 8) == 8;
}

static unsigned fill(int fd)
{
	unsigned sent = 0, before;

	do {
		before = sent;
		while (send_line(fd, sent))
			sent++;
		loop_settle(loop);
	} while (sent > before);
	return sent;
}

/* Reads as many lines as were sent. */
static void drain(int fd, unsigned sent)
{
	char line[16];

	for (unsigned number = 0; number < sent; number++) {
		while (recv(fd, line, 8, MSG_PEEK | MSG_DONTWAIT) < 8)
			loop_turn(loop, true);
		ck_assert_int_eq(read(fd, line, 8), 8);
		line[8] = '\0';
		unit_check(strtoul(line, NULL, 10) == number);
	}
}

/* The daemon notices that its output is not read, as with any client. Nothing spins meanwhile: fill() ends.
 */
START_TEST(peer_that_does_not_read)
{
	char newline;
	unsigned sent;

	say(peer, "HELLO 1\n");
	sent = fill(sessions[0]);
	ck_assert_uint_gt(sent, 4096 / 8);
	/* What it asks is still passed on. */
	say(peer, "PING\n");
	expect_heard(sessions[0], "HELLO 1\nPING\n");
	ck_assert_int_eq(read(peer, &newline, 1), 1);
	drain(peer, sent);
	expect_heard(peer, "");
	say(sessions[0], "PONG\n");
	expect_heard(peer, "PONG\n");
}
END_TEST

START_TEST(session_that_does_not_read)
{
	unsigned sent;

	say(peer, "HELLO 1\n");
	expect_heard(sessions[0], "HELLO 1\n");
	sent = fill(peer);
	ck_assert_uint_gt(sent, 4096 / 8);
	say(sessions[0], "PONG\n");
	expect_heard(peer, "\nPONG\n");
	drain(sessions[0], sent);
	expect_heard(sessions[0], "");
	say(peer, "PING\n");
	expect_heard(sessions[0], "PING\n");
}
END_TEST

/* Also with output that was not read, and in the middle of a line. */
START_TEST(peer_hangs_up_and_returns)
{
	say(peer, "HELLO 1\n");
	(void)fill(sessions[0]);
	say(peer, "QUE");
	close(peer);
	expect_heard(sessions[0], "HELLO 1\n");
	expect_end(sessions[0]);
	accept_peer();
	say(peer, "RY 5\nHELLO 2\n");
	ck_assert_int_eq(count, 2);
	expect_heard(sessions[1], "HELLO 2\n");
	say(sessions[1], "READYD 1\n");
	expect_heard(peer, "\nREADYD 1\n");
}
END_TEST

START_TEST(no_session_without_descriptors)
{
	ck_assert_int_eq(refuse(SYS_socketpair, EMFILE), 0);
	say(peer, "HELLO 1\n");
	ck_assert_int_eq(count, 0);
}
END_TEST

START_TEST(device_that_is_not_there_yet)
{
	stream = stream_new(loop, "s", on_session, NULL);
	loop_settle(loop);
	listener = unit_listen("s", 4);
	accept_peer();
	say(peer, "HELLO 1\n");
	ck_assert_int_eq(count, 1);
}
END_TEST

START_TEST(file_is_not_a_stream)
{
	unit_write("s", "HELLO 1\n");
	stream = stream_new(loop, "s", on_session, NULL);
	loop_settle(loop);
	ck_assert_int_eq(count, 0);
}
END_TEST

/* A terminal passes on in the background what was written to it. */
static void await_heard(int fd, const char *text)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	char got[64] = "";

	for (size_t len = 0, n; len < strlen(text); len += n) {
		while (poll(&poll_fd, 1, 1) == 0)
			loop_turn(loop, false);
		n = (size_t)read(fd, got + len, sizeof(got) - len - 1);
		ck_assert_uint_lt(n, sizeof(got));
	}
	ck_assert_str_eq(got, text);
}

/* It neither echoes nor changes what it gets. */
START_TEST(terminal_is_a_stream)
{
	peer = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	ck_assert_int_ge(peer, 0);
	ck_assert(grantpt(peer) == 0 && unlockpt(peer) == 0);
	stream = stream_new(loop, ptsname(peer), on_session, NULL);
	say(peer, "HELLO 1\n\x04\x03x\r\n");
	while (count < 1)
		loop_turn(loop, true);
	await_heard(sessions[0], "HELLO 1\n\x04\x03x\r\n");
	say(sessions[0], "READYD 1\n");
	await_heard(peer, "\nREADYD 1\n");
	close(peer);
	peer = -1;
	expect_end(sessions[0]);
}
END_TEST

/* The port of a virtual machine: no terminal, and nothing can be read while its other side is closed. */
static bool is_port, is_closed;

/* NOLINTBEGIN(bugprone-reserved-identifier) */
int __real_tcgetattr(int fd, struct termios *settings);
ssize_t __real_read(int fd, void *buf, size_t size);
int __wrap_tcgetattr(int fd, struct termios *settings);
ssize_t __wrap_read(int fd, void *buf, size_t size);

int __wrap_tcgetattr(int fd, struct termios *settings)
{
	if (!is_port)
		return __real_tcgetattr(fd, settings);
	errno = ENOTTY;
	return -1;
}

ssize_t __wrap_read(int fd, void *buf, size_t size)
{
	return is_closed && fd != peer && isatty(fd) ? 0 : __real_read(fd, buf, size);
}
/* NOLINTEND(bugprone-reserved-identifier) */

static void open_port(void)
{
	struct termios settings;

	peer = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	ck_assert(peer >= 0 && grantpt(peer) == 0 && unlockpt(peer) == 0);
	ck_assert_int_eq(__real_tcgetattr(peer, &settings), 0);
	cfmakeraw(&settings);
	ck_assert_int_eq(tcsetattr(peer, TCSANOW, &settings), 0);
	is_port = true;
	stream = stream_new(loop, ptsname(peer), on_session, NULL);
}

/* The session ends, and the port stays open for the next one. */
START_TEST(port_outlasts_its_other_side)
{
	int fds;

	open_port();
	say(peer, "HELLO 1\n");
	while (count < 1)
		loop_turn(loop, true);
	await_heard(sessions[0], "HELLO 1\n");
	fds = unit_count_fds();
	is_closed = true;
	say(peer, "\n");
	while (recv(sessions[0], &(char){0}, 1, MSG_DONTWAIT | MSG_PEEK) < 0)
		loop_turn(loop, true);
	expect_end(sessions[0]);
	ck_assert_int_eq(unit_count_fds(), fds - 1);
	is_closed = false;
	say(peer, "HELLO 2\n");
	while (count < 2)
		loop_turn(loop, true);
	await_heard(sessions[1], "HELLO 2\n");
}
END_TEST

static int log_to_file(void)
{
	const int fd = memfd_create("log", MFD_CLOEXEC);

	ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	return fd;
}

/* libevent has lines of its own in it. */
static int count_words(int log, const char *words)
{
	char text[4096] = "";
	int found = 0;

	ck_assert_int_ge(pread(log, text, sizeof(text) - 1, 0), 0);
	for (const char *at = text; (at = strstr(at, words)) != NULL; at++)
		found++;
	return found;
}

/* It has no events. A lasting error is logged once. */
START_TEST(device_that_cannot_be_polled)
{
	const int log = log_to_file();
	int fds;

	stream = stream_new(loop, "/dev/null", on_session, NULL);
	fds = unit_count_fds();
	for (int i = 0; i < 3; i++)
		loop_turn(loop, true);
	ck_assert_int_eq(unit_count_fds(), fds);
	ck_assert_int_eq(count_words(log, "cannot be used: it is neither a character device"), 1);
	ck_assert_int_eq(count, 0);
}
END_TEST

/* What the daemon has said comes before the end of its peer is seen. */
START_TEST(peer_that_is_gone_is_written_to)
{
	const int log = log_to_file();

	ck_assert_ptr_ne(signal(SIGPIPE, SIG_IGN), SIG_ERR);
	say(peer, "HELLO 1\n");
	expect_heard(sessions[0], "HELLO 1\n");
	ck_assert_int_eq(write(sessions[0], "PONG\n", 5), 5);
	close(peer);
	expect_end(sessions[0]);
	ck_assert_int_eq(count_words(log, "cannot be used: Broken pipe"), 1);
	accept_peer();
	say(peer, "HELLO 2\n");
	expect_heard(sessions[1], "HELLO 2\n");
	ck_assert_int_eq(count_words(log, "can be used"), 1);
}
END_TEST

/* A session takes none of the descriptors that the daemon needs for itself. */
START_TEST(no_session_in_the_reserve)
{
	const int fds = unit_count_fds();
	struct rlimit before, few;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = (rlim_t)fds + 2;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	say(peer, "HELLO 1\n");
	unit_restore_fd_limit(&before);
	ck_assert_int_eq(count, 0);
	ck_assert_int_eq(unit_count_fds(), fds);
	say(peer, "HELLO 2\n");
	ck_assert_int_eq(count, 1);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("stream");
	TCase *tcase = unit_case(s, "peer"), *other = unit_case(s, "device");

	tcase_add_checked_fixture(tcase, set_up_peer, tear_down);
	tcase_add_test(tcase, nothing_comes_before_the_greeting);
	tcase_add_test(tcase, lines_come_in_parts);
	tcase_add_test(tcase, line_that_is_too_long_is_copied);
	tcase_add_test(tcase, greeting_ends_the_session_before);
	tcase_add_test(tcase, session_that_ends_is_heard_to_its_end);
	tcase_add_test(tcase, session_that_is_refused_hears_why);
	tcase_add_test(tcase, peer_that_does_not_read);
	tcase_add_test(tcase, session_that_does_not_read);
	tcase_add_test(tcase, peer_hangs_up_and_returns);
	unit_add_if(tcase, no_session_without_descriptors, unit_can_refuse(), "no filters of system calls");
	tcase_add_test(tcase, peer_that_is_gone_is_written_to);
	tcase_add_test(tcase, no_session_in_the_reserve);
	tcase_add_checked_fixture(other, set_up, tear_down);
	tcase_add_test(other, port_outlasts_its_other_side);
	tcase_add_test(other, device_that_cannot_be_polled);
	tcase_add_test(other, device_that_is_not_there_yet);
	tcase_add_test(other, file_is_not_a_stream);
	tcase_add_test(other, terminal_is_a_stream);
	return s;
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN); /* as the daemon does */
	return unit_main(suite);
}
