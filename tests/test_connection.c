#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "daemon/loop.h"
#include "daemon/connection.h"
#include "daemon/quota.h"
#include "src/sock.h"
#include "src/wire.h"
#include "tests/unit.h"

#define OUTPUT_LIMIT 16384
/* Lines handled per turn. */
#define TURN TURNS_BUDGET
#define MOST (1024 * 1024)

/* A pool, the client's end of one of its connections, and what the hooks recorded. */
static struct loop *loop;
static struct connection_pool pool;
static struct quota quota;
static int client;
static unsigned lines, long_lines, closings;
static uid_t next_uid;
static int closing_turns;
static char heard[MOST], read_back[MOST];
static size_t heard_len;
/* What the line hook does with a line. */
static void (*respond)(struct connection *connection, const char *line, size_t len);

static void on_line(struct connection *connection, const char *line, size_t len, void *context)
{
	unit_check(context == &pool);
	if (len == 0) {
		long_lines++;
		return;
	}
	lines++;
	unit_check(heard_len + len <= sizeof(heard));
	memcpy(heard + heard_len, line, len);
	heard_len += len;
	if (respond != NULL)
		respond(connection, line, len);
}

static bool on_close_some(struct connection *connection, void *context)
{
	unit_check(context == &pool);
	unit_check(connection->closing);
	return closing_turns-- <= 1;
}

static void on_closing(struct connection *connection, void *context)
{
	unit_check(context == &pool);
	unit_check(connection->pool == &pool);
	closings++;
}

static unsigned drains;

static void on_drained(struct connection *connection, void *context)
{
	unit_check(context == &pool);
	unit_check(
	    connection_work(connection)->monitor != NULL && connection_work(connection)->output_len == 0);
	drains++;
}

/* Continues a long answer. */
static void (*go_on)(struct connection *connection);

static void on_resume(struct connection *connection, void *context)
{
	unit_check(context == &pool);
	unit_check(connection_work(connection)->list != NULL);
	go_on(connection);
}

static void echo(struct connection *connection, const char *line, size_t len)
{
	connection_put(connection, line, len);
}

static struct connection *the_session(void)
{
	return TAILQ_FIRST(&pool.all);
}

/* One pass of the loop: each connection with pending input gets one turn. */
static void pass(void)
{
	loop_turn(loop, false);
}

/* Handles everything that has happened so far. Nothing here depends on time. */
static void turn(void)
{
	for (int i = 0; i < 8; i++)
		loop_settle(loop);
}

static int connect_user(uid_t uid)
{
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	ck_assert_ptr_nonnull(connection_new(&pool, ends[0], uid));
	return ends[1];
}

/* Each is another user's. */
static int connect_session(void)
{
	return connect_user(next_uid++);
}

static void set_up(void)
{
	const struct connection_hooks hooks = {on_line, on_resume, on_close_some, on_closing, on_drained};

	lines = long_lines = closings = 0;
	heard_len = 0;
	respond = NULL;
	loop = loop_new();
	next_uid = 1000;
	closing_turns = 1;
	quota_init(&quota, 1, &(struct quota_config){1000000, 1000000, 100});
	connection_pool_init(&pool, loop, &hooks, &pool, &quota, OUTPUT_LIMIT);
	client = connect_session();
}

static void hang_up(void)
{
	if (client >= 0)
		close(client);
	client = -1;
}

static void tear_down(void)
{
	connection_pool_fini(&pool);
	ck_assert_uint_eq(pool.count, 0);
	ck_assert_ptr_null(quota.users);
	hang_up();
	loop_free(loop);
}

