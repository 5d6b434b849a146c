#include "daemon/endpoint.h"
#include "daemon/listener.h"
#include "daemon/loop.h"
#include "src/sock.h"
#include "tests/unit.h"

static struct loop *loop;
static struct listener *listener;
static unsigned accepted;

static void on_accepted(int fd, void *context)
{
	(void)context;
	accepted++;
	close(fd);
}

static struct listener *try_listen(int inherited)
{
	const struct listener_config config = {.path = "d/s", .mode = 0600, .inherited = inherited};

	return listener_new(loop, &config, on_accepted, NULL);
}

/* The socket is d/s in a directory of its own: an address holds 107 bytes. */
static void set_up(void)
{
	char dir[UNIT_PATH_SIZE];

	unit_dir(dir);
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(mkdir("d", 0755), 0);
	accepted = 0;
	loop = loop_new();
}

static void set_up_listener(void)
{
	set_up();
	listener = try_listen(-1);
	ck_assert_ptr_nonnull(listener);
}

static void tear_down(void)
{
	listener_free(listener);
	loop_free(loop);
}

static int connect_client(void)
{
	int fd = sock_connect("d/s");

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void expect_service(void)
{
	const unsigned before = accepted;

	close(connect_client());
	while (accepted == before)
		loop_turn(loop, true);
}

static bool name_exists(void)
{
	return access("d/s", F_OK) == 0 && access("d/s.lock", F_OK) == 0;
}

START_TEST(clients_are_accepted)
{
	set_up_listener();
	for (int i = 0; i < 3; i++)
		close(connect_client());
	loop_settle(loop);
	ck_assert_uint_eq(accepted, 3);
	tear_down();
	ck_assert(!name_exists());
}
END_TEST

START_TEST(second_listener_is_refused)
{
	set_up_listener();
	ck_assert_ptr_null(try_listen(-1));
	expect_service();
	tear_down();
}
END_TEST

static void remove_socket(void)
{
	ck_assert_int_eq(unlink("d/s"), 0);
}

static void move_directory(void)
{
	ck_assert_int_eq(rename("d", "moved"), 0);
	ck_assert_int_eq(mkdir("d", 0755), 0);
}

static void replace_socket(void)
{
	ck_assert_int_eq(unlink("d/s"), 0);
	close(unit_listen("d/s", 8));
}

static void (*const losses[])(void) = {remove_socket, move_directory, replace_socket};

/* No call but the loop's: the loss itself wakes the daemon. */
START_TEST(lost_name_is_bound_again)
{
	set_up_listener();
	losses[_i]();
	while (listener_counts(listener).rebinds == 0)
		loop_turn(loop, true);
	expect_service();
	/* Also once more. */
	remove_socket();
	while (listener_counts(listener).rebinds == 1)
		loop_turn(loop, true);
	expect_service();
	tear_down();
}
END_TEST

/* The clients that have connected in the meantime are served. */
START_TEST(lost_lock_is_taken_again)
{
	int client;

	set_up_listener();
	client = connect_client();
	ck_assert_int_eq(unlink("d/s.lock"), 0);
	while (!name_exists())
		loop_turn(loop, true);
	loop_settle(loop);
	ck_assert_uint_eq(listener_counts(listener).rebinds, 0);
	ck_assert_uint_eq(accepted, 1);
	close(client);
	tear_down();
}
END_TEST

START_TEST(name_comes_back_with_its_directory)
{
	set_up_listener();
	ck_assert_int_eq(rename("d", "moved"), 0);
	listener_check(listener);
	listener_check(listener);
	ck_assert_uint_eq(listener_counts(listener).rebinds, 0);
	ck_assert_int_eq(rename("moved", "d"), 0);
	listener_check(listener);
	ck_assert_uint_eq(listener_counts(listener).rebinds, 0);
	expect_service();
	tear_down();
}
END_TEST

/* A timer tries again, since nothing else wakes a daemon that no client reaches. */
START_TEST(name_that_cannot_be_bound_is_tried_again)
{
	set_up_listener();
	ck_assert_int_eq(rename("d", "moved"), 0);
	loop_settle(loop);
	ck_assert_int_eq(mkdir("d", 0755), 0);
	while (listener_counts(listener).rebinds == 0)
		loop_turn(loop, true);
	expect_service();
	tear_down();
}
END_TEST

/* Instead of a loop that spins on a socket that stays readable. */
START_TEST(shortage_of_descriptors_pauses)
{
	struct rlimit before;
	int client;

	set_up_listener();
	client = connect_client();
	before = unit_forbid_new_fds();
	loop_settle(loop);
	ck_assert_uint_eq(listener_counts(listener).pauses, 1);
	ck_assert(!unit_loop_is_busy());
	unit_restore_fd_limit(&before);
	ck_assert_uint_eq(accepted, 0);
	while (accepted == 0)
		loop_turn(loop, true);
	close(client);
	tear_down();
}
END_TEST

/* As many descriptors as are in use, those of two clients included, and the reserve. */
static struct rlimit leave_the_reserve(void)
{
	struct rlimit before, some;
	int next = dup(0);

	ck_assert_int_ge(next, 0);
	close(next);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	some = before;
	some.rlim_cur = (rlim_t)next + 9;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &some), 0);
	return before;
}

