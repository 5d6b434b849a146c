#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>

#include "client/lib/daemon_io.h"
#include "src/sock.h"
#include "tests/unit.h"

/* A link and the other side of it, played by the test. */
static struct daemon_io client;
static int server;
static char path[UNIT_PATH_SIZE + 8];

static int listen_at(const char *name)
{
	struct sockaddr_un addr;
	socklen_t len = sock_address(&addr, name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_uint_gt(len, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, len), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

static void set_up(void)
{
	char dir[UNIT_PATH_SIZE];
	int listener;

	unit_dir(dir);
	snprintf(path, sizeof(path), "%s/socket", dir);
	listener = listen_at(path);
	daemon_io_init(&client);
	ck_assert_int_eq(daemon_io_open(&client, path), 0);
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(server, 0);
	close(listener);
}

static int send_now(const struct wire_request *request)
{
	return daemon_io_put(&client, request) == 0 ? daemon_io_flush(&client) : -1;
}

static void hang_up(void)
{
	if (server >= 0)
		close(server);
	server = -1;
}

static void tear_down(void)
{
	hang_up();
	daemon_io_close(&client);
}

static void say_bytes(const char *data, size_t len)
{
	ck_assert_int_eq(send(server, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void say(const char *text)
{
	say_bytes(text, strlen(text));
}

static void say_with(const char *text, int fd)
{
	ck_assert_int_eq(sock_send_fd(server, text, strlen(text), fd), (ssize_t)strlen(text));
}

static void expect_nothing(void)
{
	struct wire_reply reply;
	int fd;

	ck_assert_int_eq(daemon_io_next(&client, &reply, &fd), 0);
	ck_assert_int_eq(fd, -1);
}

static struct wire_reply expect_reply(enum wire_reply_kind kind)
{
	struct wire_reply reply;
	int fd;

	ck_assert_int_eq(daemon_io_next(&client, &reply, &fd), 1);
	ck_assert_int_eq(reply.kind, kind);
	ck_assert_int_eq(fd, -1);
	return reply;
}

static void expect_answer(enum readyd_verdict verdict, pid_t pid)
{
	struct wire_reply reply = expect_reply(WIRE_REPLY_ANSWER);

	ck_assert_int_eq(reply.answer.verdict, verdict);
	ck_assert_int_eq(reply.answer.pid, pid);
}

static void expect_death(int error)
{
	struct wire_reply reply;
	int fd;

	errno = 0;
	ck_assert_int_eq(daemon_io_next(&client, &reply, &fd), -1);
	ck_assert_int_eq(errno, error);
	ck_assert_int_eq(fd, -1);
}

/* Which open file a descriptor is: here always a pipe. */
static ino_t inode(int fd)
{
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	return st.st_ino;
}

static void expect_gate(pid_t pid, ino_t pipe_inode)
{
	struct wire_reply reply;
	int fd;

	ck_assert_int_eq(daemon_io_next(&client, &reply, &fd), 1);
	ck_assert_int_eq(reply.kind, WIRE_REPLY_GATE);
	ck_assert_int_eq(reply.answer.pid, pid);
	ck_assert_int_ge(fd, 0);
	ck_assert_uint_eq(inode(fd), pipe_inode);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	close(fd);
}

START_TEST(nothing_listens)
{
	struct daemon_io other;

	daemon_io_init(&other);
	ck_assert_int_eq(other.fd, -1);
	ck_assert_int_eq(daemon_io_open(&other, path), -1);
	ck_assert_int_eq(errno, ECONNREFUSED);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(daemon_io_open(&other, path), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(daemon_io_open(&other, ""), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(other.fd, -1);
	daemon_io_close(&other);
}
END_TEST

START_TEST(full_backlog_does_not_block)
{
	struct daemon_io others[64];
	int listener, refused = -1;

	ck_assert_int_eq(unlink(path), 0);
	listener = listen_at(path);
	for (int i = 0; i < 64; i++) {
		daemon_io_init(&others[i]);
		if (refused < 0 && daemon_io_open(&others[i], path) != 0)
			refused = errno;
	}
	ck_assert_int_eq(refused, EAGAIN);
	for (int i = 0; i < 64; i++)
		daemon_io_close(&others[i]);
	close(listener);
}
END_TEST

START_TEST(close_leaves_nothing_open)
{
	int fds, ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	fds = unit_count_fds();
	say_with("PON", ends[0]);
	expect_nothing();
	ck_assert_int_eq(unit_count_fds(), fds + 1);
	daemon_io_close(&client);
	ck_assert_int_eq(unit_count_fds(), fds - 1);
	ck_assert_int_eq(client.fd, -1);
	ck_assert(!daemon_io_wants_write(&client));
	daemon_io_close(&client);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(no_memory_for_a_request)
{
	const struct wire_request request = {.verb = WIRE_PING};
	struct unit_memory memory = unit_use_up_memory();
	int put = daemon_io_put(&client, &request), ended = daemon_io_end_line(&client);

	unit_give_back_memory(&memory);
	ck_assert_int_eq(put, -1);
	ck_assert_int_eq(ended, -1);
	ck_assert(!daemon_io_wants_write(&client));
	ck_assert_int_eq(send_now(&request), 0);
}
END_TEST

/* What is left of an old connection says nothing about the next. */
START_TEST(opening_again_forgets)
{
	int listener;

	say("ready 5 st");
	expect_nothing();
	hang_up();
	ck_assert_int_eq(unlink(path), 0);
	listener = listen_at(path);
	ck_assert_int_eq(daemon_io_open(&client, path), 0);
	server = accept(listener, NULL, NULL);
	close(listener);
	say("PONG\n");
	expect_reply(WIRE_REPLY_PONG);
}
END_TEST

START_TEST(byte_by_byte)
{
	static const char line[] = "ready 5 start=77\r\n";

	expect_nothing();
	for (size_t i = 0; i < sizeof(line) - 2; i++) {
		say_bytes(line + i, 1);
		expect_nothing();
	}
	say_bytes("\n", 1);
	expect_answer(READYD_READY, 5);
	expect_nothing();
}
END_TEST

START_TEST(many_at_once)
{
	static char text[64 * 1024];
	size_t len = 0;

	say("PONG\nready 1\npending 2\nPO");
	expect_reply(WIRE_REPLY_PONG);
	expect_answer(READYD_READY, 1);
	expect_answer(READYD_PENDING, 2);
	expect_nothing();
	say("NG\n");
	expect_reply(WIRE_REPLY_PONG);
	/* Several times what the link holds. */
	for (int pid = 1; pid <= 2000; pid++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "died %d start=%d\n", pid, pid);
	ck_assert_uint_lt(len, sizeof(text));
	say_bytes(text, len);
	for (int pid = 1; pid <= 2000; pid++)
		expect_answer(READYD_DIED, pid);
	expect_nothing();
}
END_TEST

START_TEST(text_points_into_the_link)
{
	struct wire_reply reply;

	say("STATS clients=1\nSTATS clients=22\n");
	reply = expect_reply(WIRE_REPLY_STATS);
	ck_assert_uint_eq(reply.text_len, 9);
	ck_assert_mem_eq(reply.text, "clients=1", 9);
	reply = expect_reply(WIRE_REPLY_STATS);
	ck_assert_uint_eq(reply.text_len, 10);
	ck_assert_mem_eq(reply.text, "clients=22", 10);
}
END_TEST

/* What is read behind the longest line must not be lost. */
START_TEST(longest_reply_fits)
{
	static char line[WIRE_REPLY_MAX];

	memset(line, 'x', sizeof(line));
	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): the line is sent with its length */
	memcpy(line, "STATS ", 6);
	for (int i = 0; i < 3; i++) {
		say_bytes(line, sizeof(line) - 1);
		expect_nothing();
		say("\nPONG\n");
		ck_assert_uint_eq(expect_reply(WIRE_REPLY_STATS).text_len, sizeof(line) - 7);
		expect_reply(WIRE_REPLY_PONG);
	}
	expect_nothing();
}
END_TEST

START_TEST(longer_reply_is_garbage)
{
	static char line[WIRE_REPLY_MAX];

	memset(line, 'x', sizeof(line));
	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): the line is sent with its length */
	memcpy(line, "STATS ", 6);
	say_bytes(line, sizeof(line));
	expect_death(EPROTO);
}
END_TEST

static const char *const garbage[] = {"hello\n", "\n", "HTTP/1.1 400 Bad Request\r\n", "ready\n", "ready 0\n",
    "PONG PONG\n", "READYD 2 path=/tmp prefix=x\n", "\x01\x02\xff\n", "GATE 5\n", "GATE\n"};

START_TEST(garbage_is_death)
{
	say("PONG\n");
	say(garbage[_i]);
	expect_reply(WIRE_REPLY_PONG);
	expect_death(EPROTO);
}
END_TEST

START_TEST(end_is_death)
{
	say("PONG\nready 5");
	hang_up();
	expect_reply(WIRE_REPLY_PONG);
	expect_death(ECONNRESET);
	expect_death(ECONNRESET);
}
END_TEST

/* A daemon that refuses a client says why and closes, reading nothing: the reset must not hide that. */
START_TEST(last_words_are_heard)
{
	const struct wire_request ping = {.verb = WIRE_PING};
	struct wire_reply reply;

	ck_assert_int_eq(send_now(&ping), 0);
	say("ERR too-many-clients later\n");
	hang_up();
	ck_assert_int_eq(send_now(&ping), 0);
	ck_assert(!daemon_io_wants_write(&client));
	reply = expect_reply(WIRE_REPLY_ERROR);
	ck_assert_int_eq(reply.error, WIRE_TOO_MANY_CLIENTS);
	expect_death(ECONNRESET);
}
END_TEST

/* Pipes, each by its own inode. */
#define GATES DAEMON_STREAM_FDS
static int pipes[GATES][2];
static ino_t inodes[GATES];

static void open_pipes(void)
{
	for (int i = 0; i < GATES; i++) {
		ck_assert_int_eq(pipe(pipes[i]), 0);
		inodes[i] = inode(pipes[i][0]);
	}
}

static void close_pipes(void)
{
	for (int i = 0; i < GATES; i++) {
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
}

/* A descriptor travels with the first byte of its message: that may be read before its line is whole. */
static void say_gate(int number, size_t early)
{
	char text[64];
	size_t len = (size_t)snprintf(text, sizeof(text), "GATE %d start=1\n", number + 1);

	early = early < len ? early : len;
	ck_assert_int_eq(sock_send_fd(server, text, early, pipes[number][0]), (ssize_t)early);
	if (early < len)
		say(text + early);
}

START_TEST(gates_come_in_order)
{
	int fds;

	open_pipes();
	fds = unit_count_fds();
	for (int i = 0; i < GATES; i++) {
		if (i % 3 == 0)
			say("ready 99\n");
		say_gate(i, i % 2 == 0 ? 64 : 3);
	}
	for (int i = 0; i < GATES; i++) {
		if (i % 3 == 0)
			expect_answer(READYD_READY, 99);
		expect_gate(i + 1, inodes[i]);
	}
	expect_nothing();
	ck_assert_int_eq(unit_count_fds(), fds);
	close_pipes();
}
END_TEST

START_TEST(gate_may_come_in_pieces)
{
	open_pipes();
	say_with("G", pipes[0][0]);
	expect_nothing();
	say("ATE 1\nready 9\nG");
	expect_gate(1, inodes[0]);
	expect_answer(READYD_READY, 9);
	expect_nothing();
	say("ATE 2");
	say_with("\n", pipes[1][0]);
	expect_gate(2, inodes[1]);
	expect_nothing();
	close_pipes();
}
END_TEST

/* A process that has closed standard input gets descriptor 0 next. */
START_TEST(link_may_be_descriptor_zero)
{
	int listener;

	ck_assert_int_eq(unlink(path), 0);
	listener = listen_at(path);
	daemon_io_close(&client);
	close(STDIN_FILENO);
	ck_assert_int_eq(daemon_io_open(&client, path), 0);
	ck_assert_int_eq(client.fd, STDIN_FILENO);
	daemon_io_close(&client);
	ck_assert_int_eq(fcntl(STDIN_FILENO, F_GETFD), -1);
	close(listener);
}
END_TEST

START_TEST(gate_may_be_descriptor_zero)
{
	open_pipes();
	close(STDIN_FILENO);
	say_gate(0, 64);
	expect_gate(1, inodes[0]);
	close_pipes();
}
END_TEST

/* Then the next one, for which there is room again, is not taken for it. */
START_TEST(gate_without_room_is_refused)
{
	struct wire_reply reply;
	struct rlimit before;
	int fd;

	open_pipes();
	say_gate(0, 64);
	before = unit_forbid_new_fds();
	ck_assert_int_eq(daemon_io_next(&client, &reply, &fd), 1);
	unit_restore_fd_limit(&before);
	ck_assert_int_eq(reply.kind, WIRE_REPLY_ERROR);
	ck_assert_int_eq(reply.error, WIRE_NO_RESOURCES);
	ck_assert_int_eq(reply.answer.pid, 1);
	ck_assert_int_eq(fd, -1);
	say_gate(1, 64);
	expect_gate(2, inodes[1]);
	close_pipes();
}
END_TEST

/* The daemon sends no descriptor without a line: what does is another program, and must not use up the
 * descriptors. */
START_TEST(too_many_descriptors_are_death)
{
	int fds;

	open_pipes();
	fds = unit_count_fds();
	for (int i = 0; i <= DAEMON_STREAM_FDS; i++)
		say_with("x", pipes[0][0]);
	expect_death(EPROTO);
	ck_assert_int_le(unit_count_fds(), fds + DAEMON_STREAM_FDS);
	daemon_io_close(&client);
	ck_assert_int_eq(unit_count_fds(), fds - 1);
	close_pipes();
}
END_TEST

/* The buffer of one descriptor has room for a second. */
START_TEST(only_the_first_of_a_message_is_kept)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(3 * sizeof(int))] = {0};
	char text[] = "GATE 1 start=1\n";
	struct iovec iov = {.iov_base = text, .iov_len = strlen(text)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};
	struct cmsghdr *header = (struct cmsghdr *)control;
	int fds;

	open_pipes();
	fds = unit_count_fds();
	for (size_t count = 2; count <= 3; count++) {
		msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(count * sizeof(int));
		for (size_t i = 0; i < count; i++)
			memcpy(CMSG_DATA(header) + i * sizeof(int), &pipes[i][0], sizeof(int));
		ck_assert_int_gt(sendmsg(server, &msg, MSG_NOSIGNAL), 0);
		expect_gate(1, inodes[0]);
		ck_assert_int_eq(unit_count_fds(), fds);
	}
	close_pipes();
}
END_TEST

static void send_waits(int from, int to)
{
	struct wire_request request = {.verb = WIRE_WAIT, .ms = INT_MAX, .has_ms = true};

	for (request.pid = from; request.pid < to; request.pid++)
		ck_assert_int_eq(send_now(&request), 0);
}

static int next_pid(FILE *stream)
{
	char line[WIRE_REQUEST_MAX + 1];
	struct wire_request request;

	ck_assert_ptr_nonnull(fgets(line, sizeof(line), stream));
	ck_assert_int_eq(wire_parse_request(line, strlen(line), &request), WIRE_OK);
	ck_assert_int_eq(request.verb, WIRE_WAIT);
	ck_assert_uint_eq(request.ms, INT_MAX);
	return request.pid;
}

START_TEST(requests_go_out_together)
{
	const struct wire_request ping = {.verb = WIRE_PING};
	char text[64];

	ck_assert_int_eq(daemon_io_put(&client, &ping), 0);
	ck_assert_int_eq(daemon_io_put(&client, &ping), 0);
	ck_assert(daemon_io_wants_write(&client));
	ck_assert_int_eq(recv(server, text, sizeof(text), MSG_DONTWAIT), -1);
	ck_assert_int_eq(send_now(&ping), 0);
	ck_assert(!daemon_io_wants_write(&client));
	ck_assert_int_eq(recv(server, text, sizeof(text), MSG_DONTWAIT), 15);
	ck_assert_int_eq(memcmp(text, "PING\nPING\nPING\n", 15), 0);
}
END_TEST

START_TEST(requests_go_out)
{
	FILE *stream = fdopen(server, "r");

	send_waits(1, 100);
	ck_assert(!daemon_io_wants_write(&client));
	for (int pid = 1; pid < 100; pid++)
		ck_assert_int_eq(next_pid(stream), pid);
	fclose(stream);
	server = -1;
}
END_TEST

/* Reads in a process of its own, so that both sides can go on; its exit status says what it read. */
static pid_t spawn_reader(int last)
{
	pid_t reader = fork();
	FILE *stream;

	ck_assert_int_ge(reader, 0);
	if (reader > 0)
		return reader;
	daemon_io_close(&client);
	stream = fdopen(server, "r");
	for (int pid = 1; pid <= last; pid++)
		if (next_pid(stream) != pid)
			_exit(1);
	_exit(getc(stream) == EOF ? 0 : 2);
}

START_TEST(full_socket_is_flushed)
{
	struct pollfd poll_fd = {.fd = client.fd, .events = POLLOUT};
	int status, last, pid = 1;
	pid_t reader;

	for (; !daemon_io_wants_write(&client); pid++) {
		ck_assert_int_lt(pid, 1000000);
		send_waits(pid, pid + 1);
	}
	ck_assert_int_eq(daemon_io_flush(&client), 0);
	ck_assert(daemon_io_wants_write(&client));
	expect_nothing();
	/* More than the socket takes at once when it is read. */
	last = pid + 30000;
	send_waits(pid, last + 1);
	reader = spawn_reader(last);
	hang_up();
	while (daemon_io_wants_write(&client)) {
		ck_assert_int_eq(poll(&poll_fd, 1, -1), 1);
		ck_assert_int_eq(daemon_io_flush(&client), 0);
	}
	daemon_io_close(&client);
	ck_assert_int_eq(waitpid(reader, &status, 0), reader);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(flush_of_nothing)
{
	ck_assert_int_eq(daemon_io_flush(&client), 0);
	hang_up();
	ck_assert_int_eq(daemon_io_flush(&client), 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("link");
	TCase *tcase = unit_case(s, "link");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, nothing_listens);
	tcase_add_test(tcase, full_backlog_does_not_block);
	tcase_add_test(tcase, close_leaves_nothing_open);
	unit_add_if(tcase, no_memory_for_a_request, unit_can_use_up_memory(), "no limit of address space");
	tcase_add_test(tcase, opening_again_forgets);
	tcase_add_test(tcase, byte_by_byte);
	tcase_add_test(tcase, many_at_once);
	tcase_add_test(tcase, text_points_into_the_link);
	tcase_add_test(tcase, longest_reply_fits);
	tcase_add_test(tcase, longer_reply_is_garbage);
	tcase_add_loop_test(tcase, garbage_is_death, 0, UNIT_COUNT(garbage));
	tcase_add_test(tcase, end_is_death);
	tcase_add_test(tcase, last_words_are_heard);
	tcase_add_test(tcase, gates_come_in_order);
	tcase_add_test(tcase, gate_may_come_in_pieces);
	tcase_add_test(tcase, link_may_be_descriptor_zero);
	tcase_add_test(tcase, gate_may_be_descriptor_zero);
	tcase_add_test(tcase, gate_without_room_is_refused);
	tcase_add_test(tcase, too_many_descriptors_are_death);
	unit_add_if(tcase, only_the_first_of_a_message_is_kept, !unit_is_emulated(),
	    "qemu-user loses descriptors for which the buffer has no room");
	tcase_add_test(tcase, requests_go_out_together);
	tcase_add_test(tcase, requests_go_out);
	tcase_add_test(tcase, full_socket_is_flushed);
	tcase_add_test(tcase, flush_of_nothing);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
