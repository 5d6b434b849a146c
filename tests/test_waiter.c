/* A waiter's set of processes, through the public interface. Small sets are stored differently from large
 * ones. */
#include <errno.h>
#include <fcntl.h>

#include "client/lib/waiter.h"
#include "readyd/readyd.h"
#include "src/clock.h"
#include "tests/unit.h"

#define PROCESSES 20
#define STEPS	  4000

static struct readyd_waiter *waiter;
static char dir[UNIT_PATH_SIZE];
static pid_t children[PROCESSES];

static void set_up(void)
{
	struct readyd_options options = READYD_OPTIONS_INIT;

	unsetenv("READYD_BACKEND");
	unit_dir(dir);
	options.dir = dir;
	options.backend = READYD_BACKEND_FILE;
	for (int i = 0; i < PROCESSES; i++)
		children[i] = unit_spawn(NULL);
	waiter = readyd_waiter_new(&options);
	ck_assert_ptr_nonnull(waiter);
}

static void tear_down(void)
{
	readyd_waiter_free(waiter);
	for (int i = 0; i < PROCESSES; i++)
		unit_kill(children[i]);
}

static void mark(int child)
{
	char path[sizeof(dir) + 64];

	snprintf(path, sizeof(path), "%s/ktstr-worker-ready-%d", dir, (int)children[child]);
	unit_write(path, "ready\n");
}

static bool is_in_waiter(int child)
{
	struct readyd_answer answer = READYD_ANSWER_INIT;

	if (readyd_waiter_peek(waiter, children[child], &answer) == 0) {
		unit_check(answer.pid == children[child]);
		return true;
	}
	unit_check(errno == ENOENT);
	return false;
}

/* Adds the process, or cancels it if it is in the set. */
static void toggle(int child, bool *in)
{
	if (in[child]) {
		unit_check(readyd_waiter_add(waiter, children[child]) == -1 && errno == EEXIST);
		unit_check(readyd_waiter_cancel(waiter, children[child]) == 0);
	} else {
		unit_check(readyd_waiter_cancel(waiter, children[child]) == -1 && errno == ENOENT);
		unit_check(readyd_waiter_add(waiter, children[child]) == 0);
	}
	in[child] = !in[child];
}

/* The set grows and shrinks at random, so that its size crosses every bound many times in both directions. */
START_TEST(set_of_processes)
{
	bool in[PROCESSES] = {false}, growing = true;
	size_t count = 0;

	srand(1);
	for (int step = 0; step < STEPS; step++) {
		int child = rand() % PROCESSES;

		if (in[child] == growing && rand() % 4 != 0)
			continue;
		toggle(child, in);
		count += in[child] ? 1 : (size_t)-1;
		unit_check(readyd_waiter_pending(waiter) == count);
		growing = count == 0 ? true : count == PROCESSES ? false : growing;
		for (int i = 0; i < PROCESSES && step % 16 == 0; i++)
			unit_check(is_in_waiter(i) == in[i]);
	}
}
END_TEST

static void take_all(int count)
{
	bool taken[PROCESSES] = {false};
	struct readyd_answer answer = READYD_ANSWER_INIT;
	int got;

	while (count > 0) {
		got = readyd_waiter_next(waiter, &answer);
		unit_check(got >= 0);
		if (got == 0) {
			unit_check(readyd_waiter_sleep(waiter, -1) == 0);
			continue;
		}
		unit_check(answer.verdict == READYD_READY);
		for (int i = 0; i < PROCESSES; i++)
			if (children[i] == answer.pid) {
				unit_check(!taken[i]);
				taken[i] = true;
				count--;
			}
	}
	unit_check(readyd_waiter_next(waiter, &answer) == 0);
}

/* All of this number of waits are told. */
START_TEST(each_is_told)
{
	for (int i = 0; i < _i; i++)
		ck_assert_int_eq(readyd_waiter_add(waiter, children[i]), 0);
	for (int i = 0; i < _i; i++)
		mark(i);
	take_all(_i);
	ck_assert_uint_eq(readyd_waiter_pending(waiter), 0);
}
END_TEST

/* Answers come in the order in which the processes were added. */
START_TEST(ready_already)
{
	struct readyd_answer answer = READYD_ANSWER_INIT;

	for (int i = 0; i < PROCESSES; i++)
		mark(i);
	for (int i = 0; i < PROCESSES; i++)
		ck_assert_int_eq(readyd_waiter_add(waiter, children[i]), 0);
	ck_assert_uint_eq(readyd_waiter_pending(waiter), 0);
	for (int i = 0; i < PROCESSES; i++) {
		ck_assert_int_eq(readyd_waiter_next(waiter, &answer), 1);
		ck_assert_int_eq(answer.pid, children[i]);
		ck_assert_int_eq(readyd_waiter_cancel(waiter, children[i]), -1);
	}
	ck_assert_int_eq(readyd_waiter_next(waiter, &answer), 0);
}
END_TEST