static int count_free_descriptors(void)
{
	int fds[64], count = 0;

	while (count < 64 && (fds[count] = dup(0)) >= 0)
		count++;
	for (int i = 0; i < count; i++)
		close(fds[i]);
	return count;
}

/* One client may be accepted before it shows that there is no room. It takes one descriptor of the reserve,
 * and is served first when there is room. */
START_TEST(client_in_the_reserve_waits_for_room)
{
	struct rlimit before;
	int clients[2];

	set_up_listener();
	for (int i = 0; i < 2; i++)
		clients[i] = connect_client();
	before = leave_the_reserve();
	loop_settle(loop);
	ck_assert_uint_eq(listener_counts(listener).pauses, 1);
	ck_assert_uint_eq(accepted, 0);
	ck_assert_int_eq(count_free_descriptors(), 8);
	ck_assert(!unit_loop_is_busy());
	/* The socket is bound again: it is still the only one. */
	remove_socket();
	while (listener_counts(listener).rebinds == 0)
		loop_turn(loop, true);
	ck_assert_uint_eq(accepted, 0);
	unit_restore_fd_limit(&before);
	while (accepted == 0)
		loop_turn(loop, true);
	for (int i = 0; i < 2; i++)
		close(clients[i]);
	tear_down();
}
END_TEST

/* Also at the end. */
START_TEST(client_in_the_reserve_is_closed_at_the_end)
{
	struct rlimit before;
	int client;
	char byte;

	set_up_listener();
	client = connect_client();
	before = leave_the_reserve();
	loop_settle(loop);
	ck_assert_uint_eq(listener_counts(listener).pauses, 1);
	unit_restore_fd_limit(&before);
	tear_down();
	ck_assert_int_eq(recv(client, &byte, 1, 0), 0);
	close(client);
}
END_TEST

static int inherit(void)
{
	int fd = unit_listen("d/s", 8);

	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

/* It belongs to the service manager. */
START_TEST(inherited_name_is_neither_bound_nor_removed)
{
	int fd;

	set_up();
	fd = inherit();
	(void)sock_refuse_fds(fd);
	listener = try_listen(fd);
	ck_assert_ptr_nonnull(listener);
	expect_service();
	ck_assert_int_ne(access("d/s.lock", F_OK), 0);
	ck_assert_int_eq(rename("d/s", "d/other"), 0);
	listener_check(listener);
	ck_assert_uint_eq(listener_counts(listener).rebinds, 0);
	ck_assert_int_ne(access("d/s", F_OK), 0);
	tear_down();
	ck_assert_int_eq(access("d/other", F_OK), 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD) < 0, 0);
	close(fd);
}
END_TEST

static bool can_refuse_fds(void)
{
	int ends[2];
	bool can;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return false;
	can = sock_refuse_fds(ends[0]);
	close(ends[0]);
	close(ends[1]);
	return can;
}

/* Descriptors may have been sent on it. Closed by a child, which the loop reaps. */
START_TEST(connection_from_before_the_start_is_discarded)
{
	int fd, clients[2];
	siginfo_t ended;
	char byte;

	set_up();
	fd = inherit();
	clients[0] = connect_client();
	clients[1] = connect_client();
	listener = try_listen(fd);
	ck_assert_ptr_nonnull(listener);
	loop_turn(loop, true);
	while (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0)
		loop_turn(loop, true);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(recv(clients[i], &byte, 1, 0), 0);
	ck_assert_uint_eq(accepted, 0);
	tear_down();
	close(fd);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("listener");
	TCase *tcase = unit_case(s, "listener");

	tcase_add_test(tcase, clients_are_accepted);
	tcase_add_test(tcase, second_listener_is_refused);
	tcase_add_loop_test(tcase, lost_name_is_bound_again, 0, UNIT_COUNT(losses));
	tcase_add_test(tcase, lost_lock_is_taken_again);
	tcase_add_test(tcase, name_comes_back_with_its_directory);
	tcase_add_test(tcase, name_that_cannot_be_bound_is_tried_again);
	tcase_add_test(tcase, shortage_of_descriptors_pauses);
	tcase_add_test(tcase, client_in_the_reserve_waits_for_room);
	tcase_add_test(tcase, client_in_the_reserve_is_closed_at_the_end);
	tcase_add_test(tcase, inherited_name_is_neither_bound_nor_removed);
	unit_add_if(tcase, connection_from_before_the_start_is_discarded, can_refuse_fds(),
	    "SO_PASSRIGHTS needs Linux 6.16");
	return s;
}

int main(void)
{
	return unit_main(suite);
}
