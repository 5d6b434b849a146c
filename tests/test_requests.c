#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include "daemon/loop.h"
#include "daemon/gate.h"
#include "daemon/pidwatch.h"
#include "daemon/quota.h"
#include "daemon/requests.h"
#include "daemon/connection.h"
#include "daemon/scouts.h"
#include "daemon/tracker.h"
#include "src/sock.h"
#include "src/dirwatch.h"
#include "daemon/xalloc.h"
#include "tests/unit.h"

#define WAITS_PER_CLIENT 3
#define GATES		 1
/* The budget of a turn; processes of a list that are handled in one, since each costs a look as well. */
#define TURN  TURNS_BUDGET
#define SLICE (TURNS_BUDGET / (TURNS_LINE + TURNS_LOOK))

/* Behind a word with their size, so that what the daemon has allocated can be counted: at this moment, and in
 * all. */
static size_t allocated, allocations;

/* What jemalloc takes for it: a size of 16, or one of four between a power of two and the next. */
static size_t size_class(size_t size)
{
	size_t step = 16;

	while (size > 8 * step)
		step *= 2;
	return (size + step - 1) / step * step;
}

void *xalloc_new(size_t size)
{
	size_t *block = calloc(1, size + 16);

	unit_check(block != NULL);
	*block = size_class(size);
	allocated += *block;
	allocations++;
	return block + 16 / sizeof(*block);
}

void xalloc_free(void *block)
{
	size_t *begin = block == NULL ? NULL : (size_t *)block - 16 / sizeof(*begin);

	allocated -= begin == NULL ? 0 : *begin;
	free(begin);
}

void *xalloc_resize(void *block, size_t size)
{
	const size_t before = block == NULL ? 0 : ((size_t *)block)[-(ptrdiff_t)(16 / sizeof(size_t))];
	void *new = xalloc_new(size);

	if (block != NULL)
		memcpy(new, block, before < size ? before : size);
	xalloc_free(block);
	return new;
}

/* The request handlers without a server: one client, and a process to query. */
static struct loop *loop;
static struct marker_place place;
static struct tracker tracker;
static struct dirwatch dirs;
static struct gates gates;
static struct quota quota;
static struct requests requests;
static struct connection_pool pool;
static int client;
static pid_t child;
static char marker[2 * UNIT_PATH_SIZE];

static void on_first_wait(void *context)
{
	(void)context;
}

static void on_behind(void *context)
{
	(void)context;
}

static void write_stats(char *buf, size_t size, void *context)
{
	(void)context;
	snprintf(buf, size, "a=1 b=2");
}

static int connect_user(uid_t uid)
{
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	ck_assert_ptr_nonnull(connection_new(&pool, ends[0], uid));
	return ends[1];
}

static int connect_client(void)
{
	return connect_user(geteuid());
}

static const struct scouts_config without_scouts = {.place = &place, .dirs = &dirs, .spawner = -1};
static struct scouts *scouts;

static void set_up(void)
{
	static const struct connection_hooks connection_hooks = {requests_on_line, requests_on_resume,
	    requests_close_some, requests_on_closing, requests_on_drained};
	char dir[UNIT_PATH_SIZE];

	unit_dir(dir);
	ck_assert_int_eq(marker_place_init(&place, dir, "ready-"), 0);
	/* The tests change and remove the directory: it must be the private one. */
	ck_assert_str_eq(place.dir, dir);
	child = unit_spawn(NULL);
	snprintf(marker, sizeof(marker), "%s/ready-%d", dir, (int)child);
	loop_prepare();
	loop = loop_new();
	dirwatch_init(&dirs, &place, on_behind, NULL);
	scouts = scouts_new(loop, &without_scouts);
	quota_init(&quota, geteuid(), &(struct quota_config){1024, 100, WAITS_PER_CLIENT});
	quota.limits[QUOTA_GATES] = (struct quota_limit){GATES, GATES};
	tracker_init(&tracker, loop, &place, &dirs, scouts, &quota, on_first_wait, NULL);
	gates_init(&gates, loop, &tracker);
	requests = (struct requests){.loop = loop,
	    .tracker = &tracker,
	    .gates = &gates,
	    .place = &place,
	    .epoch = 42,
	    .quota = &quota,
	    .waits_per_client = WAITS_PER_CLIENT,
	    .stats = write_stats};
	connection_pool_init(&pool, loop, &connection_hooks, &requests, &quota, 65536);
	client = connect_client();
}

static void tear_down(void)
{
	connection_pool_fini(&pool);
	gates_fini(&gates);
	tracker_fini(&tracker);
	scouts_free(scouts);
	ck_assert_ptr_null(quota.users);
	loop_free(loop);
	close(client);
	if (child > 0)
		unit_kill(child);
}

static struct connection *the_session(void)
{
	return TAILQ_FIRST(&pool.all);
}

/* One pass of the loop: one turn for each user. */
static void pass(void)
{
	loop_turn(loop, false);
}

static void turn(void)
{
	for (int i = 0; i < 8; i++)
		loop_settle(loop);
}