START_TEST(cancelled_when_ready)
{
	struct readyd_answer answer = READYD_ANSWER_INIT;

	mark(0);
	ck_assert_int_eq(readyd_waiter_add(waiter, children[0]), 0);
	ck_assert_int_eq(readyd_waiter_add(waiter, children[1]), 0);
	ck_assert_int_eq(readyd_waiter_cancel(waiter, children[0]), 0);
	ck_assert_int_eq(readyd_waiter_next(waiter, &answer), 0);
	/* The storage of the cancelled wait is free for the next one. */
	ck_assert_int_eq(readyd_waiter_add(waiter, children[0]), 0);
	ck_assert_int_eq(readyd_waiter_next(waiter, &answer), 1);
	ck_assert_int_eq(answer.pid, children[0]);
}
END_TEST

/* If a daemon covers the waits, the next recheck comes after half of the time waited, within bounds and up to
 * a quarter earlier or later. */
static const struct {
	int64_t waited, interval;
} backstops[] = {
    {0, 1000}, {1000, 1000}, {2000, 1000}, {8000, 4000}, {60000, 30000}, {120000, 60000}, {3600000, 60000}};

START_TEST(backstop_grows)
{
	const int64_t interval = backstops[_i].interval;
	int64_t next;

	ck_assert_int_eq(readyd_waiter_add(waiter, children[0]), 0);
	ck_assert(!waiter->watching);
	waiter->since = clock_ms() - backstops[_i].waited;
	next = waiter_look_interval(waiter, clock_ms());
	/* The clock goes on while this runs. */
	ck_assert_int_ge(next, interval * 3 / 4);
	ck_assert_int_le(next, interval * 5 / 4 + 1000);
	/* A process that was just added is rechecked soon. */
	ck_assert_int_eq(readyd_waiter_add(waiter, children[1]), 0);
	ck_assert_int_le(waiter_look_interval(waiter, clock_ms()), 1250 + 1000);
}
END_TEST

/* So rechecks of many waiters fall together, though each interval differs. */
START_TEST(rechecks_fall_on_a_grid)
{
	struct readyd_answer answer = READYD_ANSWER_INIT;
	int64_t before, grid = clock_align(INT64_MAX, 750);

	grid = INT64_MAX - grid + 1;
	ck_assert_int_ge(grid, 750 / 32);
	ck_assert_int_le(grid, 750 / 16);
	for (int i = 0; i < 3; i++) {
		before = clock_ms();
		ck_assert_int_eq(readyd_waiter_add(waiter, children[i]), 0);
		waiter->look_at = 0;
		ck_assert_int_eq(readyd_waiter_next(waiter, &answer), 0);
		ck_assert_int_ge(waiter->look_at, before + 750 - 750 / 16);
		ck_assert_int_eq(waiter->look_at % grid, 0);
	}
}
END_TEST

/* No event reports the start of a process, so the first recheck is soon, with any other waits. */
START_TEST(start_is_looked_for_soon)
{
	int64_t now = clock_ms();
	pid_t unused = unit_spawn(NULL);

	unit_kill(unused);
	waiter->settings.await_start = true;
	ck_assert_int_eq(readyd_waiter_add(waiter, children[0]), 0);
	waiter->look_at = _i == 0 ? 0 : now + 60000;
	ck_assert_int_eq(readyd_waiter_add(waiter, unused), 0);
	ck_assert_int_ge(waiter->look_at, now);
	ck_assert_int_lt(waiter->look_at, now + 60000);
}
END_TEST

/* Between the recheck and the start, another process may have had the pid and left the marker. */
START_TEST(absence_before_the_start_proves_nothing)
{
	pid_t unused = unit_spawn(NULL);
	struct target *t;

	unit_kill(unused);
	waiter->settings.await_start = true;
	ck_assert_int_eq(readyd_waiter_add(waiter, unused), 0);
	t = target_set_find(&waiter->set, unused, 0);
	ck_assert(t->history.absent_seen);
	/* Act as if the pid were in use now. */
	t->process.pid = children[0];
	mark(0);
	waiter_look(waiter, t);
	ck_assert_int_ne(t->state.phase, TARGET_NOT_STARTED);
	ck_assert(!t->history.absent_seen);
}
END_TEST

