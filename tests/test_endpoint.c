#include "daemon/endpoint.h"
#include "daemon/probe.h"
#include "src/sock.h"
#include "tests/unit.h"

#include <errno.h>

#define MODE 0640

static struct endpoint endpoint;

/* Paths are relative: an address holds 107 bytes. */
static void enter_dir(void)
{
	char dir[UNIT_PATH_SIZE];

	unit_dir(dir);
	ck_assert_int_eq(chdir(dir), 0);
}

static void open_endpoint(void)
{
	ck_assert_int_eq(endpoint_init(&endpoint, "s", MODE), 0);
	ck_assert_int_eq(endpoint_listen(&endpoint), 0);
	ck_assert(endpoint_holds(&endpoint));
}

static bool is_served(void)
{
	int fd = sock_connect("s");

	sock_close(fd);
	return fd >= 0;
}

/* Why says what is wrong, and what to do. */
static void expect_failure(const char *what)
{
	ck_assert_int_eq(endpoint_listen(&endpoint), -1);
	ck_assert_msg(strstr(endpoint.why, what) != NULL, "%s", endpoint.why);
	ck_assert_msg(strstr(endpoint.why, "--socket") != NULL, "%s", endpoint.why);
}

/* The name is there only once the socket listens. */
static void answer_one(void)
{
	int listener = unit_listen("s.bound", 8), fd;

	if (rename("s.bound", "s") != 0)
		return;
	fd = accept(listener, NULL, NULL);
	(void)!write(fd, "PONG\n", 5);
}

/* Its socket is served when it returns. */
static pid_t spawn_server(void)
{
	pid_t server = unit_spawn(answer_one);
	struct stat st;

	while (stat("s", &st) != 0)
		sched_yield();
	return server;
}