/* Each %d in the format is the pid of the child. */
static void say(const char *format)
{
	char line[WIRE_REQUEST_MAX];
	int len;

	len = snprintf(line, sizeof(line), format, (int)child, (int)child, (int)child);
	ck_assert_int_eq(send(client, line, (size_t)len, MSG_NOSIGNAL), len);
}

static void ask(const char *format)
{
	say(format);
	turn();
}

/* Sends a WAIT that has reached its deadline when this returns, which the loop has not noticed yet. */
static void ask_in_a_hurry(void)
{
	say("WAIT %d 0\n");
	loop_turn(loop, false);
	ck_assert(registry_is_waited(tracker.registry));
}

static void await_deadline(void)
{
	while (registry_is_waited(tracker.registry))
		loop_turn(loop, true);
	turn();
}

/* The next reply, which must be complete, and alone in its message or the first of several. */
static struct wire_reply reply(int *fd)
{
	static char buf[65536], line[WIRE_REPLY_MAX];
	struct wire_reply parsed;
	ssize_t n = recv(client, buf, sizeof(buf), MSG_PEEK);
	size_t len;

	ck_assert_int_gt(n, 0);
	len = wire_line(buf, (size_t)n);
	ck_assert_uint_gt(len, 0);
	ck_assert_int_eq(sock_recv_fd(client, line, len, fd), (ssize_t)len);
	ck_assert_int_eq(wire_parse_reply(line, len, &parsed), 0);
	return parsed;
}

static struct wire_reply expect_kind(enum wire_reply_kind kind)
{
	int fd;
	struct wire_reply parsed = reply(&fd);

	ck_assert_int_eq(parsed.kind, kind);
	ck_assert_int_eq(fd, -1);
	return parsed;
}

static void expect_answer(enum readyd_verdict verdict, enum readyd_reason reason)
{
	struct readyd_answer answer = expect_kind(WIRE_REPLY_ANSWER).answer;

	ck_assert_int_eq(answer.pid, child);
	ck_assert_int_eq(answer.verdict, verdict);
	ck_assert_int_eq(answer.reason, reason);
}

static void expect_error(enum wire_error error, pid_t pid)
{
	struct wire_reply parsed = expect_kind(WIRE_REPLY_ERROR);

	ck_assert_int_eq(parsed.error, error);
	ck_assert_int_eq(parsed.answer.pid, pid);
}

static void expect_silence(void)
{
	char byte;

	turn();
	ck_assert_int_eq(recv(client, &byte, 1, 0), -1);
	ck_assert_int_eq(errno, EAGAIN);
}

static void mark(void)
{
	struct readyd_answer answer;

	unit_write(marker, "ready\n");
	tracker_query(&tracker, NULL, child, 0, &answer);
	turn();
}

static void check_registry(size_t entries, size_t waits)
{
	struct registry_counts counts;

	registry_count(tracker.registry, &counts);
	ck_assert_uint_eq(counts.entries, entries);
	ck_assert_uint_eq(counts.waits, waits);
}

START_TEST(hello_tells_of_the_daemon)
{
	struct wire_reply parsed;
	struct stat st;

	ask("HELLO 1\n");
	parsed = expect_kind(WIRE_REPLY_HELLO);
	ck_assert_int_eq(stat(place.dir, &st), 0);
	ck_assert_uint_eq(parsed.hello.epoch, 42);
	ck_assert_uint_eq(parsed.hello.dev, st.st_dev);
	ck_assert_uint_eq(parsed.hello.ino, st.st_ino);
	ck_assert_str_eq(parsed.hello.place.dir, place.dir);
	ck_assert_str_eq(parsed.hello.place.prefix, place.prefix);
	ck_assert_int_eq(stat("/proc/self/ns/pid", &st), 0);
	ck_assert_uint_eq(parsed.hello.pidns, st.st_ino);
	ck_assert_int_eq(stat("/proc/self/ns/time", &st), 0);
	ck_assert_uint_eq(parsed.hello.timens, st.st_ino);
}
END_TEST

START_TEST(ping_and_stats)
{
	struct wire_reply parsed;

	ask("PING\nSTATS\n");
	expect_kind(WIRE_REPLY_PONG);
	parsed = expect_kind(WIRE_REPLY_STATS);
	ck_assert_uint_eq(parsed.text_len, 7);
	ck_assert_mem_eq(parsed.text, "a=1 b=2", 7);
	ck_assert_uint_eq(requests.handled, 2);
}
END_TEST

START_TEST(query_leaves_nothing)
{
	ask("QUERY %d\n");
	expect_answer(READYD_PENDING, READYD_REASON_NONE);
	check_registry(0, 0);
	unit_write(marker, "ready\n");
	ask("QUERY %d\n");
	expect_answer(READYD_READY, READYD_REASON_NONE);
	/* The process is latched from now on. */
	ck_assert_int_eq(unlink(marker), 0);
	ask("QUERY %d\n");
	expect_answer(READYD_READY, READYD_REASON_NONE);
	check_registry(1, 0);
}
END_TEST