/* Without a pidfd only a recheck shows that the process has ended. */
START_TEST(recheck_finds_the_end_of_an_unwatched_one)
{
	struct readyd_answer answer = READYD_ANSWER_INIT;
	struct target *t;

	ck_assert_int_eq(readyd_waiter_add(waiter, children[0]), 0);
	t = target_set_find(&waiter->set, children[0], 0);
	poller_forget(&waiter->poller, t->process.fd);
	process_close(&t->process);
	t->watched = false;
	ck_assert(target_set_step(&waiter->set, t, TARGET_ASK, NULL));
	ck_assert(target_set_step(&waiter->set, t, TARGET_TAKEN, NULL));
	unit_kill(children[0]);
	children[0] = unit_spawn(NULL);
	waiter_recheck_all(waiter, false);
	ck_assert(waiter_take(waiter, &answer));
	ck_assert_int_eq(answer.verdict, READYD_DIED);
}
END_TEST

/* Only a WAIT stays without an answer when it is accepted. The answer to a GATE was about another process. */
START_TEST(a_gate_that_did_not_come_is_no_subscription)
{
	const struct daemon_event answered = {.kind = DAEMON_ANSWERED};
	const bool asked_reply = _i == 1;
	struct target *t;

	ck_assert_int_eq(readyd_waiter_add(waiter, children[0]), 0);
	t = target_set_find(&waiter->set, children[0], 0);
	ck_assert(target_set_step(&waiter->set, t, TARGET_ASK, NULL));
	t->asked_reply = asked_reply;
	ck_assert_int_eq(waiter_take_daemon_event(waiter, &answered), 0);
	ck_assert_int_eq(t->state.phase, TARGET_WAITING);
	ck_assert_int_eq(t->state.subscription, asked_reply ? SUBSCRIPTION_NONE : SUBSCRIPTION_WAIT);
	ck_assert_int_eq(waiter->conn.refused, asked_reply);
}
END_TEST

/* The actions that follow from the number of targets in each state. States in the order of test_target.c:
 * not started, waiting (no subscription, asked, gate, wait), unconfirmed (the same). */
#define AUTO   READYD_BACKEND_AUTO
#define DAEMON READYD_BACKEND_DAEMON
#define ALONE  READYD_BACKEND_FILE

static const struct {
	size_t not_started, waiting[SUBSCRIPTIONS], unconfirmed[SUBSCRIPTIONS];
	enum readyd_backend backend;
	bool absent, watching;
	const char *on; /* ask, urgent, expect, trust, watch, rest, close */
} plans[] = {
    {0, {0}, {0}, AUTO, false, false, "rest close"},
    {0, {0}, {0}, AUTO, true, true, "rest close"},
    {1, {0}, {0}, AUTO, false, false, ""},
    {1, {0}, {0}, AUTO, true, false, "watch"},
    {1, {0}, {0}, ALONE, false, false, "watch"},
    /* Not covered: the daemon is asked, and if it is absent the directory is watched. */
    {0, {1, 0, 0, 0}, {0}, AUTO, false, false, "ask"},
    {0, {1, 0, 0, 0}, {0}, AUTO, true, false, "ask watch"},
    {0, {1, 0, 0, 0}, {0}, AUTO, false, true, "ask watch"},
    {0, {1, 0, 0, 0}, {0}, DAEMON, false, false, "ask"},
    {0, {1, 0, 0, 0}, {0}, DAEMON, true, false, "ask"},
    {0, {1, 0, 0, 0}, {0}, ALONE, false, false, "watch"},
    {0, {0, 1, 0, 0}, {0}, AUTO, false, false, ""},
    {0, {0, 1, 0, 0}, {0}, AUTO, true, false, "watch"},
    {0, {0, 1, 0, 0}, {0}, AUTO, false, true, "watch"},
    /* Covered: the watch is removed, and if all waits are gates the connection too. */
    {0, {0, 0, 1, 0}, {0}, AUTO, false, true, "rest close"},
    {0, {0, 0, 0, 1}, {0}, AUTO, false, true, "rest"},
    {0, {0, 0, 1, 1}, {0}, AUTO, true, true, "rest"},
    {0, {1, 0, 7, 0}, {0}, AUTO, false, false, "ask"},
    /* Unconfirmed: the daemon is asked at once; if it is absent the waiter's own check counts. */
    {0, {0}, {1, 0, 0, 0}, AUTO, false, false, "ask urgent expect"},
    {0, {0}, {1, 0, 0, 0}, AUTO, true, false, "ask urgent expect trust watch"},
    {0, {0}, {1, 0, 0, 0}, DAEMON, true, false, "ask urgent"},
    {0, {0}, {0, 1, 0, 0}, AUTO, false, false, "ask urgent expect"},
    {0, {0}, {0, 1, 0, 0}, AUTO, true, false, "ask urgent expect trust watch"},
    {0, {0}, {0, 0, 0, 1}, AUTO, false, false, "ask urgent expect"},
    /* A gate that is held is waited for, even if the daemon is absent. */
    {0, {0}, {0, 0, 1, 0}, AUTO, false, false, "expect"},
    {0, {0}, {0, 0, 1, 0}, AUTO, true, true, "expect"},
    {0, {0}, {0, 0, 1, 0}, DAEMON, false, false, "expect"},
    {0, {0, 0, 0, 1}, {0, 0, 1, 0}, AUTO, false, false, "expect"},
};

