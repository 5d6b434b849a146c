/* The service manager: what it passes, and what it is told and when. Timers are recorded, and run at once. */
#include <limits.h>
#include <netinet/in.h>

#include "daemon/loop.h"
#include "daemon/supervisor.h"
#include "src/sock.h"
#include "tests/unit.h"

#define PASSED 3

static struct loop *loop;
static struct supervisor *supervisor;
static struct supervisor_numbers numbers;
static int manager;
static int64_t started[8]; /* the time of each timer */
static size_t start_count;

/* NOLINTBEGIN(bugprone-reserved-identifier) */
void __real_loop_timer_start(struct loop_timer *timer, int64_t ms);
void __wrap_loop_timer_start(struct loop_timer *timer, int64_t ms);

void __wrap_loop_timer_start(struct loop_timer *timer, int64_t ms)
{
	if (start_count < UNIT_COUNT(started))
		started[start_count] = ms;
	start_count++;
	__real_loop_timer_start(timer, 0);
}
/* NOLINTEND(bugprone-reserved-identifier) */

static void count(struct supervisor_numbers *now, void *context)
{
	ck_assert_ptr_eq(context, &numbers);
	*now = numbers;
}

static void set_up(void)
{
	struct sockaddr_un addr;
	char dir[UNIT_PATH_SIZE];

	unit_dir(dir);
	ck_assert_int_eq(chdir(dir), 0);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(manager, (struct sockaddr *)&addr, sock_address(&addr, "notify")), 0);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", "notify", 1), 0);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
}

static void tear_down(void)
{
	if (supervisor != NULL)
		supervisor_stopping(supervisor);
	loop_free(loop);
}

static void begin(int ready_fd)
{
	supervisor = supervisor_ready(loop, ready_fd, count, &numbers);
}

static void expect_told(const char *text)
{
	char got[256];
	ssize_t n = recv(manager, got, sizeof(got) - 1, 0);

	ck_assert_int_ge(n, 0);
	got[n] = '\0';
	ck_assert_str_eq(got, text);
}

static void expect_silence(void)
{
	char byte;

	ck_assert_int_eq(recv(manager, &byte, 1, 0), -1);
}

START_TEST(start_and_end_are_told)
{
	char text[8] = "";
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	begin(ends[1]);
	expect_told("READY=1\nSTATUS=0 processes waited for, 0 connections");
	ck_assert_int_eq(read(ends[0], text, sizeof(text)), 1);
	ck_assert_str_eq(text, "\n");
	ck_assert_int_eq(read(ends[0], text, sizeof(text)), 0);
	ck_assert_uint_eq(start_count, 0);
	supervisor_stopping(supervisor);
	supervisor = NULL;
	expect_told("STOPPING=1");
	expect_silence();
}
END_TEST

static const char *const no_sockets[] = {NULL, ""};

START_TEST(nothing_is_told_without_a_socket)
{
	if (no_sockets[_i] == NULL)
		unsetenv("NOTIFY_SOCKET");
	else
		setenv("NOTIFY_SOCKET", no_sockets[_i], 1);
	begin(-1);
	supervisor_first_wait(supervisor);
	supervisor_reloaded(supervisor);
	ck_assert_uint_eq(start_count, 0);
	expect_silence();
}
END_TEST

START_TEST(reload_is_told)
{
	char got[256] = "";

	begin(-1);
	expect_told("READY=1\nSTATUS=0 processes waited for, 0 connections");
	supervisor_reloaded(supervisor);
	ck_assert_int_gt(recv(manager, got, sizeof(got) - 1, 0), 0);
	ck_assert_ptr_eq(strstr(got, "RELOADING=1\nMONOTONIC_USEC="), got);
	expect_told("READY=1");
}
END_TEST

/* Half of the time that is allowed, at least a millisecond. */
static const struct {
	const char *usec, *pid; /* "own": of this process */
	int64_t ms;		/* -1: no watchdog */
} watchdogs[] = {
    {"100000", NULL, 50},
    {"100000", "own", 50},
    {"100000", "1", -1},
    {"100000", "x", -1},
    {"3999", NULL, 1},
    {"1", NULL, 1},
    {"18446744073709551615", NULL, INT_MAX},
    {"18446744073709551616", NULL, -1},
    {"", NULL, -1},
    {"10s", NULL, -1},
};