/* Requests that arrive together are answered from one check; the next input causes another. */
START_TEST(one_check_for_requests_that_arrive_together)
{
	uint64_t looks = tracker.looks;

	ask("QUERY %d\nQUERY %d\nQUERY %d\n");
	for (int i = 0; i < 3; i++)
		expect_answer(READYD_PENDING, READYD_REASON_NONE);
	ck_assert_uint_eq(tracker.looks, looks + 1);
	unit_write(marker, "ready\n");
	ask("QUERY %d\n");
	expect_answer(READYD_READY, READYD_REASON_NONE);
	ck_assert_uint_eq(tracker.looks, looks + 2);
	ask("QUERY 2147483646\n");
	ck_assert_int_eq(expect_kind(WIRE_REPLY_ANSWER).answer.verdict, READYD_DIED);
	ask("QUERY %d:1\nQUERY %d\n");
	expect_answer(READYD_DIED, READYD_REASON_PID_REUSED);
	expect_answer(READYD_READY, READYD_REASON_NONE);
}
END_TEST

/* The requests of one input are answered from one check, also when they take several turns. */
START_TEST(one_check_for_several_turns)
{
	uint64_t looks = tracker.looks;

	for (int i = 0; i < 2 * TURN; i++)
		say("QUERY %d\n");
	pass();
	unit_write(marker, "ready\n");
	turn();
	say("QUERY %d\n");
	turn();
	for (int i = 0; i < 2 * TURN; i++)
		expect_answer(READYD_PENDING, READYD_REASON_NONE);
	expect_answer(READYD_READY, READYD_REASON_NONE);
	expect_silence();
	ck_assert_uint_eq(tracker.looks, looks + 2);
}
END_TEST

/* What a client has been told already holds for all that it asks after that. */
START_TEST(check_ends_with_another_answer)
{
	uint64_t looks = tracker.looks;

	say("WAIT %d\n");
	for (int i = 0; i < 2 * TURN; i++)
		say("QUERY %d\n");
	pass();
	mark();
	turn();
	for (int i = 0; i < TURN - TURNS_LOOK - 1; i++)
		expect_answer(READYD_PENDING, READYD_REASON_NONE);
	for (int i = 0; i < 2 * TURN - (TURN - TURNS_LOOK - 1) + 1; i++)
		expect_answer(READYD_READY, READYD_REASON_NONE);
	expect_silence();
	/* Of the wait, of mark(), and one for the queries after that. */
	ck_assert_uint_eq(tracker.looks, looks + 3);
}
END_TEST

/* Waits for one process that arrive together need one check: what happens after it settles all of them. */
START_TEST(one_check_for_waits_that_arrive_together)
{
	enum { COUNT = 2 * TURN + 1 };
	uint64_t looks = tracker.looks;

	requests.waits_per_client = COUNT;
	quota.limits[QUOTA_WAITS] = (struct quota_limit){COUNT, COUNT};
	for (int i = 0; i < COUNT - 1; i++)
		say("WAIT %d\n");
	expect_silence();
	check_registry(1, COUNT - 1);
	ck_assert_uint_eq(tracker.looks, looks + 1);
	ask("WAIT %d\n");
	ck_assert_uint_eq(tracker.looks, looks + 2);
	mark();
	for (int i = 0; i < COUNT; i++)
		expect_answer(READYD_READY, READYD_REASON_NONE);
	expect_silence();
}
END_TEST

/* A check that no wait was attached after may miss what has happened since. */
START_TEST(first_wait_has_its_own_check)
{
	uint64_t looks = tracker.looks;

	ask("QUERY %d\nWAIT %d\n");
	expect_answer(READYD_PENDING, READYD_REASON_NONE);
	expect_silence();
	ck_assert_uint_eq(tracker.looks, looks + 2);
	check_registry(1, 1);
	ask("CANCEL %d\n");
	expect_kind(WIRE_REPLY_CANCELLED);
	ask("WAIT %d\nCANCEL %d\nWAIT %d\n");
	expect_kind(WIRE_REPLY_CANCELLED);
	expect_silence();
	ck_assert_uint_eq(tracker.looks, looks + 4);
}
END_TEST

