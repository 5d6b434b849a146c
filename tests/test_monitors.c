/* Monitors, with the real tracker, and socket pairs for clients. */
#include <errno.h>
#include <sys/socket.h>

#include "daemon/arrival.h"
#include "daemon/connection.h"
#include "daemon/gate.h"
#include "daemon/loop.h"
#include "daemon/monitors.h"
#include "daemon/quota.h"
#include "daemon/requests.h"
#include "daemon/scouts.h"
#include "daemon/tracker.h"
#include "src/dirwatch.h"
#include "tests/unit.h"

#define EPOCH	  42
#define SIZE	  64
#define CHILDREN  40
#define EVENTS	  65536
#define OTHER_UID 4321

static struct loop *loop;
static struct marker_place place;
static struct tracker tracker;
static struct dirwatch dirs;
static struct gates gates;
static struct quota quota;
static struct monitors monitors;
static struct requests requests;
static struct connection_pool pool;
static struct scouts *scouts;
static const struct scouts_config without_scouts = {.place = &place, .dirs = &dirs, .spawner = -1};
static unsigned searches;
static pid_t children[CHILDREN];
static uint64_t position;

/* A client, and what it was told. */
struct client {
	int fd;
	char text[65536]; /* not a whole line yet */
	size_t len;
	struct readyd_event events[EVENTS];
	size_t count;
};
static struct client one, two;

static void on_first_wait(void *context)
{
	(void)context;
}

static unsigned first_monitors;

static void on_first_monitor(void *context)
{
	(void)context;
	first_monitors++;
}

static void on_behind(void *context)
{
	(void)context;
}

static void write_stats(char *buf, size_t size, void *context)
{
	(void)context;
	snprintf(buf, size, "a=1");
}

static void connect_client(struct client *client, uid_t uid)
{
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	ck_assert_ptr_nonnull(connection_new(&pool, ends[0], uid));
	client->fd = ends[1];
	client->len = client->count = 0;
}

static void turn(void)
{
	for (int i = 0; i < 8; i++)
		loop_settle(loop);
}

static void close_client(struct client *client)
{
	close(client->fd);
	client->fd = -1;
	turn();
}

static void set_up(void)
{
	static const struct connection_hooks hooks = {requests_on_line, requests_on_resume,
	    requests_close_some, requests_on_closing, requests_on_drained};
	char dir[UNIT_PATH_SIZE];

	unit_dir(dir);
	ck_assert_int_eq(marker_place_init(&place, dir, "ready-"), 0);
	for (int i = 0; i < CHILDREN; i++)
		children[i] = unit_spawn(NULL);
	loop = loop_new();
	dirwatch_init(&dirs, &place, on_behind, NULL);
	scouts = scouts_new(loop, &without_scouts);
	quota_init(&quota, geteuid(), &(struct quota_config){4096, 100, 1000});
	tracker_init(&tracker, loop, &place, &dirs, scouts, &quota, on_first_wait, NULL);
	gates_init(&gates, loop, &tracker);
	first_monitors = 0;
	monitors_init(&monitors, loop, &tracker, EPOCH, on_first_monitor, NULL);
	monitors.size = SIZE;
	requests = (struct requests){.loop = loop,
	    .tracker = &tracker,
	    .gates = &gates,
	    .monitors = &monitors,
	    .place = &place,
	    .epoch = EPOCH,
	    .quota = &quota,
	    .waits_per_client = 1000,
	    .stats = write_stats};
	connection_pool_init(&pool, loop, &hooks, &requests, &quota, QUOTA_OUTPUT_OF_CLIENT);
	connect_client(&one, geteuid());
	connect_client(&two, geteuid());
	searches = 1000000;
	/* Behind all that the real queue of the directory has. */
	ck_assert_int_eq(dirwatch_arm(&dirs), DIRWATCH_OTHER);
	position = (uint64_t)1 << 40;
}

static void tear_down(void)
{
	connection_pool_fini(&pool);
	gates_fini(&gates);
	monitors_fini(&monitors);
	tracker_fini(&tracker);
	scouts_free(scouts);
	dirwatch_close(&dirs);
	ck_assert_ptr_null(quota.users);
	loop_free(loop);
	for (int i = 0; i < CHILDREN; i++)
		if (children[i] > 0)
			unit_kill(children[i]);
}

