/* What the daemon does where the kernel refuses it a call, and where it is not alone. */
#include <errno.h>

#include "daemon/clockwatch.h"
#include "daemon/discard.h"
#include "daemon/endpoint.h"
#include "daemon/listener.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/notice.h"
#include "daemon/vsock_listener.h"
#include "src/sock.h"
#include "tests/refuse.h"
#include "tests/unit.h"

static struct loop *loop;
static int pair[2];

static void set_up(void)
{
	ck_assert_ptr_ne(signal(SIGPIPE, SIG_IGN), SIG_ERR);
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
}

static void tear_down(void)
{
	loop_free(loop);
}

/* Unread bytes reset the connection when it is closed. */
static void expect_end(void)
{
	char byte;
	ssize_t n = recv(pair[1], &byte, 1, 0);

	ck_assert(n == 0 || (n < 0 && errno == ECONNRESET));
}

/* Where a child can be waited for by its pidfd, where not, and where there is none. */
static const struct {
	long call;
	int error;
} obstacles[] = {{SYS_getsid, EPERM}, {SYS_pidfd_open, ENOSYS}, {SYS_waitid, EINVAL}, {SYS_pipe2, EMFILE},
    {SYS_clone, EAGAIN}};

START_TEST(connection_with_unread_bytes_is_discarded)
{
	ck_assert_int_eq(send(pair[1], "x", 1, 0), 1);
	ck_assert_int_eq(refuse(obstacles[_i].call, obstacles[_i].error), 0);
	discard_unread(loop, pair[0]);
	expect_end();
	ck_assert_int_eq(
	    fcntl(pair[0], F_GETFD) >= 0, obstacles[_i].error == EMFILE || obstacles[_i].error == EAGAIN);
}
END_TEST

START_TEST(connection_without_unread_bytes_is_closed)
{
	discard_unread(loop, pair[0]);
	expect_end();
	ck_assert_int_eq(fcntl(pair[0], F_GETFD), -1);
}
END_TEST

static void on_unexpected(int fd, void *context)
{
	(void)context;
	ck_abort_msg("descriptor %d", fd);
}

/* A client that has gone again is no shortage, after which clients would wait. */
static const struct {
	int error;
	uint64_t pauses;
} accepts[] = {{EAGAIN, 0}, {EINTR, 0}, {ECONNABORTED, 0}, {EMFILE, 1}, {ENFILE, 1}, {ENOMEM, 1}};

START_TEST(client_cannot_be_accepted)
{
	struct listener_config config = {.path = "d/s", .mode = 0600, .inherited = -1};
	struct listener *listener;
	char dir[UNIT_PATH_SIZE];

	unit_dir(dir);
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(mkdir("d", 0700), 0);
	listener = listener_new(loop, &config, on_unexpected, NULL);
	ck_assert_ptr_nonnull(listener);
	ck_assert_int_ge(sock_connect("d/s"), 0);
	ck_assert_int_eq(refuse(SYS_accept4, accepts[_i].error), 0);
	loop_turn(loop, false);
	loop_turn(loop, false);
	ck_assert_uint_eq(listener_counts(listener).pauses, accepts[_i].pauses);
	listener_free(listener);
}
END_TEST

static const struct {
	int error;
	bool passes;
} shortages[] = {
    {EMFILE, true}, {ENFILE, true}, {ENOBUFS, true}, {ENOMEM, true}, {EINTR, true}, {EACCES, false}};

START_TEST(shortage_delays_a_notice)
{
	struct notice notice = {0};

	ck_assert_int_eq(refuse(SYS_socket, shortages[_i].error), 0);
	notice_send(&notice, loop, "READY=1", "/nonexistent");
	ck_assert(notice.is_delayed == shortages[_i].passes);
	ck_assert((notice.retry != NULL) == shortages[_i].passes);
	notice_fini(&notice);
}
END_TEST

static const long timers[] = {SYS_timerfd_create, SYS_timerfd_settime};