static const char *put_words(const struct plan *plan)
{
	static char words[64];

	snprintf(words, sizeof(words), "%s%s%s%s%s%s%s", plan->ask ? " ask" : "",
	    plan->urgent ? " urgent" : "", plan->expect ? " expect" : "", plan->trust ? " trust" : "",
	    plan->watch ? " watch" : "", plan->rest ? " rest" : "", plan->close ? " close" : "");
	return words[0] == '\0' ? words : words + 1;
}

START_TEST(counts_say_what_is_on)
{
	struct target_set set;
	struct plan plan;

	target_set_init(&set);
	set.tally[TARGET_NOT_STARTED][SUBSCRIPTION_NONE] = plans[_i].not_started;
	memcpy(set.tally[TARGET_WAITING], plans[_i].waiting, sizeof(plans[_i].waiting));
	memcpy(set.tally[TARGET_UNCONFIRMED], plans[_i].unconfirmed, sizeof(plans[_i].unconfirmed));
	plan = plan_make(&set, plans[_i].backend, plans[_i].absent, plans[_i].watching);
	ck_assert_str_eq(put_words(&plan), plans[_i].on);
}
END_TEST

/* A process that ended without a marker has none. */
START_TEST(explains_the_end)
{
	struct readyd_explanation why = READYD_EXPLANATION_INIT;

	ck_assert_int_eq(readyd_waiter_add(waiter, children[0]), 0);
	unit_kill(children[0]);
	ck_assert_int_eq(readyd_waiter_explain(waiter, children[0], &why), 0);
	children[0] = unit_spawn(NULL);
	ck_assert_str_eq(why.process, "gone");
	ck_assert_str_eq(why.marker, "absent");
	mark(1);
	ck_assert_int_eq(readyd_waiter_add(waiter, children[1]), 0);
	ck_assert_int_eq(readyd_waiter_explain(waiter, children[1], &why), 0);
	ck_assert_str_eq(why.marker, "there");
}
END_TEST

static int highest_fd(void)
{
	int fd = 1023;

	while (fcntl(fd, F_GETFD) < 0)
		fd--;
	return fd;
}

/* A program that waits for more processes than it may have descriptors keeps some, and each of them ends its
 * wait. The limit is above all that the test has inherited. */
START_TEST(some_descriptors_are_left)
{
	struct rlimit before, few;
	int fds[8];

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = (rlim_t)highest_fd() + 1 + PROCESSES / 2;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (int i = 0; i < PROCESSES; i++)
		ck_assert_int_eq(readyd_waiter_add(waiter, children[i]), 0);
	for (size_t i = 0; i < UNIT_COUNT(fds); i++) {
		fds[i] = dup(STDERR_FILENO);
		ck_assert_msg(fds[i] >= 0, "descriptor %zu", i);
	}
	for (size_t i = 0; i < UNIT_COUNT(fds); i++)
		close(fds[i]);
	for (int i = 0; i < PROCESSES; i++)
		mark(i);
	take_all(PROCESSES);
	unit_restore_fd_limit(&before);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("waiter");
	TCase *tcase = unit_case(s, "waiter");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, set_of_processes);
	tcase_add_loop_test(tcase, each_is_told, 1, PROCESSES + 1);
	tcase_add_test(tcase, ready_already);
	tcase_add_test(tcase, cancelled_when_ready);
	tcase_add_loop_test(tcase, backstop_grows, 0, UNIT_COUNT(backstops));
	tcase_add_test(tcase, rechecks_fall_on_a_grid);
	tcase_add_loop_test(tcase, start_is_looked_for_soon, 0, 2);
	tcase_add_test(tcase, absence_before_the_start_proves_nothing);
	tcase_add_test(tcase, recheck_finds_the_end_of_an_unwatched_one);
	tcase_add_loop_test(tcase, a_gate_that_did_not_come_is_no_subscription, 0, 2);
	tcase_add_test(tcase, explains_the_end);
	tcase_add_test(tcase, some_descriptors_are_left);
	tcase_add_loop_test(tcase, counts_say_what_is_on, 0, UNIT_COUNT(plans));
	return s;
}

int main(void)
{
	return unit_main(suite);
}