/* In a child pid namespace, and of a user that cannot have left a marker of ours. */
static pid_t spawn_stranger(void)
{
	int done[2];
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe(done), 0);
	pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		/* The change of the uid resets what the process gets at the end of its parent. */
		if (setresuid(65534, 65534, 65534) != 0)
			_exit(1);
		unit_die_with_parent(0);
		if (write(done[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(done[1]);
	/* Before it has another uid, it is a process of ours, which may have left the marker. */
	ck_assert_int_eq(read(done[0], &byte, 1), 1);
	close(done[0]);
	return pid;
}

/* A look that examines many other processes of its number takes the turns of many looks. */
START_TEST(namesakes_that_a_look_examines_are_paid_for)
{
	enum { ASKED = 3, STRANGERS = TURNS_BUDGET / TURNS_NAMESAKE };
	pid_t asked[ASKED], strangers[STRANGERS];
	char path[2 * UNIT_PATH_SIZE], line[64];
	uint64_t looks = tracker.looks;

	/* Other programs on this machine may have processes in child pid namespaces too. */
	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	ck_assert_int_eq(mount("none", place.dir, "tmpfs", 0, NULL), 0);
	snprintf(path, sizeof(path), "%s/ready-1", place.dir);
	for (int i = 0; i < ASKED; i++)
		asked[i] = unit_spawn_in_child_ns();
	for (int i = 0; i < STRANGERS; i++)
		strangers[i] = spawn_stranger();
	unit_write(path, "ready\n");
	for (int i = 0; i < ASKED; i++) {
		snprintf(line, sizeof(line), "QUERY %d\n", (int)asked[i]);
		say(line);
	}
	for (unsigned i = 1; i <= ASKED; i++) {
		pass();
		ck_assert_uint_eq(tracker.looks, looks + i);
		ck_assert_uint_ge(tracker.namespaces.examined, i * STRANGERS);
	}
	for (int i = 0; i < STRANGERS; i++)
		unit_kill(strangers[i]);
	for (int i = 0; i < ASKED; i++)
		unit_kill(asked[i]);
}
END_TEST

START_TEST(query_of_another_process)
{
	ask("QUERY %d:1\n");
	expect_answer(READYD_DIED, READYD_REASON_PID_REUSED);
	ask("WAIT %d:1\n");
	expect_answer(READYD_DIED, READYD_REASON_PID_REUSED);
	ask("GATE %d:1\n");
	expect_answer(READYD_DIED, READYD_REASON_PID_REUSED);
	check_registry(0, 0);
}
END_TEST

START_TEST(wait_is_told)
{
	ask("WAIT %d\nWAIT %d\n");
	expect_silence();
	check_registry(1, 2);
	mark();
	expect_answer(READYD_READY, READYD_REASON_NONE);
	expect_answer(READYD_READY, READYD_REASON_NONE);
	expect_silence();
	ask("WAIT %d\n");
	expect_answer(READYD_READY, READYD_REASON_NONE);
	check_registry(1, 0);
}
END_TEST

START_TEST(wait_ends_with_the_process)
{
	ask("WAIT %d\n");
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	while (registry_is_waited(tracker.registry))
		loop_turn(loop, true);
	turn();
	expect_answer(READYD_DIED, READYD_REASON_NONE);
	check_registry(0, 0);
}
END_TEST

START_TEST(wait_has_a_deadline)
{
	ask_in_a_hurry();
	await_deadline();
	expect_answer(READYD_PENDING, READYD_REASON_DEADLINE);
	expect_silence();
	check_registry(0, 0);
}
END_TEST

/* No event reported the marker, but the process is checked before "pending" is answered. */
START_TEST(deadline_checks_first)
{
	ask_in_a_hurry();
	unit_write(marker, "ready\n");
	await_deadline();
	expect_answer(READYD_READY, READYD_REASON_NONE);
	expect_silence();
}
END_TEST

START_TEST(missing_directory_is_waited_out)
{
	ask_in_a_hurry();
	ck_assert_int_eq(rmdir(place.dir), 0);
	await_deadline();
	expect_answer(READYD_PENDING, READYD_REASON_DEADLINE);
	ask("WAIT %d 1\n");
	expect_answer(READYD_UNREACHABLE, READYD_REASON_NO_DIRECTORY);
	check_registry(0, 0);
}
END_TEST

/*
 * The process has ended unnoticed (as one without a pidfd does) and its pid has been reused when the deadline
 * comes. The check at the deadline detects that, settles the wait, and then finds the new process.
 */
START_TEST(pid_is_reused_at_the_deadline)
{
	struct registry_entry *entry;

	ask_in_a_hurry();
	entry = registry_find(tracker.registry, child);
	pidwatch_stop(entry);
	process_close(&entry->process);
	entry->process.start--;
	await_deadline();
	expect_answer(READYD_DIED, READYD_REASON_NONE);
	expect_silence();
	ck_assert_uint_eq(TAILQ_FIRST(&pool.all)->wait_count, 0);
}
END_TEST

START_TEST(cancel_ends_waits)
{
	ask("WAIT %d\nWAIT %d 100000\nPING\n");
	expect_kind(WIRE_REPLY_PONG);
	ask("CANCEL %d\n");
	ck_assert_uint_eq(expect_kind(WIRE_REPLY_CANCELLED).count, 2);
	check_registry(0, 0);
	ask("CANCEL %d\n");
	ck_assert_uint_eq(expect_kind(WIRE_REPLY_CANCELLED).count, 0);
	mark();
	expect_silence();
}
END_TEST

START_TEST(cancel_affects_own_waits_only)
{
	int first = client;

	ask("WAIT %d\n");
	client = connect_client();
	ask("CANCEL %d\n");
	ck_assert_uint_eq(expect_kind(WIRE_REPLY_CANCELLED).count, 0);
	close(client);
	client = first;
	mark();
	expect_answer(READYD_READY, READYD_REASON_NONE);
}
END_TEST

static void allow_waits(size_t count)
{
	requests.waits_per_client = count;
	quota.limits[QUOTA_WAITS] = (struct quota_limit){count, count};
}

static void wait_for(size_t count, pid_t pid)
{
	char line[WIRE_REQUEST_MAX];
	int len = snprintf(line, sizeof(line), "WAIT %d\n", (int)pid);
	size_t before = the_session()->wait_count;

	for (size_t i = 0; i < count; i++) {
		ck_assert_int_eq(send(client, line, (size_t)len, MSG_NOSIGNAL), len);
		if (i % SLICE == 0)
			pass();
	}
	while (the_session()->wait_count < before + count)
		pass();
}

/* A CANCEL that takes several turns, and the waits of other processes stay. */
START_TEST(cancel_comes_in_slices)
{
	enum { OF_A_TURN = 4 * TURNS_BUDGET };
	unsigned passes = 0;
	int first = client;

	allow_waits(3 * OF_A_TURN);
	wait_for(3 * OF_A_TURN - 1, child);
	wait_for(1, getpid());
	say("CANCEL %d\nPING\n");
	client = connect_user(geteuid() + 1);
	while (connection_work(the_session())->list != NULL || passes == 0) {
		pass();
		passes++;
		say("QUERY %d\n");
		pass();
		expect_answer(READYD_PENDING, READYD_REASON_NONE);
	}
	ck_assert_uint_ge(passes, 2);
	close(client);
	client = first;
	ck_assert_uint_eq(expect_kind(WIRE_REPLY_CANCELLED).count, 3 * OF_A_TURN - 1);
	turn();
	expect_kind(WIRE_REPLY_PONG);
	check_registry(1, 1);
}
END_TEST

/* The waits of a client that leaves end in several turns. */
START_TEST(closing_comes_in_slices)
{
	enum { OF_A_TURN = 4 * TURNS_BUDGET };

	allow_waits(3 * OF_A_TURN);
	wait_for(3 * OF_A_TURN, child);
	close(client);
	pass();
	ck_assert_uint_eq(pool.count, 1);
	ck_assert_uint_ge(the_session()->wait_count, OF_A_TURN);
	turn();
	ck_assert_uint_eq(pool.count, 0);
	check_registry(0, 0);
	client = connect_client();
}
END_TEST

START_TEST(closing_ends_waits)
{
	ask("WAIT %d\nWAIT %d 100000\n");
	check_registry(1, 2);
	ck_assert_uint_eq(TAILQ_FIRST(&pool.all)->user->used[QUOTA_WAITS], 2);
	close(client);
	turn();
	ck_assert_uint_eq(pool.count, 0);
	check_registry(0, 0);
	client = connect_client();
	ck_assert_uint_eq(TAILQ_FIRST(&pool.all)->user->used[QUOTA_WAITS], 0);
}
END_TEST

START_TEST(waits_have_a_limit)
{
	for (int i = 0; i < WAITS_PER_CLIENT; i++)
		ask("WAIT %d\n");
	expect_silence();
	ask("WAIT %d\n");
	expect_error(WIRE_TOO_MANY_WAITS, child);
	ask("CANCEL %d\nWAIT %d\n");
	expect_kind(WIRE_REPLY_CANCELLED);
	expect_silence();
	check_registry(1, 1);
}
END_TEST

static void expect_gate(int *gate)
{
	struct wire_reply parsed = reply(gate);

	ck_assert_int_eq(parsed.kind, WIRE_REPLY_GATE);
	ck_assert_int_eq(parsed.answer.pid, child);
	ck_assert_uint_ne(parsed.answer.start, 0);
	ck_assert_int_ge(*gate, 0);
}

/* For one with a descriptor so high that libevent's table does not grow with those that follow. */
static void connect_high(void)
{
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	ck_assert_ptr_nonnull(connection_new(&pool, fcntl(ends[0], F_DUPFD_CLOEXEC, 500), geteuid()));
	close(ends[0]);
	close(client);
	client = ends[1];
}

/* In words of 8 bytes: 16 of libevent's event and 2 for its descriptor, 8 of the connection, 8 of the wait.
 */
#define WAITER_MOST 272

START_TEST(waiter_takes_little_memory)
{
	enum { WAITERS = 40 };
	size_t before;
	int clients[WAITERS];

	connect_high();
	ask("WAIT %d\n");
	before = allocated;
	for (int i = 0; i < WAITERS; i++) {
		clients[i] = client;
		client = connect_client();
		ask("PING\nWAIT %d\n");
		expect_kind(WIRE_REPLY_PONG);
	}
	ck_assert_uint_le((allocated - before) / WAITERS, WAITER_MOST);
	for (int i = 0; i < WAITERS; i++)
		close(clients[i]);
}
END_TEST

/* What it needs for half a line is gone with the line. */
START_TEST(idle_connection_takes_no_more_than_a_new_one)
{
	size_t before;

	/* What the first turn of all allocates stays. */
	ask("LIST\n");
	expect_kind(WIRE_REPLY_END);
	before = allocated;
	ask("PI");
	ck_assert_uint_gt(allocated, before);
	ask("NG\n");
	expect_kind(WIRE_REPLY_PONG);
	ask("LIST\nCANCEL 1\n");
	expect_kind(WIRE_REPLY_END);
	expect_kind(WIRE_REPLY_CANCELLED);
	ck_assert_uint_eq(allocated, before);
}
END_TEST

/* Neither in the connection nor elsewhere. */
START_TEST(a_request_that_is_answered_at_once_allocates_nothing)
{
	size_t before;

	ask("QUERY %d\n");
	expect_answer(READYD_PENDING, READYD_REASON_NONE);
	before = allocations;
	ask("PING\n");
	expect_kind(WIRE_REPLY_PONG);
	ask("QUERY %d\n");
	expect_answer(READYD_PENDING, READYD_REASON_NONE);
	ck_assert_uint_eq(allocations, before);
}
END_TEST

START_TEST(gate_is_given)
{
	struct pollfd poll_fd = {.events = 0};

	ask("GATE %d\n");
	expect_gate(&poll_fd.fd);
	ck_assert_int_eq(poll(&poll_fd, 1, 0), 0);
	/* The waiter does not need the connection any more. */
	close(client);
	turn();
	client = connect_client();
	ck_assert_int_eq(poll(&poll_fd, 1, 0), 0);
	mark();
	ck_assert_int_eq(poll(&poll_fd, 1, 0), 1);
	ck_assert_int_eq(poll_fd.revents, POLLHUP);
	close(poll_fd.fd);
	ask("GATE %d\n");
	expect_answer(READYD_READY, READYD_REASON_NONE);
}
END_TEST

/* Another user's marker answers a query, but the process can still have its own. */
START_TEST(stale_marker_is_waited_over)
{
	struct pollfd poll_fd = {.events = 0};

	unit_write(marker, "ready\n");
	ck_assert_int_eq(chown(marker, 65534, 65534), 0);
	ask("QUERY %d\n");
	expect_answer(READYD_STALE, READYD_REASON_FOREIGN_OWNER);
	ask("WAIT %d\n");
	expect_silence();
	check_registry(1, 1);
	ask("GATE %d\n");
	expect_gate(&poll_fd.fd);
	ck_assert_int_eq(poll(&poll_fd, 1, 0), 0);
	ck_assert_int_eq(unlink(marker), 0);
	mark();
	expect_answer(READYD_READY, READYD_REASON_NONE);
	ck_assert_int_eq(poll(&poll_fd, 1, 0), 1);
	close(poll_fd.fd);
}
END_TEST

START_TEST(gates_have_a_limit)
{
	pid_t first = child;
	int gate;

	ask("GATE %d\n");
	expect_gate(&gate);
	child = unit_spawn(NULL);
	ask("GATE %d\n");
	expect_error(WIRE_NO_RESOURCES, child);
	check_registry(1, 1);
	close(gate);
	unit_kill(child);
	child = first;
}
END_TEST

START_TEST(list_tells_of_all)
{
	ask("LIST\n");
	ck_assert_uint_eq(expect_kind(WIRE_REPLY_END).count, 0);
	ask("WAIT %d\nLIST\n");
	ck_assert_int_eq(expect_kind(WIRE_REPLY_LIST).answer.verdict, READYD_PENDING);
	ck_assert_uint_eq(expect_kind(WIRE_REPLY_END).count, 1);
	/* LIST checks the processes itself, so its reply is current. */
	unit_write(marker, "ready\n");
	ask("LIST\n");
	expect_answer(READYD_READY, READYD_REASON_NONE);
	ck_assert_int_eq(expect_kind(WIRE_REPLY_LIST).answer.verdict, READYD_READY);
	ck_assert_uint_eq(expect_kind(WIRE_REPLY_END).count, 1);
}
END_TEST

/* Enters processes that have been seen ready and have ended unnoticed. */
static void enter_many(int count)
{
	const struct history history = {.latched = true};
	struct process process = {.fd = -1, .start = 1};

	for (int i = 0; i < count; i++) {
		process.pid = process.ns_pid = UNIT_UNUSED_PID - i;
		registry_enter(tracker.registry, &process, &history, the_session()->user);
	}
}

static void expect_list(int count)
{
	for (int i = 0; i < count; i++)
		ck_assert_int_eq(expect_kind(WIRE_REPLY_LIST).answer.pid, UNIT_UNUSED_PID - i);
	ck_assert_uint_eq(expect_kind(WIRE_REPLY_END).count, count);
}

/* Another client is answered between two slices of the list, this one after the end of the list. */
START_TEST(list_comes_in_slices)
{
	int first = client;

	enter_many(200);
	ask("QUERY %d\n");
	expect_answer(READYD_PENDING, READYD_REASON_NONE);
	say("LIST\nPING\n");
	pass();
	pass();
	client = connect_user(geteuid() + 1);
	say("QUERY %d\n");
	pass();
	expect_answer(READYD_PENDING, READYD_REASON_NONE);
	ck_assert_ptr_nonnull(connection_work(the_session())->list);
	close(client);
	client = first;
	turn();
	expect_list(200);
	expect_kind(WIRE_REPLY_PONG);
	ck_assert_ptr_null(connection_work(the_session())->list);
}
END_TEST

static unsigned lines_to_read(void)
{
	static char buf[65536];
	ssize_t n = recv(client, buf, sizeof(buf), MSG_PEEK);
	unsigned count = 0;

	for (ssize_t i = 0; i < n; i++)
		count += buf[i] == '\n';
	return count;
}

START_TEST(slice_of_a_list)
{
	enter_many(3 * SLICE + SLICE / 2);
	say("LIST\n");
	pass();
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_uint_eq(lines_to_read(), SLICE * i);
		pass();
	}
	ck_assert_uint_eq(lines_to_read(), 3 * SLICE + SLICE / 2 + 1);
}
END_TEST

/* The list is produced only as it is read, and little of it is buffered. */
START_TEST(list_waits_for_its_reader)
{
	const int size = 4096;
	char byte[256];
	unsigned count = 0;
	uint64_t looks;
	ssize_t n;

	enter_many(1000);
	ck_assert_int_eq(
	    setsockopt(connection_fd(the_session()), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	ask("LIST\n");
	looks = tracker.looks;
	turn();
	ck_assert_uint_eq(tracker.looks, looks);
	ck_assert_uint_gt(connection_work(the_session())->output_len, 0);
	ck_assert_uint_le(connection_work(the_session())->output_len, SLICE * 64);
	for (int i = 0; i < 100000 && count < 1001; i++) {
		n = recv(client, byte, sizeof(byte), 0);
		for (ssize_t at = 0; at < n; at++)
			count += byte[at] == '\n';
		pass();
	}
	ck_assert_uint_eq(count, 1001);
	expect_silence();
}
END_TEST

START_TEST(list_ends_with_its_session)
{
	struct registry_entry *entry;
	unsigned count = 0;

	enter_many(200);
	say("LIST\n");
	pass();
	pass();
	ck_assert_ptr_nonnull(connection_work(the_session())->list);
	close(client);
	turn();
	ck_assert_uint_eq(pool.count, 0);
	for (int i = 0; i < 200; i++) {
		entry = registry_find(tracker.registry, UNIT_UNUSED_PID - i);
		if (entry == NULL)
			continue;
		ck_assert(LIST_EMPTY(&entry->cursors));
		count++;
	}
	ck_assert_uint_gt(count, 0);
	client = connect_client();
}
END_TEST

static const struct {
	const char *line;
	enum wire_error error;
} errors[] = {
    {"NONSENSE\n", WIRE_BAD_VERB},
    {"\n", WIRE_BAD_VERB},
    {"HELLO 2\n", WIRE_BAD_VERSION},
    {"QUERY\n", WIRE_BAD_ARGUMENT},
    {"WAIT 0\n", WIRE_BAD_ARGUMENT},
};

/* The marker exists, but the process cannot be inspected: neither ready nor any other verdict is given. */
START_TEST(no_verdict_without_descriptors)
{
	static const char *const questions[] = {"QUERY %d\n", "WAIT %d\n", "WAIT %d 0\n", "GATE %d\n"};
	struct rlimit limit;

	unit_write(marker, "ready\n");
	for (size_t i = 0; i < UNIT_COUNT(questions); i++) {
		limit = unit_forbid_new_fds();
		ask(questions[i]);
		unit_restore_fd_limit(&limit);
		expect_error(WIRE_NO_RESOURCES, child);
		ck_assert(!registry_is_waited(tracker.registry));
	}
	ask("QUERY %d\n");
	expect_answer(READYD_READY, READYD_REASON_NONE);
}
END_TEST

/* Makes the client one of that user, where /proc hides processes from others than their users. */
static void hide_from(uid_t uid, bool is_trusted)
{
	close(client);
	turn();
	client = connect_user(uid);
	the_session()->is_trusted = is_trusted;
	requests.hides = true;
}

/* The daemon's user owns the child and is not among them. */
static uid_t stranger(void)
{
	return geteuid() + 1000;
}

/* A query, and a list once something waits; a wait that is pushed an answer, and the line of a gate. */
static const struct {
	const char *before, *request;
} asked_of_a_child[] = {{"", "QUERY %d\n"}, {"", "WAIT %d 0\n"}, {"", "GATE %d\n"}, {"WAIT %d\n", "LIST\n"}};

static struct readyd_answer answer_to_case(int i)
{
	struct wire_reply said;
	int fd = -1;

	say(asked_of_a_child[i].before);
	ask(asked_of_a_child[i].request);
	if (asked_of_a_child[i].request[0] == 'W')
		await_deadline();
	said = reply(&fd);
	if (fd >= 0)
		close(fd);
	return said.answer;
}

START_TEST(a_stranger_is_told_no_start)
{
	struct readyd_answer answer;

	hide_from(stranger(), false);
	answer = answer_to_case(_i);
	ck_assert_int_eq(answer.pid, child);
	ck_assert_uint_eq(answer.start, 0);
	ck_assert_uint_eq(answer.flags & READYD_FLAG_STATUS_HIDDEN, READYD_FLAG_STATUS_HIDDEN);
}
END_TEST

START_TEST(a_member_of_the_trusted_group_is_told_the_start)
{
	struct readyd_answer answer;

	hide_from(stranger(), true);
	answer = answer_to_case(_i);
	ck_assert_uint_gt(answer.start, 0);
	ck_assert_uint_eq(answer.flags & READYD_FLAG_STATUS_HIDDEN, 0);
}
END_TEST

START_TEST(where_proc_hides_nothing_all_is_told)
{
	hide_from(stranger(), false);
	requests.hides = false;
	ck_assert_uint_gt(answer_to_case(_i).start, 0);
}
END_TEST

START_TEST(the_end_of_a_process_is_told_without_its_status)
{
	struct readyd_answer answer;

	hide_from(stranger(), false);
	ask("WAIT %d\n");
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	while (registry_is_waited(tracker.registry))
		loop_turn(loop, true);
	/* Pushed, then remembered: the tombstone is charged to the stranger, and is not the stranger's. */
	ask("QUERY %d\n");
	for (int i = 0; i < 2; i++) {
		answer = expect_kind(WIRE_REPLY_ANSWER).answer;
		ck_assert_int_eq(answer.verdict, READYD_DIED);
		ck_assert_uint_eq(answer.start, 0);
		ck_assert_int_eq(answer.wait_status, -1);
		ck_assert_uint_eq(answer.flags, READYD_FLAG_STATUS_HIDDEN);
	}
}
END_TEST

START_TEST(a_start_that_is_named_is_denied_but_not_corrected)
{
	struct readyd_answer answer;

	hide_from(stranger(), false);
	ask("QUERY %d:1\n");
	answer = expect_kind(WIRE_REPLY_ANSWER).answer;
	ck_assert_int_eq(answer.verdict, READYD_DIED);
	ck_assert_int_eq(answer.reason, READYD_REASON_PID_REUSED);
	ck_assert_uint_eq(answer.start, 0);
}
END_TEST

START_TEST(errors_cost_nothing)
{
	ask(errors[_i].line);
	expect_error(errors[_i].error, 0);
	ask("PING\n");
	expect_kind(WIRE_REPLY_PONG);
}
END_TEST

START_TEST(too_long_a_line_ends_it)
{
	char line[300];

	memset(line, 'x', sizeof(line));
	ck_assert_int_eq(send(client, line, sizeof(line), 0), sizeof(line));
	turn();
	expect_error(WIRE_LINE_TOO_LONG, 0);
	ck_assert_uint_eq(pool.count, 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("requests");
	TCase *tcase = unit_case(s, "requests");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, hello_tells_of_the_daemon);
	tcase_add_test(tcase, ping_and_stats);
	tcase_add_test(tcase, query_leaves_nothing);
	tcase_add_test(tcase, one_check_for_requests_that_arrive_together);
	tcase_add_test(tcase, one_check_for_several_turns);
	tcase_add_test(tcase, check_ends_with_another_answer);
	tcase_add_test(tcase, one_check_for_waits_that_arrive_together);
	tcase_add_test(tcase, first_wait_has_its_own_check);
	unit_add_if(tcase, namesakes_that_a_look_examines_are_paid_for,
	    geteuid() == 0 && unit_can_create_pid_ns(), "cannot create a pid namespace");
	tcase_add_test(tcase, query_of_another_process);
	tcase_add_test(tcase, wait_is_told);
	tcase_add_test(tcase, wait_ends_with_the_process);
	tcase_add_test(tcase, wait_has_a_deadline);
	tcase_add_test(tcase, deadline_checks_first);
	unit_add_if(tcase, stale_marker_is_waited_over, geteuid() == 0, "needs root");
	tcase_add_test(tcase, missing_directory_is_waited_out);
	tcase_add_test(tcase, pid_is_reused_at_the_deadline);
	tcase_add_test(tcase, cancel_ends_waits);
	tcase_add_test(tcase, cancel_affects_own_waits_only);
	tcase_add_test(tcase, cancel_comes_in_slices);
	tcase_add_test(tcase, closing_comes_in_slices);
	tcase_add_test(tcase, closing_ends_waits);
	tcase_add_test(tcase, waits_have_a_limit);
	tcase_add_test(tcase, waiter_takes_little_memory);
	tcase_add_test(tcase, idle_connection_takes_no_more_than_a_new_one);
	tcase_add_test(tcase, a_request_that_is_answered_at_once_allocates_nothing);
	tcase_add_test(tcase, gate_is_given);
	tcase_add_test(tcase, gates_have_a_limit);
	tcase_add_test(tcase, list_tells_of_all);
	tcase_add_test(tcase, no_verdict_without_descriptors);
	tcase_add_test(tcase, list_comes_in_slices);
	tcase_add_test(tcase, slice_of_a_list);
	tcase_add_test(tcase, list_waits_for_its_reader);
	tcase_add_test(tcase, list_ends_with_its_session);
	tcase_add_loop_test(tcase, a_stranger_is_told_no_start, 0, UNIT_COUNT(asked_of_a_child));
	tcase_add_loop_test(
	    tcase, a_member_of_the_trusted_group_is_told_the_start, 0, UNIT_COUNT(asked_of_a_child));
	tcase_add_loop_test(tcase, where_proc_hides_nothing_all_is_told, 0, UNIT_COUNT(asked_of_a_child));
	tcase_add_test(tcase, the_end_of_a_process_is_told_without_its_status);
	tcase_add_test(tcase, a_start_that_is_named_is_denied_but_not_corrected);
	tcase_add_loop_test(tcase, errors_cost_nothing, 0, UNIT_COUNT(errors));
	tcase_add_test(tcase, too_long_a_line_ends_it);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
