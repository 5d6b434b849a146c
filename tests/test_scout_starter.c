/* A spawner that is slow, that fails, or that ends: here it is the other end of a socket. */
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/scout.h"
#include "daemon/scout_starter.h"
#include "src/sock.h"
#include "tests/unit.h"

#include <errno.h>

static struct loop *loop;
static struct scout_starter starter;
static int spawner; /* its end of the socket */
static pid_t child;
static pid_t scout; /* the last one that was started */
static int scouts, logged;

static void on_started(int fd, pid_t pid, void *context)
{
	ck_assert_ptr_eq(context, &scouts);
	close(fd);
	scout = pid;
	scouts++;
}

/* The log goes to a file. */
static void set_up(void)
{
	char dir[UNIT_PATH_SIZE], name[2 * UNIT_PATH_SIZE];
	int pair[2];

	unit_dir(dir);
	snprintf(name, sizeof(name), "%s/log", dir);
	logged = open(name, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	ck_assert_int_ge(logged, 0);
	ck_assert_int_ge(dup2(logged, STDERR_FILENO), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	spawner = pair[1];
	child = unit_spawn(NULL);
	loop = loop_new();
	scout_starter_init(&starter, loop, pair[0], child, on_started, &scouts);
}

static void tear_down(void)
{
	scout_starter_fini(&starter);
	scout_starter_fini(&starter);
	ck_assert_int_eq(kill(child, 0), -1);
	loop_free(loop);
	close(spawner);
}

static int lines_of_log(void)
{
	return unit_count_lines(logged);
}

static void answer(pid_t pid, int error)
{
	const struct spawner_reply reply = {.scout = pid, .error = error};
	int fd = pid > 0 ? dup(logged) : -1;

	if (fd >= 0)
		ck_assert_int_eq(sock_send_fd(spawner, &reply, sizeof(reply), fd), (ssize_t)sizeof(reply));
	else
		ck_assert_int_eq(sock_send(spawner, &reply, sizeof(reply)), (ssize_t)sizeof(reply));
	if (fd >= 0)
		close(fd);
}

/* The number of orders to start a scout that the spawner has got since the last call. */
static int orders(void)
{
	struct spawner_order order;
	int count = 0;

	while (recv(spawner, &order, sizeof(order), 0) == (ssize_t)sizeof(order))
		count += order.kill == 0;
	return count;
}

static void run(void)
{
	loop_turn(loop, true);
}

START_TEST(a_scout_is_started_at_once)
{
	answer(42, 0);
	scout_starter_start(&starter);
	ck_assert_int_eq(orders(), 1);
	ck_assert_int_eq(scouts, 1);
	ck_assert_int_eq(scout, 42);
	ck_assert_int_eq(lines_of_log(), 0);
}
END_TEST

/* Another one is not ordered meanwhile. */
START_TEST(a_scout_that_comes_late_is_taken)
{
	scout_starter_start(&starter);
	ck_assert_int_eq(scouts, 0);
	scout_starter_start(&starter);
	ck_assert_int_eq(orders(), 1);
	answer(43, 0);
	run();
	ck_assert_int_eq(scouts, 1);
	ck_assert_int_eq(scout, 43);
	answer(44, 0);
	scout_starter_start(&starter);
	ck_assert_int_eq(scouts, 2);
	ck_assert_int_eq(orders(), 1);
}
END_TEST

/* Until one is started again. */
START_TEST(a_failure_is_logged_once)
{
	for (int i = 0; i < 3; i++) {
		answer(-1, EAGAIN);
		scout_starter_start(&starter);
	}
	ck_assert_int_eq(orders(), 3);
	ck_assert_int_eq(scouts, 0);
	ck_assert_int_eq(lines_of_log(), 1);
	answer(45, 0);
	scout_starter_start(&starter);
	ck_assert_int_eq(scouts, 1);
	answer(-1, EAGAIN);
	scout_starter_start(&starter);
	ck_assert_int_eq(lines_of_log(), 2);
}
END_TEST

/* The daemon cannot speak to it. */
START_TEST(a_scout_without_a_socket_does_not_count)
{
	const struct spawner_reply reply = {.scout = 46};

	ck_assert_int_eq(sock_send(spawner, &reply, sizeof(reply)), (ssize_t)sizeof(reply));
	scout_starter_start(&starter);
	ck_assert_int_eq(scouts, 0);
	ck_assert_int_eq(lines_of_log(), 1);
	answer(47, 0);
	scout_starter_start(&starter);
	ck_assert_int_eq(scout, 47);
}
END_TEST

static void lose(void)
{
	ck_assert_int_eq(shutdown(spawner, SHUT_RDWR), 0);
}

START_TEST(the_end_of_the_spawner_is_noticed)
{
	lose();
	run();
	ck_assert_int_eq(starter.fd, -1);
	ck_assert_int_eq(lines_of_log(), 1);
	scout_starter_start(&starter);
	scout_starter_kill(&starter, 42);
	ck_assert_int_eq(scouts, 0);
	ck_assert_int_eq(lines_of_log(), 1);
}
END_TEST

START_TEST(nothing_is_started_by_a_spawner_that_has_ended)
{
	lose();
	scout_starter_start(&starter);
	ck_assert_int_eq(scouts, 0);
	run();
	ck_assert_int_eq(starter.fd, -1);
	ck_assert_int_eq(lines_of_log(), 1);
}
END_TEST

START_TEST(a_scout_is_killed_by_the_spawner)
{
	struct spawner_order order;

	scout_starter_kill(&starter, 42);
	ck_assert_int_eq(recv(spawner, &order, sizeof(order), 0), (ssize_t)sizeof(order));
	ck_assert_int_eq(order.kill, 42);
}
END_TEST

START_TEST(without_a_spawner_nothing_is_started)
{
	struct scout_starter none;

	scout_starter_init(&none, loop, -1, 0, on_started, &scouts);
	scout_starter_start(&none);
	scout_starter_fini(&none);
	ck_assert_int_eq(scouts, 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("scout_starter");
	TCase *tcase = unit_case(s, "scout_starter");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, a_scout_is_started_at_once);
	tcase_add_test(tcase, a_scout_that_comes_late_is_taken);
	tcase_add_test(tcase, a_failure_is_logged_once);
	tcase_add_test(tcase, a_scout_without_a_socket_does_not_count);
	tcase_add_test(tcase, the_end_of_the_spawner_is_noticed);
	tcase_add_test(tcase, nothing_is_started_by_a_spawner_that_has_ended);
	tcase_add_test(tcase, a_scout_is_killed_by_the_spawner);
	tcase_add_test(tcase, without_a_spawner_nothing_is_started);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