static void take_lines(struct client *client)
{
	struct wire_reply reply;
	size_t used = 0, len;

	while ((len = wire_line(client->text + used, client->len - used)) > 0) {
		ck_assert_int_eq(wire_parse_reply(client->text + used, len, &reply), 0);
		if (reply.kind == WIRE_REPLY_EVENT) {
			ck_assert_uint_lt(client->count, EVENTS);
			client->events[client->count++] = reply.event;
		}
		used += len;
	}
	client->len -= used;
	memmove(client->text, client->text + used, client->len);
}

/* Reads what was told so far. */
static bool read_lines(struct client *client)
{
	ssize_t n = recv(client->fd, client->text + client->len, sizeof(client->text) - client->len, 0);

	if (n <= 0)
		return false;
	client->len += (size_t)n;
	take_lines(client);
	return true;
}

/* Reads all that the daemon has to tell. */
static void hear(struct client *client)
{
	do
		turn();
	while (read_lines(client));
}

static void say(struct client *client, const char *line)
{
	ck_assert_int_eq(send(client->fd, line, strlen(line), MSG_NOSIGNAL), (ssize_t)strlen(line));
}

static void follow(struct client *client, const char *request)
{
	client->count = 0;
	say(client, request);
	hear(client);
}

static char *path_of(int i)
{
	static char path[2 * MARKER_DIR_SIZE];

	snprintf(path, sizeof(path), "%s/ready-%d", place.dir, (int)children[i]);
	return path;
}

/* An event of inotify: what the daemon's watch would report. */
static void report(int i, bool came, bool created)
{
	struct arrival arrival = {
	    .searches = &searches, .created = created, .position = came ? ++position : 0};

	tracker_marker_seen(&tracker, children[i], &arrival);
}

static void mark(int i)
{
	unit_write(path_of(i), "ready\n");
	report(i, true, true);
	tracker_marker_written(&tracker, children[i], ++position);
}

static void unmark(int i)
{
	ck_assert_int_eq(unlink(path_of(i)), 0);
	report(i, false, false);
}

static void end(int i)
{
	unit_kill(children[i]);
	turn();
	children[i] = 0;
}

static void expect(const struct client *client, size_t at, enum readyd_change change, uint64_t seq)
{
	ck_assert_uint_lt(at, client->count);
	ck_assert_str_eq(readyd_change_name(client->events[at].change), readyd_change_name(change));
	ck_assert_uint_eq(client->events[at].epoch, EPOCH);
	ck_assert_uint_eq(client->events[at].seq, seq);
}

static void expect_of(
    const struct client *client, size_t at, enum readyd_change change, uint64_t seq, pid_t pid)
{
	expect(client, at, change, seq);
	ck_assert_int_eq(client->events[at].pid, pid);
}

START_TEST(nothing_is_recorded_before_the_first_monitor)
{
	mark(0);
	unmark(0);
	turn();
	ck_assert(!journal_runs(&tracker.transitions.journal));
	follow(&one, "MONITOR\n");
	expect(&one, 0, READYD_CHANGE_SNAPSHOT, 0);
	expect_of(&one, 1, READYD_CHANGE_STATE, 0, children[0]);
	ck_assert_uint_ne(one.events[1].flags & READYD_FLAG_LATCHED, 0);
	ck_assert_int_gt(one.events[1].time_ms, 0);
	expect(&one, 2, READYD_CHANGE_LIVE, 0);
	ck_assert_uint_eq(one.count, 3);
}
END_TEST

START_TEST(each_transition_of_a_process_is_told)
{
	const pid_t pid = children[0];

	follow(&one, "MONITOR\n");
	mark(0);
	mark(0);
	unmark(0);
	mark(0);
	end(0);
	hear(&one);
	expect(&one, 0, READYD_CHANGE_SNAPSHOT, 0);
	expect(&one, 1, READYD_CHANGE_LIVE, 0);
	expect_of(&one, 2, READYD_CHANGE_READY, 1, pid);
	expect_of(&one, 3, READYD_CHANGE_REWRITTEN, 2, pid);
	expect_of(&one, 4, READYD_CHANGE_REMOVED, 3, pid);
	expect_of(&one, 5, READYD_CHANGE_REWRITTEN, 4, pid);
	expect_of(&one, 6, READYD_CHANGE_EXITED, 5, pid);
	ck_assert_uint_eq(one.count, 7);
	ck_assert_int_eq(one.events[2].verdict, READYD_READY);
	ck_assert_uint_ne(one.events[2].start, 0);
	ck_assert_uint_ne(one.events[2].name[0], 0);
	ck_assert_int_eq(one.events[6].verdict, READYD_EXITED);
}
END_TEST

