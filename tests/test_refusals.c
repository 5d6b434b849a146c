/* System calls that are refused, by a filter as containers have it or by a kernel that lacks them, and memory
 * that has run out: what could not be read is unknown, and no verdict comes of it. */
#include <errno.h>
#include <netinet/in.h>

#include "client/lib/poller.h"
#include "src/dirwatch.h"
#include "src/marker_dir.h"
#include "src/process_root.h"
#include "src/procfs.h"
#include "src/sock.h"
#include "src/trust.h"
#include "src/uidmap.h"
#include "src/vsock.h"
#include "tests/check_fixture.h"
#include "tests/refuse.h"

#ifdef SYS_newfstatat
/* lstat(2) of the marker, not fstat(2) and stat(2), which the same call makes. */
static void refuse_lstat(int error)
{
	ck_assert_int_eq(refuse_where(SYS_newfstatat, 3, ~0U, AT_SYMLINK_NOFOLLOW, error), 0);
}

static const struct {
	int error;
	enum readyd_verdict verdict;
	enum readyd_reason reason;
} looks[] = {
    {EIO, READYD_PENDING, READYD_REASON_LOOK_FAILED},
    {ENOMEM, READYD_PENDING, READYD_REASON_NO_RESOURCES},
    {EMFILE, READYD_PENDING, READYD_REASON_NO_RESOURCES},
    {ENFILE, READYD_PENDING, READYD_REASON_NO_RESOURCES},
    {EACCES, READYD_UNREACHABLE, READYD_REASON_DIRECTORY_DENIED},
    {ENOTDIR, READYD_UNREACHABLE, READYD_REASON_NO_DIRECTORY},
};

/* A file lies there. */
START_TEST(marker_cannot_be_seen)
{
	set_up(getpid());
	unit_write(fixture.marker, "ready\n");
	refuse_lstat(looks[_i].error);
	expect(looks[_i].verdict, looks[_i].reason, 0);
	ck_assert(!marker_is_absent(&fixture.place, getpid()));
	ck_assert(!fixture.history.absent_seen);
	tear_down();
}
END_TEST

#endif

/* statx(2) for the time of birth. */
static void refuse_birth(int error)
{
	ck_assert_int_eq(refuse_where(SYS_statx, 3, ~0U, STATX_INO | STATX_BTIME, error), 0);
}

static const struct {
	int error;
	enum readyd_verdict verdict;
	enum readyd_reason reason;
} births[] = {
    {ENOSYS, READYD_READY, READYD_REASON_NONE},
    {EPERM, READYD_READY, READYD_REASON_NONE},
    {EIO, READYD_PENDING, READYD_REASON_LOOK_FAILED},
};

START_TEST(birth_of_a_marker_cannot_be_read)
{
	set_up(getpid());
	unit_write(fixture.marker, "ready\n");
	refuse_birth(births[_i].error);
	expect(births[_i].verdict, births[_i].reason, 0);
	tear_down();
}
END_TEST

static const struct {
	int error;
	enum process_root found, by_name;
} roots[] = {
    {ENOSYS, PROCESS_ROOT_OURS, PROCESS_ROOT_OURS},
    {EPERM, PROCESS_ROOT_OURS, PROCESS_ROOT_OURS},
    {EINVAL, PROCESS_ROOT_OURS, PROCESS_ROOT_OURS},
    {ENOMEM, PROCESS_ROOT_UNKNOWN, PROCESS_ROOT_UNKNOWN},
};

/* Our own is no other one because something is refused. */
START_TEST(root_cannot_be_identified)
{
	char path[PROCESS_ROOT_SIZE];
	struct process_root_ours ours = {0};
	struct process p;

	process_open(&p, getpid());
	ck_assert_int_eq(refuse_where(SYS_statx, 3, ~0U, STATX_INO | STATX_MNT_ID, roots[_i].error), 0);
	ck_assert_int_eq(process_root_find(&p, path), roots[_i].found);
	ck_assert_int_eq(process_root_find_nowait(&p, &ours), roots[_i].by_name);
	process_close(&p);
}
END_TEST

#ifdef SYS_readlink
static const struct {
	int error;
	enum process_root found;
} links[] = {{ENOMEM, PROCESS_ROOT_UNKNOWN}, {EACCES, PROCESS_ROOT_CLOSED}, {ENOENT, PROCESS_ROOT_NONE}};