START_TEST(life_is_told_in_time)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_USEC", watchdogs[_i].usec, 1);
	if (watchdogs[_i].pid != NULL)
		setenv("WATCHDOG_PID", strcmp(watchdogs[_i].pid, "own") == 0 ? pid : watchdogs[_i].pid, 1);
	begin(-1);
	expect_told("READY=1\nSTATUS=0 processes waited for, 0 connections");
	loop_turn(loop, false);
	ck_assert_uint_eq(start_count, watchdogs[_i].ms < 0 ? 0 : 2);
	for (size_t i = 0; i < start_count; i++)
		ck_assert_int_eq(started[i], watchdogs[_i].ms);
	if (start_count > 0)
		expect_told("WATCHDOG=1");
	expect_silence();
}
END_TEST

static void report(size_t processes, size_t clients)
{
	numbers = (struct supervisor_numbers){processes, clients};
	loop_turn(loop, false);
}

/* While something is waited for, and once after it; the same is not told again. */
START_TEST(numbers_are_told)
{
	begin(-1);
	expect_told("READY=1\nSTATUS=0 processes waited for, 0 connections");
	supervisor_first_wait(supervisor);
	supervisor_first_wait(supervisor);
	ck_assert_uint_eq(start_count, 1);
	ck_assert_int_eq(started[0], 1000);
	report(1, 1);
	expect_told("STATUS=1 process waited for, 1 connection");
	ck_assert_uint_eq(start_count, 2);
	ck_assert_int_eq(started[1], 10000);
	report(1, 1);
	expect_silence();
	report(2, 3);
	expect_told("STATUS=2 processes waited for, 3 connections");
	report(0, 3);
	expect_told("STATUS=0 processes waited for, 3 connections");
	ck_assert_uint_eq(start_count, 4);
	report(0, 4);
	expect_silence();
}
END_TEST

static int open_listening(int domain, int type)
{
	struct sockaddr_storage addr = {.ss_family = (sa_family_t)domain};
	socklen_t len = domain == AF_UNIX ? sizeof(sa_family_t) : sizeof(struct sockaddr_in);
	int fd = socket(domain, type, 0);

	unit_check(bind(fd, (struct sockaddr *)&addr, len) == 0 && listen(fd, 1) == 0);
	return fd;
}

static int listening(void)
{
	return open_listening(AF_UNIX, SOCK_STREAM);
}

static int listening_for_packets(void)
{
	return open_listening(AF_UNIX, SOCK_SEQPACKET);
}

static int listening_by_tcp(void)
{
	return open_listening(AF_INET, SOCK_STREAM);
}

static int not_listening(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int file(void)
{
	return open("/dev/null", O_RDWR);
}

static const struct {
	const char *fds, *pid; /* "own": of this process */
	int (*make)(void);
	int result;
} passed[] = {
    {"1", "own", listening, PASSED},
    {NULL, "own", listening, -1},
    {"1", NULL, listening, -1},
    {"1", "1", listening, -1},
    {"0", "own", listening, -1},
    {"x", "own", listening, -1},
    {"2", "own", listening, -2},
    {"1", "own", listening_for_packets, -2},
    {"1", "own", listening_by_tcp, -2},
    {"1", "own", not_listening, -2},
    {"1", "own", file, -2},
    {"1", "own", NULL, -2},
};

static void set(const char *name, const char *value)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	if (value == NULL)
		unsetenv(name);
	else
		setenv(name, strcmp(value, "own") == 0 ? pid : value, 1);
}

static bool is_usable(int fd)
{
	return (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 &&
	       sock_refuses_fds(fd);
}

/* In a child, as the number may be in use here. */
static _Noreturn void take_passed(int i)
{
	int fd = passed[i].make == NULL ? -1 : passed[i].make();

	if (fd < 0)
		close(PASSED);
	else if (fd != PASSED)
		dup2(fd, PASSED);
	set("LISTEN_FDS", passed[i].fds);
	set("LISTEN_PID", passed[i].pid);
	fd = supervisor_inherited();
	_exit(fd == passed[i].result && (fd < 0 || is_usable(fd)) ? 0 : 1);
}

START_TEST(socket_is_passed)
{
	pid_t child = fork();
	int status = -1;

	ck_assert_int_ge(child, 0);
	if (child == 0)
		take_passed(_i);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("supervisor");
	TCase *tcase = unit_case(s, "supervisor");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, start_and_end_are_told);
	tcase_add_loop_test(tcase, nothing_is_told_without_a_socket, 0, UNIT_COUNT(no_sockets));
	tcase_add_test(tcase, reload_is_told);
	tcase_add_loop_test(tcase, life_is_told_in_time, 0, UNIT_COUNT(watchdogs));
	tcase_add_test(tcase, numbers_are_told);
	tcase_add_loop_test(tcase, socket_is_passed, 0, UNIT_COUNT(passed));
	return s;
}

int main(void)
{
	return unit_main(suite);
}