/* The worker creates, writes and closes: the event of closing is not another writing. */
START_TEST(the_first_writing_is_not_another_one)
{
	follow(&one, "MONITOR\n");
	unit_write(path_of(0), "");
	report(0, true, true);
	unit_write(path_of(0), "ready\n");
	tracker_marker_written(&tracker, children[0], position + 1);
	hear(&one);
	ck_assert_uint_eq(one.count, 3);
	tracker_marker_written(&tracker, children[0], position + 2);
	hear(&one);
	ck_assert_uint_eq(one.count, 4);
	expect_of(&one, 3, READYD_CHANGE_REWRITTEN, 2, children[0]);
}
END_TEST

START_TEST(repeated_looks_tell_nothing)
{
	struct readyd_answer answer;

	follow(&one, "MONITOR\n");
	mark(0);
	for (int i = 0; i < 10; i++)
		tracker_query(&tracker, NULL, children[0], 0, &answer);
	hear(&one);
	ck_assert_uint_eq(one.count, 3);
}
END_TEST

static void wait_for(int i)
{
	char line[64];

	snprintf(line, sizeof(line), "WAIT %d\n", (int)children[i]);
	say(&two, line);
	turn();
}

static void cancel(int i)
{
	char line[64];

	snprintf(line, sizeof(line), "CANCEL %d\n", (int)children[i]);
	say(&two, line);
	turn();
}

START_TEST(a_wait_brings_a_process_and_its_end_takes_it)
{
	follow(&one, "MONITOR\n");
	wait_for(0);
	hear(&one);
	expect_of(&one, 2, READYD_CHANGE_WAITED, 1, children[0]);
	ck_assert_uint_eq(one.events[2].waiters, 1);
	ck_assert_int_eq(one.events[2].verdict, READYD_PENDING);
	cancel(0);
	hear(&one);
	ck_assert_uint_eq(one.count, 3);
	ck_assert(!transitions_settle(&tracker.transitions, 100));
	hear(&one);
	expect_of(&one, 3, READYD_CHANGE_FORGOTTEN, 2, children[0]);
	ck_assert_uint_eq(one.count, 4);
}
END_TEST

START_TEST(a_process_that_is_waited_for_dies)
{
	const pid_t pid = children[0];

	follow(&one, "MONITOR\n");
	wait_for(0);
	end(0);
	hear(&one);
	expect_of(&one, 3, READYD_CHANGE_DIED, 2, pid);
	ck_assert_uint_eq(one.count, 4);
}
END_TEST

/* However often the number of waits changes, it is told when the daemon settles. */
START_TEST(the_number_of_waits_is_told_once)
{
	follow(&one, "MONITOR\n");
	for (int i = 0; i < 100; i++)
		wait_for(0);
	hear(&one);
	ck_assert_uint_eq(one.count, 3);
	(void)transitions_settle(&tracker.transitions, 100);
	hear(&one);
	ck_assert_uint_eq(one.count, 4);
	ck_assert_uint_eq(one.events[3].waiters, 100);
	(void)transitions_settle(&tracker.transitions, 100);
	hear(&one);
	ck_assert_uint_eq(one.count, 4);
}
END_TEST

START_TEST(waits_that_come_and_go_are_not_a_flood)
{
	follow(&one, "MONITOR\n");
	for (int i = 0; i < 100; i++) {
		wait_for(0);
		cancel(0);
	}
	hear(&one);
	ck_assert_uint_le(one.count, 3);
}
END_TEST

START_TEST(waiters_at_a_gate_are_counted)
{
	char line[64];

	follow(&one, "MONITOR\n");
	snprintf(line, sizeof(line), "GATE %d\n", (int)children[0]);
	for (int i = 0; i < 3; i++)
		say(&two, line);
	turn();
	(void)transitions_settle(&tracker.transitions, 100);
	hear(&one);
	ck_assert_uint_eq(one.events[one.count - 1].waiters, 3);
	mark(0);
	hear(&one);
	ck_assert_uint_eq(registry_find(tracker.registry, children[0])->gate_waiters, 0);
}
END_TEST