START_TEST(names_are_bound_and_removed)
{
	struct stat st;

	enter_dir();
	(void)umask(027);
	open_endpoint();
	ck_assert_uint_eq(umask(022), 027);
	ck_assert(is_served());
	ck_assert_int_eq(stat("s", &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, MODE);
	ck_assert_int_eq(access("s.lock", F_OK), 0);
	endpoint_fini(&endpoint);
	ck_assert_int_ne(access("s", F_OK), 0);
	ck_assert_int_ne(access("s.lock", F_OK), 0);
}
END_TEST

START_TEST(path_that_is_too_long_is_refused)
{
	char path[ENDPOINT_PATH_MAX + 2];

	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	ck_assert_int_eq(endpoint_init(&endpoint, path, MODE), -1);
	ck_assert_ptr_nonnull(strstr(endpoint.why, "too long"));
	path[ENDPOINT_PATH_MAX] = '\0';
	ck_assert_int_eq(endpoint_init(&endpoint, path, MODE), 0);
}
END_TEST

START_TEST(only_one_endpoint_has_the_name)
{
	struct endpoint first;

	enter_dir();
	open_endpoint();
	first = endpoint;
	ck_assert_int_eq(endpoint_init(&endpoint, "s", MODE), 0);
	expect_failure("another readyd serves");
	endpoint_fini(&endpoint);
	ck_assert(endpoint_holds(&first));
	endpoint_fini(&first);
}
END_TEST

START_TEST(socket_that_is_served_without_a_lock_stays)
{
	pid_t server;

	enter_dir();
	server = spawn_server();
	ck_assert_int_eq(endpoint_init(&endpoint, "s", MODE), 0);
	expect_failure("another readyd serves");
	endpoint_fini(&endpoint);
	ck_assert_int_eq(access("s", F_OK), 0);
	unit_kill(server);
}
END_TEST

START_TEST(dead_socket_is_replaced)
{
	enter_dir();
	close(unit_listen("s", 8));
	/* A daemon that has ended in between. */
	unit_write("s.new", "");
	open_endpoint();
	ck_assert(is_served());
	ck_assert_int_ne(access("s.new", F_OK), 0);
	endpoint_fini(&endpoint);
}
END_TEST

START_TEST(what_is_not_a_socket_stays)
{
	enter_dir();
	unit_write("s", "kept");
	ck_assert_int_eq(endpoint_init(&endpoint, "s", MODE), 0);
	expect_failure("is not a socket");
	endpoint_fini(&endpoint);
	ck_assert_int_eq(access("s", F_OK), 0);
}
END_TEST

START_TEST(lock_that_cannot_be_created_is_named)
{
	enter_dir();
	ck_assert_int_eq(endpoint_init(&endpoint, "missing/s", MODE), 0);
	expect_failure("cannot create missing/s.lock");
	ck_assert_int_eq(mkdir("missing", 0755), 0);
	ck_assert_int_eq(mkdir("missing/s.lock", 0755), 0);
	expect_failure("cannot create missing/s.lock");
	endpoint_fini(&endpoint);
}
END_TEST

START_TEST(shortage_of_descriptors_is_named)
{
	struct rlimit before;

	enter_dir();
	open_endpoint();
	ck_assert_int_eq(unlink("s"), 0);
	before = unit_forbid_new_fds();
	expect_failure(strerror(EMFILE));
	unit_restore_fd_limit(&before);
	ck_assert_int_eq(endpoint_listen(&endpoint), 0);
	ck_assert(is_served());
	endpoint_fini(&endpoint);
}
END_TEST

/* The clients in its backlog would be lost. */
START_TEST(socket_stays_when_only_the_lock_is_lost)
{
	int before;

	enter_dir();
	open_endpoint();
	before = endpoint.fd;
	ck_assert_int_eq(unlink("s.lock"), 0);
	ck_assert(!endpoint_holds(&endpoint));
	ck_assert_int_eq(endpoint_listen(&endpoint), 0);
	ck_assert_int_eq(endpoint.fd, before);
	ck_assert(endpoint_holds(&endpoint));
	endpoint_fini(&endpoint);
}
END_TEST

START_TEST(name_of_another_is_not_removed)
{
	enter_dir();
	open_endpoint();
	ck_assert_int_eq(rename("s", "moved"), 0);
	unit_write("s", "of another");
	ck_assert(!endpoint_holds(&endpoint));
	endpoint_fini(&endpoint);
	ck_assert_int_eq(access("s", F_OK), 0);
}
END_TEST

/* As when a disk is full: the name that was bound before it failed is removed. */
START_TEST(name_that_cannot_be_taken_leaves_no_other)
{
	enter_dir();
	close(unit_listen("s", 8));
	ck_assert_int_eq(mkdir("s.new", 0755), 0);
	ck_assert_int_eq(endpoint_init(&endpoint, "s", MODE), 0);
	expect_failure("cannot listen at s");
	ck_assert_int_eq(rmdir("s.new"), 0);
	ck_assert_int_eq(endpoint_listen(&endpoint), 0);
	ck_assert_int_ne(access("s.new", F_OK), 0);
	endpoint_fini(&endpoint);
}
END_TEST

START_TEST(probe_tells_a_server_from_a_dead_socket)
{
	pid_t server;

	enter_dir();
	ck_assert_int_eq(probe_socket("s", 10), PROBE_DEAD);
	close(unit_listen("s", 8));
	ck_assert_int_eq(probe_socket("s", 10), PROBE_DEAD);
	ck_assert_int_eq(unlink("s"), 0);
	server = spawn_server();
	ck_assert_int_eq(probe_socket("s", 60000), PROBE_ANSWERED);
	unit_kill(server);
}
END_TEST

/* A full backlog is one of a process that exists too. */
START_TEST(probe_of_a_server_that_does_not_answer)
{
	int listener;

	enter_dir();
	listener = unit_listen("s", 0);
	ck_assert_int_eq(probe_socket("s", 10), PROBE_SILENT);
	while (sock_connect("s") >= 0)
		;
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(probe_socket("s", 10), PROBE_SILENT);
	close(listener);
}
END_TEST

START_TEST(probe_that_cannot_ask_knows_nothing)
{
	struct rlimit before;

	enter_dir();
	before = unit_forbid_new_fds();
	ck_assert_int_eq(probe_socket("s", 10), PROBE_UNKNOWN);
	ck_assert_int_eq(errno, EMFILE);
	unit_restore_fd_limit(&before);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("endpoint");
	TCase *tcase = unit_case(s, "endpoint");

	tcase_add_test(tcase, names_are_bound_and_removed);
	tcase_add_test(tcase, path_that_is_too_long_is_refused);
	tcase_add_test(tcase, only_one_endpoint_has_the_name);
	tcase_add_test(tcase, socket_that_is_served_without_a_lock_stays);
	tcase_add_test(tcase, dead_socket_is_replaced);
	tcase_add_test(tcase, what_is_not_a_socket_stays);
	tcase_add_test(tcase, lock_that_cannot_be_created_is_named);
	tcase_add_test(tcase, shortage_of_descriptors_is_named);
	tcase_add_test(tcase, socket_stays_when_only_the_lock_is_lost);
	tcase_add_test(tcase, name_of_another_is_not_removed);
	tcase_add_test(tcase, name_that_cannot_be_taken_leaves_no_other);
	tcase = unit_case(s, "probe");
	tcase_add_test(tcase, probe_tells_a_server_from_a_dead_socket);
	tcase_add_test(tcase, probe_of_a_server_that_does_not_answer);
	tcase_add_test(tcase, probe_that_cannot_ask_knows_nothing);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