START_TEST(names_of_namespaces_cannot_be_read)
{
	struct process_root_ours ours = {0};
	struct process p;

	process_open(&p, getpid());
	ck_assert(procfs_is_ours());
	ck_assert_int_eq(refuse(SYS_readlink, links[_i].error), 0);
	ck_assert_int_eq(process_root_find_nowait(&p, &ours), links[_i].found);
	process_close(&p);
}
END_TEST

/* It is there, and does not show this process. */
START_TEST(procfs_does_not_show_us)
{
	struct process p;

	ck_assert_int_eq(refuse(SYS_readlink, ENOENT), 0);
	ck_assert_str_eq(procfs_word(), "foreign");
	process_open(&p, getpid());
	ck_assert(!p.start_known);
	ck_assert(!process_gone(&p));
	process_close(&p);
	ck_assert_int_eq(refuse(SYS_access, ENOENT), 0);
	ck_assert_str_eq(procfs_word(), "missing");
}
END_TEST
#endif

static const int refusals[] = {EPERM, ENOSYS};

/* Without a pidfd, /proc and kill(2) tell. */
START_TEST(pidfds_are_refused)
{
	pid_t child = unit_spawn(NULL);
	struct process p;

	ck_assert_int_eq(refuse(SYS_pidfd_open, refusals[_i]), 0);
	process_open(&p, child);
	ck_assert_int_lt(p.fd, 0);
	ck_assert(p.start_known && !p.no_such_process && !process_gone(&p));
	ck_assert(!process_keeps_pid(&p));
	unit_kill(child);
	ck_assert(process_gone(&p));
	process_open(&p, child);
	ck_assert(p.no_such_process);
}
END_TEST

/* Then a process that lives has its number, and one that has ended may have lost it. */
START_TEST(signals_by_pidfd_are_refused)
{
	pid_t child = unit_spawn(NULL);
	struct process p;

	process_open(&p, child);
	ck_assert_int_eq(refuse(SYS_pidfd_send_signal, refusals[_i]), 0);
	ck_assert(process_keeps_pid(&p));
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	unit_await_zombie(child);
	ck_assert(!process_keeps_pid(&p));
	unit_reap(child);
	ck_assert(!process_keeps_pid(&p));
	process_close(&p);
}
END_TEST

static void be_another(void)
{
	(void)!setresuid(12345, 12345, 12345);
}

/* The kernel itself says EPERM of another user's process: then it exists. */
START_TEST(signals_to_another_user_are_refused)
{
	pid_t child = unit_spawn(NULL);
	struct process p;

	process_open(&p, child);
	be_another();
	ck_assert(process_keeps_pid(&p));
	process_close(&p);
}
END_TEST

/* A file of the overflow uid is another user's where what is mapped cannot be read. */
START_TEST(map_of_users_cannot_be_read)
{
	ck_assert_int_eq(refuse_where(SYS_openat, 2, O_CLOEXEC, O_CLOEXEC, _i == 0 ? ENOENT : EMFILE), 0);
	ck_assert_int_eq(uidmap_identifies(65534), _i == 0);
	ck_assert(uidmap_identifies(0));
}
END_TEST

START_TEST(options_of_sockets_are_refused)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(sock_connected(pair[0]), 0);
	ck_assert_uint_eq(sock_peer(pair[0]).uid, geteuid());
	ck_assert_int_eq(refuse(SYS_getsockopt, ENOSYS), 0);
	ck_assert_int_eq(sock_connected(pair[0]), -1);
	ck_assert_int_eq(errno, ENOSYS);
	ck_assert_uint_eq(sock_peer(pair[0]).uid, TRUST_NO_UID);
	ck_assert(!sock_refuse_fds(pair[0]) && !sock_refuses_fds(pair[0]));
}
END_TEST

/* Nothing listens there. */
START_TEST(connection_is_refused)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int bound = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(bound, (struct sockaddr *)&addr, len), 0);
	ck_assert_int_eq(getsockname(bound, (struct sockaddr *)&addr, &len), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, len), -1);
	ck_assert_int_eq(poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 60000), 1);
	ck_assert_int_eq(sock_connected(fd), -1);
	ck_assert_int_eq(errno, ECONNREFUSED);
}
END_TEST