static void say_bytes(const char *data, size_t len)
{
	ck_assert_int_eq(send(client, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void say(const char *text)
{
	say_bytes(text, strlen(text));
	turn();
}

static void expect_heard(const char *text)
{
	ck_assert_uint_eq(heard_len, strlen(text));
	ck_assert_mem_eq(heard, text, heard_len);
}

/* Appends what can be read; returns false at the end of the stream. */
static bool read_some(size_t *len)
{
	ssize_t n = recv(client, read_back + *len, sizeof(read_back) - *len, 0);

	if (n > 0)
		*len += (size_t)n;
	else
		unit_check(n == 0 || errno == EAGAIN || errno == ECONNRESET);
	return n > 0 || (n < 0 && errno == EAGAIN);
}

static void expect_read(const char *text)
{
	size_t len = 0;

	ck_assert(read_some(&len));
	ck_assert_uint_eq(len, strlen(text));
	ck_assert(memcmp(read_back, text, len) == 0);
}

/* Reads until the pool closes the connection. */
static size_t read_all(void)
{
	size_t len = 0;

	for (int i = 0; read_some(&len); i++) {
		ck_assert_msg(i < 100000, "the session does not end");
		turn();
	}
	return len;
}

static void check_ended(void)
{
	turn();
	ck_assert_uint_eq(pool.count, 0);
	ck_assert_uint_eq(closings, 1);
}

/* "1\n2\n3\n...": a lost or reordered line shows. */
static size_t numbers(char *text, size_t size, int count)
{
	size_t len = 0;

	for (int i = 1; i <= count; i++)
		len += (size_t)snprintf(text + len, size - len, "%d\n", i);
	unit_check(len < size);
	return len;
}

START_TEST(byte_by_byte)
{
	static const char text[] = "QUERY 1\r\nPING\n";

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		say_bytes(text + i, 1);
		turn();
		ck_assert_uint_eq(lines, i < 8 ? 0 : i < sizeof(text) - 2 ? 1 : 2);
	}
	expect_heard(text);
}
END_TEST

START_TEST(pipelined)
{
	static char text[64 * 1024];
	size_t len = numbers(text, sizeof(text), 10000);

	respond = echo;
	/* More than one read takes in, and cut at arbitrary places. */
	ck_assert_uint_gt(len, 2 * sizeof(pool.in));
	say_bytes(text, len);
	shutdown(client, SHUT_WR);
	ck_assert_uint_eq(read_all(), len);
	ck_assert(memcmp(read_back, text, len) == 0);
	ck_assert_uint_eq(lines, 10000);
	ck_assert_uint_eq(heard_len, len);
	ck_assert(memcmp(heard, text, len) == 0);
	check_ended();
}
END_TEST

/* The length of a line, including its newline if it has one, and the size of the pieces it is sent in. */
static const struct {
	size_t len;
	bool newline;
	size_t piece;
	unsigned lines, long_lines;
} lengths[] = {
    {1, true, 1, 1, 0},
    {255, true, 255, 1, 0},
    {256, true, 256, 1, 0},
    {256, true, 1, 1, 0},
    {256, true, 255, 1, 0},
    {255, false, 255, 0, 0},
    {256, false, 256, 0, 1},
    {256, false, 1, 0, 1},
    {257, true, 257, 0, 1},
    {257, true, 256, 0, 1},
    {257, true, 1, 0, 1},
    {100000, false, 100000, 0, 1},
    {100000, true, 4096, 0, 1},
};

static void say_line(size_t len, bool newline, size_t piece)
{
	static char line[100000];

	memset(line, 'x', len);
	line[len - 1] = newline ? '\n' : 'x';
	for (size_t at = 0; at < len && closings == 0; at += piece) {
		say_bytes(line + at, piece < len - at ? piece : len - at);
		turn();
	}
}

START_TEST(line_has_its_limit)
{
	ck_assert_uint_eq(WIRE_REQUEST_MAX, 256);
	say("first\n");
	say_line(lengths[_i].len, lengths[_i].newline, lengths[_i].piece);
	ck_assert_uint_eq(lines, 1 + lengths[_i].lines);
	ck_assert_uint_eq(long_lines, lengths[_i].long_lines);
	ck_assert_uint_eq(closings, lengths[_i].long_lines);
	if (lengths[_i].long_lines == 0)
		return;
	check_ended();
	ck_assert_uint_eq(read_all(), 0);
}
END_TEST

static void put_farewell(struct connection *connection, const char *line, size_t len, void *context)
{
	on_line(connection, line, len, context);
	if (len == 0)
		connection_put(connection, "too long\n", 9);
}

START_TEST(too_long_a_line_is_answered)
{
	pool.hooks.line = put_farewell;
	say_line(300, true, 300);
	expect_read("too long\n");
	check_ended();
}
END_TEST

START_TEST(nothing_follows_too_long_a_line)
{
	char text[400];

	snprintf(text, sizeof(text), "one\n%300s\ntwo\n", "x");
	say(text);
	expect_heard("one\n");
	ck_assert_uint_eq(long_lines, 1);
	check_ended();
}
END_TEST

START_TEST(half_closed_without_waits_ends)
{
	respond = echo;
	say_bytes("one\ntwo\npart", 12);
	shutdown(client, SHUT_WR);
	turn();
	expect_heard("one\ntwo\n");
	expect_read("one\ntwo\n");
	check_ended();
	ck_assert_uint_eq(read_all(), 0);
}
END_TEST

static void begin_wait(struct connection *connection, const char *line, size_t len)
{
	(void)line;
	(void)len;
	connection->wait_count++;
}

START_TEST(half_closed_with_waits_stays)
{
	respond = begin_wait;
	say_bytes("one\ntwo\n", 8);
	shutdown(client, SHUT_WR);
	turn();
	ck_assert_uint_eq(pool.count, 1);
	the_session()->wait_count--;
	connection_put(the_session(), "first\n", 6);
	turn();
	ck_assert_uint_eq(pool.count, 1);
	expect_read("first\n");
	the_session()->wait_count--;
	connection_put(the_session(), "last\n", 5);
	check_ended();
	expect_read("last\n");
}
END_TEST

START_TEST(half_closed_then_closed)
{
	respond = begin_wait;
	say_bytes("one\n", 4);
	shutdown(client, SHUT_WR);
	turn();
	ck_assert_uint_eq(closings, 0);
	hang_up();
	check_ended();
}
END_TEST

/* End of file stays readable forever: the loop must not poll it while the client waits for answers. */
START_TEST(half_closed_is_quiet)
{
	respond = begin_wait;
	say_bytes("one\n", 4);
	shutdown(client, SHUT_WR);
	ck_assert(unit_loop_is_busy());
	turn();
	ck_assert(!unit_loop_is_busy());
	ck_assert_uint_eq(closings, 0);
}
END_TEST

START_TEST(closed_with_waits_ends)
{
	respond = begin_wait;
	say("one\n");
	ck_assert_uint_eq(closings, 0);
	hang_up();
	check_ended();
}
END_TEST

/* Closing with unread answers resets the connection. Writing to it then must not raise SIGPIPE. */
START_TEST(closed_with_answers_unread)
{
	respond = echo;
	say("one\n");
	hang_up();
	connection_put(the_session(), "more\n", 5);
	check_ended();
}
END_TEST

static void make_small(void)
{
	const int size = 4096;

	ck_assert_int_eq(
	    setsockopt(connection_fd(the_session()), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
}

/* Puts numbered lines of 100 bytes until some are held back; returns their number. */
static int put_until_stuck(void)
{
	char line[101];
	int count = 0;

	make_small();
	while (connection_work(the_session())->output_len == 0) {
		snprintf(line, sizeof(line), "%99d\n", ++count);
		connection_put(the_session(), line, 100);
	}
	return count;
}

static void check_numbered(size_t len, int count)
{
	unit_check(len == 100 * (size_t)count);
	for (int i = 0; i < count; i++)
		unit_check(atoi(read_back + 100 * i) == i + 1);
}

START_TEST(held_back_until_read)
{
	int count = put_until_stuck();

	ck_assert_uint_eq(connection_work(the_session())->output_len % 100, 0);
	turn();
	ck_assert_uint_eq(pool.count, 1);
	shutdown(client, SHUT_WR);
	ck_assert(!unit_loop_is_busy());
	check_numbered(read_all(), count);
	check_ended();
	ck_assert_uint_eq(pool.dropped, 0);
}
END_TEST

START_TEST(flowing_again_is_quiet)
{
	int count = put_until_stuck();
	size_t len = 0;

	while (len < 100 * (size_t)count) {
		ck_assert(read_some(&len));
		turn();
	}
	check_numbered(len, count);
	ck_assert_uint_eq(connection_work(the_session())->output_len, 0);
	ck_assert(!unit_loop_is_busy());
	respond = echo;
	say("one\n");
	expect_read("one\n");
}
END_TEST

START_TEST(closed_with_answers_held_back)
{
	put_until_stuck();
	turn();
	ck_assert_uint_eq(closings, 0);
	hang_up();
	check_ended();
	ck_assert_uint_eq(pool.dropped, 0);
}
END_TEST

/* The last answers to a half-closed connection exceed the socket buffer. */
START_TEST(held_back_when_half_closed)
{
	int count;

	respond = begin_wait;
	say_bytes("one\n", 4);
	shutdown(client, SHUT_WR);
	turn();
	count = put_until_stuck();
	turn();
	the_session()->wait_count--;
	ck_assert_uint_eq(closings, 0);
	check_numbered(read_all(), count);
	check_ended();
}
END_TEST

static void put_hundred(struct connection *connection, const char *line, size_t len)
{
	char text[101];

	(void)len;
	snprintf(text, sizeof(text), "%99d\n", atoi(line));
	connection_put(connection, text, 100);
}

/* While output is stuck no input is read. When it flows again, nothing is lost or out of order. */
START_TEST(stuck_output_stops_input)
{
	static char text[16384];
	size_t len = numbers(text, sizeof(text), 3000);
	unsigned before;

	pool.output_limit = MOST;
	respond = put_hundred;
	make_small();
	say_bytes(text, len);
	shutdown(client, SHUT_WR);
	turn();
	before = lines;
	ck_assert_uint_gt(before, 0);
	ck_assert_uint_lt(before, 3000);
	turn();
	ck_assert_uint_eq(lines, before);
	check_numbered(read_all(), 3000);
	ck_assert_uint_eq(heard_len, len);
	ck_assert(memcmp(heard, text, len) == 0);
	check_ended();
}
END_TEST

#define MUCH (100 * 4096)

static void put_much(struct connection *connection, const char *line, size_t len)
{
	static const char block[4096] = {'x'};

	(void)line;
	(void)len;
	for (size_t put = 0; put < MUCH; put += sizeof(block))
		connection_put(connection, block, sizeof(block));
}

static void ask_much(void)
{
	ck_assert_uint_gt(MUCH, OUTPUT_LIMIT + sizeof(pool.out));
	respond = put_much;
	make_small();
	say("one\ntwo\n");
	ck_assert_uint_eq(lines, 1);
	ck_assert_uint_le(connection_work(the_session())->output_len, MUCH);
}

/* The length of one answer is not limited, but the next line waits until it has been read. */
START_TEST(long_answer_holds_up_the_next)
{
	ask_much();
	ck_assert_uint_eq(pool.dropped, 0);
	shutdown(client, SHUT_WR);
	ck_assert_uint_eq(read_all(), 2 * MUCH);
	ck_assert_uint_eq(lines, 2);
	ck_assert_uint_eq(pool.dropped, 0);
	check_ended();
}
END_TEST

START_TEST(never_reading_is_dropped)
{
	ask_much();
	connection_put(the_session(), "told\n", 5);
	ck_assert_uint_eq(pool.dropped, 1);
	check_ended();
	ck_assert_uint_eq(lines, 1);
	ck_assert_uint_lt(read_all(), MUCH);
}
END_TEST

/* Dropped because of the answers to its waits, not to its other requests. */
START_TEST(never_reading_is_dropped_when_told)
{
	static const char block[512] = {'x'};
	size_t held = 0;

	make_small();
	for (int i = 0; i < 1000; i++) {
		connection_put(the_session(), block, sizeof(block));
		if (connection_work(the_session())->output_len > held)
			held = connection_work(the_session())->output_len;
	}
	ck_assert_uint_eq(pool.count, 1);
	ck_assert_uint_eq(pool.dropped, 1);
	ck_assert_uint_gt(held, OUTPUT_LIMIT - sizeof(block));
	ck_assert_uint_le(held, OUTPUT_LIMIT + sizeof(block));
	check_ended();
}
END_TEST

START_TEST(others_are_undisturbed)
{
	int slow = client;

	respond = put_much;
	make_small();
	say_bytes("one\n", 4);
	client = connect_session();
	turn();
	ck_assert_uint_eq(pool.count, 2);
	respond = echo;
	say("two\n");
	expect_read("two\n");
	close(slow);
}
END_TEST

/* Expects these bytes next, with a descriptor of this inode or, if it is 0, with none. */
static void expect_piece(const char *text, ino_t inode)
{
	char piece[64];
	struct stat st;
	int fd;

	ck_assert_int_eq(sock_recv_fd(client, piece, sizeof(piece), &fd), (ssize_t)strlen(text));
	ck_assert_mem_eq(piece, text, strlen(text));
	ck_assert((fd >= 0) == (inode != 0));
	if (fd < 0)
		return;
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq(st.st_ino, inode);
	close(fd);
}

static int given;

static void give(struct connection *connection, const char *line, size_t len)
{
	connection_put(connection, "before\n", 7);
	ck_assert_int_eq(connection_put_fd(connection, line, len, given), 0);
	connection_put(connection, "after\n", 6);
}

START_TEST(descriptor_goes_with_its_line)
{
	int ends[2], fds;
	struct stat st;

	ck_assert_int_eq(pipe(ends), 0);
	given = ends[0];
	ck_assert_int_eq(fstat(given, &st), 0);
	fds = unit_count_fds();
	respond = give;
	say("GATE 1\n");
	expect_piece("before\nGATE 1\n", st.st_ino);
	expect_piece("after\n", 0);
	ck_assert_int_eq(connection_put_fd(the_session(), "told\n", 5, given), 0);
	expect_piece("told\n", st.st_ino);
	ck_assert_int_eq(unit_count_fds(), fds);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(descriptor_does_not_overtake)
{
	int count = put_until_stuck();

	ck_assert_int_eq(connection_put_fd(the_session(), "GATE 1\n", 7, client), -1);
	shutdown(client, SHUT_WR);
	check_numbered(read_all(), count);
}
END_TEST

/* The socket buffer is full to the last byte, but no output is held back yet. */
START_TEST(descriptor_needs_room)
{
	size_t len = 0;

	make_small();
	while (send(connection_fd(the_session()), "x", 1, MSG_DONTWAIT) == 1)
		len++;
	ck_assert_int_eq(connection_put_fd(the_session(), "GATE 1\n", 7, client), -1);
	shutdown(client, SHUT_WR);
	ck_assert_uint_eq(read_all(), len);
}
END_TEST

START_TEST(descriptor_for_a_closed_connection)
{
	hang_up();
	ck_assert_int_eq(connection_put_fd(the_session(), "GATE 1\n", 7, STDERR_FILENO), -1);
	check_ended();
}
END_TEST

START_TEST(ended_later_with_what_it_was_sent)
{
	connection_put(the_session(), "bye\n", 4);
	connection_end(the_session());
	connection_end(the_session());
	ck_assert_uint_eq(closings, 0);
	connection_put(the_session(), "too late\n", 9);
	ck_assert_int_eq(connection_put_fd(the_session(), "too late\n", 9, client), -1);
	check_ended();
	ck_assert_uint_eq(read_all(), 4);
}
END_TEST

static void put_and_end(struct connection *connection, const char *line, size_t len)
{
	connection_put(connection, line, len);
	connection_end(connection);
}

START_TEST(ended_from_a_line)
{
	respond = put_and_end;
	say("bye\nmore\n");
	expect_heard("bye\n");
	check_ended();
	ck_assert_uint_eq(read_all(), 4);
}
END_TEST

START_TEST(fini_ends_all)
{
	int others[3];

	for (size_t i = 0; i < UNIT_COUNT(others); i++)
		others[i] = connect_session();
	ck_assert_uint_eq(pool.count, 4);
	say_bytes("part", 4);
	turn();
	put_until_stuck();
	connection_pool_fini(&pool);
	ck_assert_uint_eq(pool.count, 0);
	ck_assert_uint_eq(closings, 4);
	for (size_t i = 0; i < UNIT_COUNT(others); i++) {
		ck_assert_int_eq(recv(others[i], read_back, 1, 0), 0);
		close(others[i]);
	}
}
END_TEST

static void say_numbers(int count)
{
	static char text[64 * 1024];

	say_bytes(text, numbers(text, sizeof(text), count));
}

/* Another client sends a line while the first of a thousand lines is handled. */
static int other;
static unsigned other_came;

static void note_other(struct connection *connection, const char *line, size_t len)
{
	(void)connection;
	if (lines == 1)
		unit_check(send(other, "other\n", 6, MSG_NOSIGNAL) == 6);
	if (len == 6 && memcmp(line, "other\n", 6) == 0)
		other_came = lines;
}

START_TEST(one_line_among_a_thousand)
{
	other_came = 0;
	other = connect_session();
	respond = note_other;
	say_numbers(1000);
	turn();
	ck_assert_uint_eq(lines, 1001);
	ck_assert_uint_gt(other_came, 0);
	ck_assert_uint_le(other_came, 1 + 2 * TURN);
	close(other);
}
END_TEST

#define CROWD 4
#define EACH  10000

static unsigned said[CROWD];

/* No connection gets a second turn before every other one with pending lines has had its first. */
static void check_turns(struct connection *connection, const char *line, size_t len)
{
	unsigned me = (unsigned)(line[0] - 'a');

	(void)connection;
	(void)len;
	said[me]++;
	for (unsigned i = 0; i < CROWD; i++)
		unit_check(said[me] <= said[i] + TURN || said[i] == EACH);
}

START_TEST(turns_go_round)
{
	static char text[2 * EACH];
	int clients[CROWD] = {client};

	memset(said, 0, sizeof(said));
	respond = check_turns;
	/* More than one read takes in. */
	ck_assert_uint_gt(sizeof(text), sizeof(pool.in));
	for (unsigned i = 0; i < CROWD; i++) {
		clients[i] = i == 0 ? client : connect_session();
		for (unsigned at = 0; at < sizeof(text); at += 2) {
			text[at] = (char)('a' + i);
			text[at + 1] = '\n';
		}
		ck_assert_int_eq(send(clients[i], text, sizeof(text), MSG_NOSIGNAL), sizeof(text));
	}
	turn();
	for (unsigned i = 0; i < CROWD; i++)
		ck_assert_uint_eq(said[i], EACH);
	for (unsigned i = 1; i < CROWD; i++)
		close(clients[i]);
}
END_TEST

static int unread(void)
{
	int count;

	ck_assert_int_eq(ioctl(connection_fd(the_session()), FIONREAD, &count), 0);
	return count;
}

/* However many connections a user has, another user's line comes after one budget of it. */
START_TEST(a_crowd_of_one_user_gets_one_turn)
{
	enum { CLIENTS = 64 };
	int crowd[CLIENTS], first = client;
	unsigned before;

	for (int i = 0; i < CLIENTS; i++) {
		client = crowd[i] = connect_user(500);
		say_numbers(100);
	}
	for (int i = 0; i < 10; i++) {
		before = lines;
		pass();
		ck_assert_uint_eq(lines, before + TURN);
	}
	client = first;
	respond = echo;
	before = lines;
	say_bytes("x\n", 2);
	pass();
	ck_assert_uint_le(lines, before + TURN + 1);
	expect_read("x\n");
	respond = NULL;
	turn();
	ck_assert_uint_eq(lines, CLIENTS * 100 + 1);
	for (int i = 0; i < CLIENTS; i++)
		close(crowd[i]);
}
END_TEST

/* Each end frees what a connection has. All of them end, some in a pass. */
START_TEST(a_crowd_of_one_user_that_leaves_takes_turns)
{
	enum { LEAVING = 50, OF_ONE_PASS = TURNS_BUDGET / TURNS_END + 1 };
	int others[LEAVING];

	for (int i = 0; i < LEAVING; i++)
		others[i] = connect_user(5000);
	pass();
	for (int i = 0; i < LEAVING; i++)
		close(others[i]);
	pass();
	ck_assert_uint_le(closings, OF_ONE_PASS);
	ck_assert_uint_gt(closings, 0);
	for (int i = 0; i < LEAVING; i++)
		pass();
	ck_assert_uint_eq(closings, LEAVING);
}
END_TEST

/* The connections of one user take turns as well; the first one, which did not have to wait, is done by then.
 */
START_TEST(no_connection_of_a_user_is_left_out)
{
	enum { CLIENTS = 8 };
	int crowd[CLIENTS];

	for (int i = 0; i < CLIENTS; i++) {
		client = crowd[i] = connect_user(500);
		say_numbers(2 * TURN);
	}
	for (int i = 0; i <= CLIENTS; i++)
		pass();
	for (struct connection *c = TAILQ_NEXT(TAILQ_NEXT(the_session(), link), link); c != NULL;
	     c = TAILQ_NEXT(c, link))
		ck_assert_uint_gt(connection_work(c)->input_len, 0);
	ck_assert_uint_eq(lines, (CLIENTS + 1) * TURN);
	turn();
	ck_assert_uint_eq(lines, 2 * CLIENTS * TURN);
	for (int i = 0; i < CLIENTS; i++)
		close(crowd[i]);
}
END_TEST

/* Puts lines until so many bytes are held back, or the connection is dropped. */
static void fill(struct connection *connection, size_t len)
{
	const int size = 4096;
	char line[101];

	ck_assert_int_eq(
	    setsockopt(connection_fd(connection), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	snprintf(line, sizeof(line), "%99d\n", 1);
	while (connection_work(connection)->output_len < len && !connection->closing)
		connection_put(connection, line, 100);
}

/* Unread bytes count for the user, not for each connection: the one that would exceed the limit is dropped.
 */
START_TEST(unread_output_is_bounded_for_a_user)
{
	int second, third;

	quota.limits[QUOTA_OUTPUT] = (struct quota_limit){SIZE_MAX, 30000};
	second = connect_user(500);
	third = connect_user(500);
	fill(TAILQ_NEXT(the_session(), link), 10000);
	fill(TAILQ_NEXT(TAILQ_NEXT(the_session(), link), link), 10000);
	ck_assert_uint_eq(pool.dropped, 1);
	ck_assert_uint_le(quota.used[QUOTA_OUTPUT], 15000);
	turn();
	ck_assert_uint_eq(pool.count, 2);
	/* Another user is not affected. */
	fill(the_session(), 5000);
	ck_assert_uint_eq(pool.dropped, 1);
	ck_assert_uint_ge(connection_work(the_session())->output_len, 5000);
	close(second);
	close(third);
	turn();
}
END_TEST

START_TEST(a_connection_may_close_in_several_turns)
{
	closing_turns = 3;
	hang_up();
	pass();
	ck_assert_uint_eq(pool.count, 1);
	turn();
	ck_assert_uint_eq(pool.count, 0);
	ck_assert_uint_eq(closings, 1);
}
END_TEST

START_TEST(nothing_is_read_while_lines_are_left)
{
	int before;

	say_numbers(10000);
	before = unread();
	for (unsigned i = 1; i <= 10; i++) {
		pass();
		ck_assert_uint_eq(lines, i * TURN);
		ck_assert_int_eq(unread(), before - (int)sizeof(pool.in));
		ck_assert_uint_lt(connection_work(the_session())->input_len, sizeof(pool.in));
	}
	turn();
	ck_assert_uint_eq(lines, 10000);
	ck_assert_ptr_null(connection_work(the_session())->input);
}
END_TEST

#define SOME_TURNS (2 * TURN + 8)
static uint64_t batches[SOME_TURNS];

static void note_batch(struct connection *connection, const char *line, size_t len)
{
	(void)connection;
	(void)line;
	(void)len;
	unit_check(lines <= UNIT_COUNT(batches));
	batches[lines - 1] = pool.batch;
}

/* What is read together is one batch, in however many turns. */
START_TEST(batch_has_a_number)
{
	respond = note_batch;
	say_numbers(SOME_TURNS - 1);
	turn();
	say_numbers(1);
	turn();
	ck_assert_uint_eq(lines, SOME_TURNS);
	for (unsigned i = 1; i < SOME_TURNS; i++)
		ck_assert((batches[i] == batches[i - 1]) == (i != SOME_TURNS - 1));
}
END_TEST

/* What has waited for the client to read is a batch of its own. */
START_TEST(batch_ends_when_output_is_stuck)
{
	size_t len = 0;
	int count;

	respond = note_batch;
	say_numbers(SOME_TURNS);
	pass();
	count = put_until_stuck();
	while (len < 100 * (size_t)count) {
		ck_assert(read_some(&len));
		turn();
	}
	ck_assert_uint_eq(lines, SOME_TURNS);
	for (unsigned i = 1; i < SOME_TURNS; i++)
		ck_assert((batches[i] == batches[i - 1]) == (i != TURN));
}
END_TEST

START_TEST(half_closed_with_lines_left)
{
	respond = echo;
	say_numbers(1000);
	shutdown(client, SHUT_WR);
	pass();
	ck_assert_uint_eq(lines, TURN);
	turn();
	ck_assert_uint_eq(lines, 1000);
	ck_assert_uint_eq(read_all(), heard_len);
	ck_assert_mem_eq(read_back, heard, heard_len);
	check_ended();
}
END_TEST

/* Also if the rest is a line that is too long. */
START_TEST(too_long_a_line_after_some_turns)
{
	char text[300];

	memset(text, 'x', sizeof(text));
	say_numbers(SOME_TURNS);
	say_bytes(text, sizeof(text));
	pass();
	ck_assert_uint_eq(long_lines, 0);
	turn();
	ck_assert_uint_eq(lines, SOME_TURNS);
	ck_assert_uint_eq(long_lines, 1);
	check_ended();
}
END_TEST

static void end_in_the_second_turn(struct connection *connection, const char *line, size_t len)
{
	connection_put(connection, line, len);
	if (lines == TURN + 4)
		connection_end(connection);
}

START_TEST(ended_with_lines_left)
{
	respond = end_in_the_second_turn;
	say_numbers(1000);
	turn();
	ck_assert_uint_eq(lines, TURN + 4);
	check_ended();
	ck_assert_uint_eq(read_all(), heard_len);
}
END_TEST

START_TEST(closed_with_lines_left)
{
	respond = echo;
	say_numbers(1000);
	pass();
	hang_up();
	check_ended();
	ck_assert_uint_eq(lines, 2 * TURN);
}
END_TEST

START_TEST(fini_with_lines_left)
{
	say_numbers(1000);
	pass();
	connection_pool_fini(&pool);
	ck_assert_uint_eq(closings, 1);
	pass();
	ck_assert_uint_eq(lines, TURN);
}
END_TEST

/* Verdicts that are pushed fill the output between two turns. */
START_TEST(stuck_between_two_turns)
{
	size_t len = 0;
	int count;

	say_numbers(1000);
	pass();
	count = put_until_stuck();
	turn();
	ck_assert_uint_eq(lines, TURN);
	while (len < 100 * (size_t)count) {
		ck_assert(read_some(&len));
		turn();
	}
	check_numbered(len, count);
	ck_assert_uint_eq(lines, 1000);
}
END_TEST

/* An answer that takes three turns. */
static unsigned parts;

static void put_part(struct connection *connection)
{
	connection_put(connection, "part\n", 5);
	if (++parts == 3)
		connection_busy(connection)->list = NULL;
}

static void begin_long(struct connection *connection, const char *line, size_t len)
{
	if (memcmp(line, "long", 4) == 0)
		connection_busy(connection)->list = (struct request_list *)&parts;
	else
		connection_put(connection, line, len);
}

START_TEST(long_answer_takes_turns)
{
	int first = client;

	parts = 0;
	respond = begin_long;
	go_on = put_part;
	say_bytes("one\nlong\ntwo\n", 13);
	pass();
	expect_heard("one\nlong\n");
	pass();
	ck_assert_uint_eq(parts, 1);
	client = connect_session();
	say_bytes("other\n", 6);
	pass();
	expect_read("other\n");
	ck_assert_uint_eq(parts, 2);
	close(client);
	client = first;
	turn();
	ck_assert_uint_eq(parts, 3);
	expect_read("one\npart\npart\npart\ntwo\n");
	ck_assert(!unit_loop_is_busy());
}
END_TEST

/* The client half-closes after its last request, which takes several turns. */
START_TEST(half_closed_before_a_long_answer)
{
	parts = 0;
	respond = begin_long;
	go_on = put_part;
	say_bytes("long\n", 5);
	shutdown(client, SHUT_WR);
	turn();
	expect_read("part\npart\npart\n");
	check_ended();
}
END_TEST

static void put_much_of_it(struct connection *connection)
{
	parts++;
	put_much(connection, NULL, 0);
}

START_TEST(long_answer_gets_stuck)
{
	size_t len = 0;

	parts = 0;
	respond = begin_long;
	go_on = put_much_of_it;
	make_small();
	say("long\ntwo\n");
	ck_assert_uint_eq(parts, 1);
	while (parts < 2) {
		ck_assert(read_some(&len));
		turn();
	}
	ck_assert_uint_ge(len, MUCH - 2 * 65536);
	ck_assert_uint_eq(parts, 2);
	hang_up();
	check_ended();
	ck_assert_uint_eq(lines, 1);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("session");
	TCase *tcase = unit_case(s, "session");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, byte_by_byte);
	tcase_add_test(tcase, pipelined);
	tcase_add_loop_test(tcase, line_has_its_limit, 0, UNIT_COUNT(lengths));
	tcase_add_test(tcase, too_long_a_line_is_answered);
	tcase_add_test(tcase, nothing_follows_too_long_a_line);
	tcase_add_test(tcase, half_closed_without_waits_ends);
	tcase_add_test(tcase, half_closed_with_waits_stays);
	tcase_add_test(tcase, half_closed_then_closed);
	tcase_add_test(tcase, half_closed_is_quiet);
	tcase_add_test(tcase, closed_with_waits_ends);
	tcase_add_test(tcase, closed_with_answers_unread);
	tcase_add_test(tcase, held_back_until_read);
	tcase_add_test(tcase, flowing_again_is_quiet);
	tcase_add_test(tcase, closed_with_answers_held_back);
	tcase_add_test(tcase, held_back_when_half_closed);
	tcase_add_test(tcase, stuck_output_stops_input);
	tcase_add_test(tcase, long_answer_holds_up_the_next);
	tcase_add_test(tcase, never_reading_is_dropped);
	tcase_add_test(tcase, never_reading_is_dropped_when_told);
	tcase_add_test(tcase, others_are_undisturbed);
	tcase_add_test(tcase, descriptor_goes_with_its_line);
	tcase_add_test(tcase, descriptor_does_not_overtake);
	tcase_add_test(tcase, descriptor_needs_room);
	tcase_add_test(tcase, descriptor_for_a_closed_connection);
	tcase_add_test(tcase, ended_later_with_what_it_was_sent);
	tcase_add_test(tcase, ended_from_a_line);
	tcase_add_test(tcase, fini_ends_all);
	tcase_add_test(tcase, one_line_among_a_thousand);
	tcase_add_test(tcase, turns_go_round);
	tcase_add_test(tcase, a_crowd_of_one_user_gets_one_turn);
	tcase_add_test(tcase, a_crowd_of_one_user_that_leaves_takes_turns);
	tcase_add_test(tcase, no_connection_of_a_user_is_left_out);
	tcase_add_test(tcase, unread_output_is_bounded_for_a_user);
	tcase_add_test(tcase, a_connection_may_close_in_several_turns);
	tcase_add_test(tcase, nothing_is_read_while_lines_are_left);
	tcase_add_test(tcase, batch_has_a_number);
	tcase_add_test(tcase, batch_ends_when_output_is_stuck);
	tcase_add_test(tcase, half_closed_with_lines_left);
	tcase_add_test(tcase, too_long_a_line_after_some_turns);
	tcase_add_test(tcase, ended_with_lines_left);
	tcase_add_test(tcase, closed_with_lines_left);
	tcase_add_test(tcase, fini_with_lines_left);
	tcase_add_test(tcase, stuck_between_two_turns);
	tcase_add_test(tcase, long_answer_takes_turns);
	tcase_add_test(tcase, half_closed_before_a_long_answer);
	tcase_add_test(tcase, long_answer_gets_stuck);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