/* Then nothing is known of the clock: neither that it was set, nor that it was not. */
START_TEST(clock_cannot_be_watched)
{
	struct clock_steps steps = {0};
	struct clockwatch watch;
	int fds = unit_count_fds();

	ck_assert_int_eq(refuse(timers[_i], ENOSYS), 0);
	clockwatch_init(&watch, loop, &steps, NULL, NULL);
	ck_assert_int_eq(watch.fd, -1);
	ck_assert_uint_eq(steps.count, 0);
	ck_assert_int_eq(unit_count_fds(), fds);
	clockwatch_fini(&watch);
}
END_TEST

static void on_accepted(int fd, uint32_t cid, void *context)
{
	(void)fd;
	(void)cid;
	(void)context;
}

START_TEST(kernel_without_vsock)
{
	const struct vsock_listener_config config = {.is_on = true, .port = 7};
	struct notice notice = {0};

	ck_assert_int_eq(refuse(SYS_socket, EAFNOSUPPORT), 0);
	ck_assert_ptr_null(vsock_listener_new(loop, &config, on_accepted, NULL));
	notice_send(&notice, loop, "READY=1", _i == 0 ? "vsock:2:7" : "vsock:2");
	ck_assert_ptr_null(notice.to);
	ck_assert_int_eq(notice.fd, -1);
	notice_fini(&notice);
}
END_TEST

START_TEST(abstract_name_has_one_holder)
{
	static struct endpoint first, second;
	char name[64];

	snprintf(name, sizeof(name), "@readyd-test-%ld", (long)getpid());
	ck_assert_int_eq(endpoint_init(&first, name, 0600), 0);
	ck_assert_int_eq(endpoint_init(&second, name, 0600), 0);
	ck_assert_int_eq(endpoint_listen(&first), 0);
	ck_assert_int_eq(endpoint_listen(&first), 0);
	ck_assert(endpoint_holds(&first));
	ck_assert_int_eq(endpoint_listen(&second), -1);
	ck_assert_ptr_nonnull(strstr(second.why, "another process serves"));
	ck_assert(endpoint_holds(&first));
	close(first.fd);
}
END_TEST

static const long calls[] = {SYS_socket, SYS_listen, SYS_bind, SYS_flock};

/* The socket is not served, and says why. */
START_TEST(calls_for_a_socket_are_refused)
{
	static struct endpoint endpoint;
	char dir[UNIT_PATH_SIZE];

	unit_dir(dir);
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(endpoint_init(&endpoint, _i % 2 == 0 ? "s" : "@refused", 0600), 0);
	ck_assert_int_eq(refuse(calls[_i / 2], ENOLCK), 0);
	ck_assert_int_eq(endpoint_listen(&endpoint), -1);
	ck_assert_msg(strstr(endpoint.why, strerror(ENOLCK)) != NULL, "%s", endpoint.why);
	ck_assert_int_eq(access("s", F_OK), -1);
}
END_TEST

static void lock_is_a_link(void)
{
	unit_write("other", "");
	ck_assert_int_eq(symlink("other", "s.lock"), 0);
}

static void lock_has_two_names(void)
{
	unit_write("s.lock", "");
	ck_assert_int_eq(link("s.lock", "other"), 0);
}

static void lock_is_a_fifo(void)
{
	ck_assert_int_eq(mkfifo("s.lock", 0600), 0);
}

static void lock_is_anothers(void)
{
	unit_write("s.lock", "");
	ck_assert(geteuid() != 0 || chown("s.lock", 12345, 12345) == 0);
}

static const struct {
	void (*make)(void);
	enum namelock_result result, without_root;
} locks[] = {
    {lock_is_a_link, NAMELOCK_NO_FILE, NAMELOCK_NO_FILE},
    {lock_has_two_names, NAMELOCK_FOREIGN, NAMELOCK_FOREIGN},
    {lock_is_a_fifo, NAMELOCK_FOREIGN, NAMELOCK_FOREIGN},
    {lock_is_anothers, NAMELOCK_FOREIGN, NAMELOCK_HELD},
};