START_TEST(sockets_are_refused)
{
	const struct vsock_address address = {.cid = 2, .port = 7};
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_uint_eq(vsock_peer(pair[0]), (uint32_t)-1);
	ck_assert_uint_eq(vsock_peer(-1), (uint32_t)-1);
	ck_assert_int_eq(refuse(SYS_socket, EAFNOSUPPORT), 0);
	ck_assert_int_eq(vsock_connect(&address, SOCK_STREAM), -1);
	ck_assert_int_eq(errno, EAFNOSUPPORT);
	ck_assert_int_eq(vsock_listen(7), -1);
	ck_assert_int_eq(errno, EAFNOSUPPORT);
	ck_assert_int_eq(sock_connect("/nonexistent"), -1);
	ck_assert_int_eq(errno, EAFNOSUPPORT);
}
END_TEST

START_TEST(events_cannot_be_counted)
{
	struct dirwatch watch;

	set_up(getpid());
	dirwatch_init(&watch, &fixture.place, NULL, NULL);
	ck_assert_int_eq(dirwatch_arm(&watch), DIRWATCH_OTHER);
	ck_assert_int_eq(refuse(SYS_ioctl, EPERM), 0);
	ck_assert_uint_eq(dirwatch_position(&watch), UINT64_MAX);
	dirwatch_close(&watch);
	tear_down();
}
END_TEST

START_TEST(no_memory_for_a_watch)
{
	struct unit_memory memory;
	struct dirwatch watch;
	char dir[UNIT_PATH_SIZE];
	bool added;
	int wd;

	set_up(getpid());
	unit_dir(dir);
	dirwatch_init(&watch, &fixture.place, NULL, NULL);
	ck_assert_int_eq(dirwatch_arm(&watch), DIRWATCH_OTHER);
	memory = unit_use_up_memory();
	added = dirwatch_add_extra(&watch, dir, &wd);
	unit_give_back_memory(&memory);
	ck_assert(!added);
	ck_assert_int_eq(wd, 0);
	ck_assert(dirwatch_add_extra(&watch, dir, &wd));
	dirwatch_close(&watch);
	tear_down();
}
END_TEST

START_TEST(no_memory_for_a_waiter)
{
	struct unit_memory memory = unit_use_up_memory();
	struct readyd_waiter *waiter = readyd_waiter_new(NULL);
	int error = errno;

	unit_give_back_memory(&memory);
	ck_assert_ptr_null(waiter);
	ck_assert_int_eq(error, ENOMEM);
}
END_TEST

/* Those that there is no room for are not waited for, and the others are. */
START_TEST(no_memory_for_more_processes)
{
	const struct readyd_options options = {.size = sizeof(options), .backend = READYD_BACKEND_FILE};
	struct readyd_waiter *waiter = readyd_waiter_new(&options);
	struct readyd_answer answer = READYD_ANSWER_INIT;
	struct unit_memory memory;
	int added = 0, error;

	ck_assert_ptr_nonnull(waiter);
	memory = unit_use_up_memory();
	while (added < 1000 && readyd_waiter_add(waiter, UNIT_UNUSED_PID - added) == 0)
		added++;
	error = errno;
	unit_give_back_memory(&memory);
	ck_assert_int_lt(added, 1000);
	ck_assert_int_eq(error, ENOMEM);
	ck_assert_int_eq(readyd_waiter_add(waiter, UNIT_UNUSED_PID - added), 0);
	for (int taken = 0; taken <= added; taken++)
		ck_assert_int_eq(readyd_waiter_next(waiter, &answer), 1);
	ck_assert_int_eq(readyd_waiter_next(waiter, &answer), 0);
	readyd_waiter_free(waiter);
}
END_TEST

static const long polls[] = {
#ifdef SYS_poll
    SYS_poll,
#endif
    SYS_ppoll,
};