/* A leftover is told, and forgotten with the entry. */
START_TEST(a_stale_marker_is_told)
{
	const struct timespec times[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
	struct readyd_answer answer;

	follow(&one, "MONITOR\n");
	unit_write(path_of(0), "ready\n");
	ck_assert_int_eq(utimensat(AT_FDCWD, path_of(0), times, 0), 0);
	if (geteuid() == 0)
		ck_assert_int_eq(chown(path_of(0), OTHER_UID, OTHER_UID), 0);
	tracker_query(&tracker, NULL, children[0], 0, &answer);
	hear(&one);
	ck_assert_int_eq(answer.verdict, READYD_STALE);
	expect_of(&one, 2, READYD_CHANGE_STALE, 1, children[0]);
}
END_TEST

/* --- positions */

static void make_some(int rounds)
{
	for (int i = 0; i < rounds; i++) {
		mark(0);
		unmark(0);
	}
	turn();
}

static void expect_same(const struct readyd_event *a, const struct readyd_event *b)
{
	ck_assert_int_eq(a->change, b->change);
	ck_assert_uint_eq(a->seq, b->seq);
	ck_assert_int_eq(a->time_ms, b->time_ms);
	ck_assert_int_eq(a->pid, b->pid);
	ck_assert_int_eq(a->verdict, b->verdict);
	ck_assert_uint_eq(a->flags, b->flags);
}

/* What a monitor hears that was cut off and comes back is what one hears that was never cut off. */
START_TEST(a_cut_monitor_continues_without_a_gap)
{
	follow(&one, "MONITOR\n");
	follow(&two, "MONITOR\n");
	make_some(5);
	hear(&one);
	hear(&two);
	close_client(&two);
	make_some(5);
	connect_client(&two, geteuid());
	follow(&two, "MONITOR 42:10\n");
	make_some(5);
	hear(&one);
	hear(&two);
	expect(&two, 0, READYD_CHANGE_RESUMED, 10);
	ck_assert_uint_eq(one.count, 2 + 30);
	ck_assert_uint_eq(two.count, 1 + 20);
	for (size_t i = 0; i < 20; i++)
		expect_same(&two.events[1 + i], &one.events[2 + 10 + i]);
}
END_TEST

/* The journal goes on while no monitor is there. */
START_TEST(the_only_monitor_is_cut_off)
{
	follow(&one, "MONITOR\n");
	close_client(&one);
	make_some(3);
	connect_client(&one, geteuid());
	follow(&one, "MONITOR 42:0\n");
	expect(&one, 0, READYD_CHANGE_RESUMED, 0);
	for (size_t i = 1; i <= 6; i++)
		ck_assert_uint_eq(one.events[i].seq, i);
	ck_assert_uint_eq(one.count, 7);
}
END_TEST

static const char *const unknown[] = {
    "MONITOR 41:0\n", "MONITOR 42:1000\n", "MONITOR 42:18446744073709551615\n", "MONITOR 42:1\n"};

START_TEST(an_unknown_position_is_a_gap)
{
	follow(&two, "MONITOR\n");
	make_some(SIZE);
	follow(&one, unknown[_i]);
	expect(&one, 0, READYD_CHANGE_GAP, (uint64_t)2 * SIZE);
	expect(&one, 1, READYD_CHANGE_SNAPSHOT, (uint64_t)2 * SIZE);
	expect_of(&one, 2, READYD_CHANGE_STATE, (uint64_t)2 * SIZE, children[0]);
	expect(&one, 3, READYD_CHANGE_LIVE, (uint64_t)2 * SIZE);
	ck_assert_uint_eq(one.count, 4);
}
END_TEST

/* A client that does not read costs one write, and is told of the gap as soon as it reads. */
START_TEST(a_slow_reader_is_told_of_the_gap)
{
	struct connection *connection = TAILQ_FIRST(&pool.all);
	const int small = 4096;
	size_t most = 0;

	ck_assert_int_eq(
	    setsockopt(connection_fd(connection), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	follow(&one, "MONITOR\n");
	for (int i = 0; i < 1000; i++) {
		make_some(2);
		if (connection_work(connection)->output_len > most)
			most = connection_work(connection)->output_len;
	}
	ck_assert_uint_gt(most, 0);
	ck_assert_uint_le(most, sizeof(monitors.out));
	hear(&one);
	expect(&one, one.count - 1, READYD_CHANGE_LIVE, 4000);
	expect(&one, one.count - 3, READYD_CHANGE_SNAPSHOT, 4000);
	ck_assert_int_eq(one.events[one.count - 4].change, READYD_CHANGE_GAP);
	ck_assert_uint_lt(one.count, 1000);
	make_some(1);
	hear(&one);
	expect(&one, one.count - 1, READYD_CHANGE_REMOVED, 4002);
}
END_TEST

/* --- the present state */

struct copy {
	pid_t pid;
	enum readyd_verdict verdict;
	unsigned states;
};

/* Applies what was told. Each process of the state is told of once. */
static size_t apply(const struct client *client, struct copy copy[CHILDREN])
{
	size_t live = 0;

	for (size_t i = 0; i < client->count; i++) {
		const struct readyd_event *event = &client->events[i];

		live |= event->change == READYD_CHANGE_LIVE;
		for (int c = 0; c < CHILDREN; c++) {
			if (copy[c].pid != event->pid)
				continue;
			copy[c].verdict = event->verdict;
			copy[c].states += event->change == READYD_CHANGE_STATE;
		}
		if (i > 0 && event->change >= READYD_CHANGE_READY)
			ck_assert_uint_ge(event->seq, client->events[i - 1].seq);
	}
	return live;
}

/* Processes change while the state is told, before and behind the cursor. */
START_TEST(changes_during_the_snapshot_are_not_lost)
{
	struct copy copy[CHILDREN] = {{0}};

	for (int i = 0; i < CHILDREN; i++) {
		copy[i].pid = children[i];
		if (i % 2 == 0)
			mark(i);
	}
	one.count = 0;
	say(&one, "MONITOR\n");
	for (int i = 0; i < CHILDREN; i++) {
		loop_turn(loop, false);
		if (i % 2 == 1)
			mark(CHILDREN - i);
		if (i % 4 == 0)
			end(i);
	}
	hear(&one);
	ck_assert_uint_eq(apply(&one, copy), 1);
	for (int i = 0; i < CHILDREN; i++) {
		ck_assert_int_eq(copy[i].verdict, i % 4 == 0 ? READYD_EXITED : READYD_READY);
		ck_assert_uint_le(copy[i].states, 1);
	}
}
END_TEST

/* A flood that the ring cannot hold meanwhile does not keep the state from its end. */
START_TEST(a_snapshot_ends_in_a_flood)
{
	bool live = false;

	for (int i = 0; i < CHILDREN; i++)
		mark(i);
	one.count = 0;
	say(&one, "MONITOR\n");
	for (int i = 0; i < 100 && !live; i++) {
		for (int n = 0; n < SIZE / 4; n++)
			(n % 2 == 0 ? unmark : mark)(0);
		loop_turn(loop, false);
		while (read_lines(&one))
			;
		live = one.count > 0 && one.events[one.count - 1].change == READYD_CHANGE_LIVE;
	}
	ck_assert(live);
	for (size_t i = 0; i < one.count; i++)
		ck_assert_int_ne(one.events[i].change, READYD_CHANGE_GAP);
}
END_TEST

/* --- who may follow, and what it learns */

START_TEST(a_user_may_have_some_monitors)
{
	static struct client clients[40];
	unsigned refused = 0;
	char text[256];
	ssize_t n;

	for (size_t i = 0; i < UNIT_COUNT(clients); i++) {
		connect_client(&clients[i], OTHER_UID);
		say(&clients[i], "MONITOR\n");
		turn();
		n = recv(clients[i].fd, text, sizeof(text), 0);
		ck_assert_int_gt(n, 0);
		refused += strncmp(text, "ERR too-many-monitors ", 22) == 0;
	}
	ck_assert_uint_eq(UNIT_COUNT(clients) - refused, 16);
	follow(&one, "MONITOR\n");
	expect(&one, 0, READYD_CHANGE_SNAPSHOT, 0);
	for (size_t i = 0; i < UNIT_COUNT(clients); i++)
		close(clients[i].fd);
	turn();
	ck_assert_uint_eq(monitors.count, 1);
}
END_TEST

START_TEST(what_proc_hides_is_not_told_to_others)
{
	monitors.hides = true;
	close_client(&two);
	connect_client(&two, geteuid() + OTHER_UID);
	mark(0);
	follow(&one, "MONITOR\n");
	follow(&two, "MONITOR\n");
	unmark(0);
	end(0);
	hear(&one);
	hear(&two);
	ck_assert_uint_eq(one.count, 5);
	ck_assert_uint_eq(two.count, 5);
	for (size_t i = 0; i < 5; i++) {
		ck_assert_int_eq(two.events[i].change, one.events[i].change);
		ck_assert_int_eq(two.events[i].verdict, one.events[i].verdict);
		ck_assert_uint_eq(two.events[i].start, 0);
		ck_assert_int_eq(two.events[i].wait_status, -1);
		ck_assert_str_eq(two.events[i].name, "");
		ck_assert_uint_eq(two.events[i].flags & READYD_FLAG_STATUS_HIDDEN,
		    one.events[i].pid == 0 ? 0 : READYD_FLAG_STATUS_HIDDEN);
	}
	ck_assert_uint_ne(one.events[4].start, 0);
}
END_TEST

/* The user has no room for another pidfd: the process was ready, and that is all. */
START_TEST(what_cannot_be_followed_is_said)
{
	quota.limits[QUOTA_PROCESSES] = (struct quota_limit){0, 0};
	follow(&one, "MONITOR\n");
	mark(0);
	hear(&one);
	expect_of(&one, 2, READYD_CHANGE_READY, 1, children[0]);
	expect_of(&one, 3, READYD_CHANGE_FORGOTTEN, 2, children[0]);
	ck_assert_int_eq(one.events[3].reason, READYD_REASON_NO_RESOURCES);
	ck_assert_uint_eq(one.count, 4);
}
END_TEST

/* echo MONITOR | socat - UNIX-CONNECT:... */
START_TEST(a_half_closed_client_follows)
{
	follow(&one, "MONITOR\n");
	ck_assert_int_eq(shutdown(one.fd, SHUT_WR), 0);
	turn();
	mark(0);
	hear(&one);
	expect_of(&one, 2, READYD_CHANGE_READY, 1, children[0]);
	close_client(&one);
	ck_assert_uint_eq(monitors.count, 0);
	ck_assert(!tracker.transitions.followed);
}
END_TEST

START_TEST(a_monitor_can_begin_again)
{
	follow(&one, "MONITOR\n");
	mark(0);
	hear(&one);
	follow(&one, "MONITOR 42:0\n");
	expect(&one, 0, READYD_CHANGE_RESUMED, 0);
	expect_of(&one, 1, READYD_CHANGE_READY, 1, children[0]);
	follow(&one, "MONITOR\n");
	expect(&one, 0, READYD_CHANGE_SNAPSHOT, 1);
	ck_assert_uint_eq(monitors.count, 1);
}
END_TEST

/* The directory is read at each tick then, also for markers that raise no event. */
START_TEST(a_name_that_was_found_is_told)
{
	unit_write(path_of(0), "ready\n");
	tracker_name_seen(&tracker, children[0]);
	ck_assert_ptr_null(registry_find(tracker.registry, children[0]));
	ck_assert_uint_eq(first_monitors, 0);
	follow(&one, "MONITOR\n");
	follow(&two, "MONITOR\n");
	ck_assert_uint_eq(first_monitors, 1);
	tracker_name_seen(&tracker, children[0]);
	hear(&one);
	expect_of(&one, 2, READYD_CHANGE_READY, 1, children[0]);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("monitors");
	TCase *tcase = unit_case(s, "monitors");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, nothing_is_recorded_before_the_first_monitor);
	tcase_add_test(tcase, each_transition_of_a_process_is_told);
	tcase_add_test(tcase, the_first_writing_is_not_another_one);
	tcase_add_test(tcase, repeated_looks_tell_nothing);
	tcase_add_test(tcase, a_wait_brings_a_process_and_its_end_takes_it);
	tcase_add_test(tcase, a_process_that_is_waited_for_dies);
	tcase_add_test(tcase, the_number_of_waits_is_told_once);
	tcase_add_test(tcase, waits_that_come_and_go_are_not_a_flood);
	tcase_add_test(tcase, waiters_at_a_gate_are_counted);
	tcase_add_test(tcase, a_stale_marker_is_told);
	tcase_add_test(tcase, a_cut_monitor_continues_without_a_gap);
	tcase_add_test(tcase, the_only_monitor_is_cut_off);
	tcase_add_loop_test(tcase, an_unknown_position_is_a_gap, 0, UNIT_COUNT(unknown));
	tcase_add_test(tcase, a_slow_reader_is_told_of_the_gap);
	tcase_add_test(tcase, changes_during_the_snapshot_are_not_lost);
	tcase_add_test(tcase, a_snapshot_ends_in_a_flood);
	tcase_add_test(tcase, a_user_may_have_some_monitors);
	tcase_add_test(tcase, what_proc_hides_is_not_told_to_others);
	tcase_add_test(tcase, what_cannot_be_followed_is_said);
	tcase_add_test(tcase, a_half_closed_client_follows);
	tcase_add_test(tcase, a_monitor_can_begin_again);
	tcase_add_test(tcase, a_name_that_was_found_is_told);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