/* Nothing of another user's making is locked. */
START_TEST(lock_that_is_not_ours)
{
	struct namelock lock;
	char dir[UNIT_PATH_SIZE];

	unit_dir(dir);
	ck_assert_int_eq(chdir(dir), 0);
	locks[_i].make();
	namelock_init(&lock, "s");
	ck_assert_int_eq(namelock_take(&lock), geteuid() == 0 ? locks[_i].result : locks[_i].without_root);
	namelock_fini(&lock);
}
END_TEST

#ifdef SYS_newfstatat
/* That a name cannot be seen does not say that another process holds it. */
START_TEST(name_of_a_lock_cannot_be_seen)
{
	struct namelock lock, other;
	char dir[UNIT_PATH_SIZE];

	unit_dir(dir);
	ck_assert_int_eq(chdir(dir), 0);
	namelock_init(&lock, "s");
	namelock_init(&other, "s");
	ck_assert_int_eq(namelock_take(&lock), NAMELOCK_HELD);
	if (_i == 1) {
		ck_assert_int_eq(unlink("s.lock"), 0);
		ck_assert_int_eq(namelock_take(&other), NAMELOCK_HELD);
		ck_assert_int_eq(namelock_take(&lock), NAMELOCK_BUSY);
	}
	ck_assert_int_eq(refuse_where(SYS_newfstatat, 3, ~0U, AT_SYMLINK_NOFOLLOW, EIO), 0);
	ck_assert(!namelock_holds(&lock));
	ck_assert_int_eq(namelock_take(&lock), NAMELOCK_NOT_LOCKED);
	ck_assert_int_eq(errno, _i == 1 ? EIO : errno);
	namelock_fini(&lock);
}
END_TEST
#endif

START_TEST(levels_of_the_log_have_names)
{
	enum log_level level;

	ck_assert_int_eq(log_parse_level("error", &level), 0);
	ck_assert_int_eq(level, LOG_LEVEL_ERROR);
	ck_assert_int_eq(log_parse_level("debug", &level), 0);
	ck_assert_int_eq(level, LOG_LEVEL_DEBUG);
	ck_assert_int_eq(log_parse_level("loud", &level), -1);
}
END_TEST

static void add_refusals(TCase *tcase)
{
	/* The last one refuses LeakSanitizer its process, too. */
	tcase_add_loop_test(tcase, connection_with_unread_bytes_is_discarded, 0,
	    (int)UNIT_COUNT(obstacles) - (UNIT_CAN_USE_UP_MEMORY ? 0 : 1));
	tcase_add_loop_test(tcase, client_cannot_be_accepted, 0, UNIT_COUNT(accepts));
	tcase_add_loop_test(tcase, shortage_delays_a_notice, 0, UNIT_COUNT(shortages));
#ifdef SYS_newfstatat
	tcase_add_loop_test(tcase, name_of_a_lock_cannot_be_seen, 0, 2);
#endif
	tcase_add_loop_test(tcase, clock_cannot_be_watched, 0, UNIT_COUNT(timers));
	tcase_add_loop_test(tcase, kernel_without_vsock, 0, 2);
	/* An abstract name needs no lock. */
	tcase_add_loop_test(tcase, calls_for_a_socket_are_refused, 0, 2 * UNIT_COUNT(calls) - 1);
}

static Suite *suite(void)
{
	Suite *s = suite_create("daemon_refusals");
	TCase *tcase = unit_case(s, "daemon_refusals");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	if (unit_can_refuse())
		add_refusals(tcase);
	else
		printf("# skipped: no filters of system calls\n"), fflush(stdout);
	tcase_add_test(tcase, connection_without_unread_bytes_is_closed);
	tcase_add_test(tcase, abstract_name_has_one_holder);
	tcase_add_loop_test(tcase, lock_that_is_not_ours, 0, UNIT_COUNT(locks));
	tcase_add_test(tcase, levels_of_the_log_have_names);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