START_TEST(sleep_is_refused)
{
	const struct readyd_options options = {.size = sizeof(options), .backend = READYD_BACKEND_FILE};
	struct readyd_waiter *waiter = readyd_waiter_new(&options);

	ck_assert_ptr_nonnull(waiter);
	ck_assert_int_eq(readyd_waiter_add(waiter, getpid()), 0);
	for (size_t i = 0; i < UNIT_COUNT(polls); i++)
		ck_assert_int_eq(refuse(polls[i], _i == 0 ? EINTR : ENOMEM), 0);
	ck_assert_int_eq(readyd_waiter_sleep(waiter, 1), _i == 0 ? 0 : -1);
	readyd_waiter_free(waiter);
}
END_TEST

static const struct {
	mode_t mode;
	bool holds_socket;
	const char *name;
	bool believed;
} places[] = {
    {0755, true, "s", true},
    {0775, true, "s", false},
    {0757, true, "s", false},
    {0755, false, "s", false},
    {0755, true, "@s", false},
    {0755, true, "other", false},
    {0755, true, "./s", true},
    {0755, true, "missing/s", false},
};

/* By its place; only what is root's own counts. */
START_TEST(place_of_a_socket)
{
	char dir[UNIT_PATH_SIZE], path[TRUST_PATH_SIZE];
	int fd;

	unit_dir(dir);
	ck_assert_int_eq(chdir(dir), 0);
	if (places[_i].holds_socket)
		(void)unit_listen("s", 1);
	else
		unit_write("s", "");
	ck_assert_int_eq(chmod(dir, places[_i].mode), 0);
	fd = trust_directory(places[_i].name, path);
	ck_assert_int_eq(fd >= 0, places[_i].believed && geteuid() == 0);
	ck_assert(fd < 0 || access(path, F_OK) == 0);
	ck_assert_int_eq(trust_directory(memset((char[5000]){0}, '/', 4999), path), -1);
}
END_TEST

START_TEST(user_of_a_socket)
{
	ck_assert(trust_user(0, TRUST_NO_UID));
	ck_assert(trust_user(geteuid(), TRUST_NO_UID));
	ck_assert(trust_user(12345, 12345));
	ck_assert(!trust_user(12345, TRUST_NO_UID));
	ck_assert(!trust_user(TRUST_NO_UID, TRUST_NO_UID));
}
END_TEST

static void add_refusals(TCase *tcase)
{
#ifdef SYS_newfstatat
	tcase_add_loop_test(tcase, marker_cannot_be_seen, 0, UNIT_COUNT(looks));
#endif
	tcase_add_loop_test(tcase, birth_of_a_marker_cannot_be_read, 0, UNIT_COUNT(births));
	tcase_add_loop_test(tcase, root_cannot_be_identified, 0, UNIT_COUNT(roots));
#ifdef SYS_readlink
	tcase_add_loop_test(tcase, names_of_namespaces_cannot_be_read, 0, UNIT_COUNT(links));
	tcase_add_test(tcase, procfs_does_not_show_us);
#endif
	tcase_add_loop_test(tcase, pidfds_are_refused, 0, UNIT_COUNT(refusals));
	tcase_add_loop_test(tcase, signals_by_pidfd_are_refused, 0, UNIT_COUNT(refusals));
	tcase_add_loop_test(tcase, map_of_users_cannot_be_read, 0, 2);
	tcase_add_test(tcase, options_of_sockets_are_refused);
	tcase_add_test(tcase, sockets_are_refused);
	tcase_add_test(tcase, events_cannot_be_counted);
	tcase_add_loop_test(tcase, sleep_is_refused, 0, 2);
}

static Suite *suite(void)
{
	const char *why = "no limit of address space";
	Suite *s = suite_create("refusals");
	TCase *tcase = unit_case(s, "refusals");

	if (unit_can_refuse())
		add_refusals(tcase);
	else
		printf("# skipped: no filters of system calls\n"), fflush(stdout);
	unit_add_if(tcase, signals_to_another_user_are_refused, geteuid() == 0, "needs root");
	tcase_add_test(tcase, connection_is_refused);
	unit_add_if(tcase, no_memory_for_a_watch, unit_can_use_up_memory(), why);
	unit_add_if(tcase, no_memory_for_a_waiter, unit_can_use_up_memory(), why);
	unit_add_if(tcase, no_memory_for_more_processes, unit_can_use_up_memory(), why);
	tcase_add_loop_test(tcase, place_of_a_socket, 0, UNIT_COUNT(places));
	tcase_add_test(tcase, user_of_a_socket);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
