#include "config.h"

#include "daemon/scout.h"
#include "src/sock.h"
#include "tests/unit.h"

#include <errno.h>
#include <pthread.h>
#include <sys/inotify.h>

#define PREFIX "ready-"

/* A scout and the spawner end by _exit(2), which would lose what they have counted of their coverage. The
 * function of libgcov is there in a build with coverage only. */
extern void __gcov_exit(void) __attribute__((weak)); /* NOLINT(bugprone-reserved-identifier) */

void _exit(int status)
{
	if (__gcov_exit != NULL)
		__gcov_exit();
	for (;;)
		syscall(SYS_exit_group, status);
}

static char root[UNIT_PATH_SIZE];
static int started[2];

static void live_below(void)
{
	if (chroot(root) != 0 || chdir("/") != 0 || write(started[1], "s", 1) != 1)
		_exit(1);
}

/* A process with an empty directory /m below another root, and the request for it. */
static void make_request(struct scout_request *request)
{
	char name[2 * UNIT_PATH_SIZE], byte;
	struct process p;

	unit_dir(root);
	snprintf(name, sizeof(name), "%s/m", root);
	ck_assert_int_eq(mkdir(name, 0755), 0);
	ck_assert_int_eq(pipe(started), 0);
	process_open(&p, unit_spawn(live_below));
	ck_assert_int_eq(read(started[0], &byte, 1), 1);
	memset(request, 0, sizeof(*request));
	ck_assert_int_eq(marker_place_init(&request->place, "/m", PREFIX), 0);
	request->pid = request->ns_pid = p.pid;
	request->start = p.start;
	process_close(&p);
}

static void leave_marker(pid_t pid)
{
	char name[3 * UNIT_PATH_SIZE];

	snprintf(name, sizeof(name), "%s/m/" PREFIX "%ld", root, (long)pid);
	unit_write(name, "ready\n");
}

static void await(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	ck_assert_int_eq(poll(&poll_fd, 1, -1), 1);
}

static struct scout_reply hear(int sock)
{
	struct scout_reply reply;
	int fd;

	await(sock);
	ck_assert_int_eq(sock_recv_fd(sock, &reply, sizeof(reply), &fd), (ssize_t)sizeof(reply));
	ck_assert_int_eq(fd, -1);
	return reply;
}

static void expect_end(int sock)
{
	char byte;

	await(sock);
	ck_assert_int_eq(recv(sock, &byte, sizeof(byte), 0), 0);
}

/* A scout that is a thread of this process. */
static int scout[2];
static pthread_t scout_thread;

static void *run_scout(void *arg)
{
	scout_serve(scout[1]);
	close(scout[1]);
	return arg;
}

static void start_scout(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, scout), 0);
	ck_assert_int_eq(pthread_create(&scout_thread, NULL, run_scout, NULL), 0);
}

static void end_scout(void)
{
	close(scout[0]);
	ck_assert_int_eq(pthread_join(scout_thread, NULL), 0);
}

static void ask(int sock, const struct scout_request *request)
{
	ck_assert_int_eq(sock_send(sock, request, sizeof(*request)), (ssize_t)sizeof(*request));
}

START_TEST(scout_views_the_marker_below_another_root)
{
	struct scout_request request;
	struct scout_reply reply;

	make_request(&request);
	start_scout();
	ask(scout[0], &request);
	reply = hear(scout[0]);
	ck_assert_int_eq(reply.kind, SCOUT_VIEWED);
	ck_assert_int_eq(reply.view.where, MARKER_DIR_OTHER);
	ck_assert_int_eq(reply.view.marker.kind, MARKER_ABSENT);
	leave_marker(request.pid);
	ask(scout[0], &request);
	ck_assert_int_eq(hear(scout[0]).view.marker.kind, MARKER_FILE);
	end_scout();
}
END_TEST

/* Another process has the pid, so its root is not looked below. */
START_TEST(scout_views_no_other_process_of_that_pid)
{
	struct scout_request request;

	make_request(&request);
	leave_marker(request.pid);
	request.start++;
	start_scout();
	ask(scout[0], &request);
	ck_assert_int_eq(hear(scout[0]).view.where, MARKER_DIR_NONE);
	end_scout();
}
END_TEST

START_TEST(scout_watches_first)
{
	int inotify = inotify_init1(IN_CLOEXEC);
	struct scout_request request;
	struct scout_reply reply;

	make_request(&request);
	request.watch = true;
	start_scout();
	ck_assert_int_eq(sock_send_fd(scout[0], &request, sizeof(request), inotify), sizeof(request));
	reply = hear(scout[0]);
	ck_assert_int_eq(reply.kind, SCOUT_WATCHED);
	ck_assert_int_gt(reply.wd, 0);
	ck_assert_int_eq(hear(scout[0]).kind, SCOUT_VIEWED);
	leave_marker(request.pid);
	await(inotify);
	end_scout();
	close(inotify);
}
END_TEST

START_TEST(scout_views_where_it_cannot_watch)
{
	struct scout_request request;

	make_request(&request);
	request.watch = true;
	start_scout();
	ask(scout[0], &request);
	ck_assert_int_eq(hear(scout[0]).kind, SCOUT_VIEWED);
	/* Not an inotify instance. */
	ck_assert_int_eq(sock_send_fd(scout[0], &request, sizeof(request), STDIN_FILENO), sizeof(request));
	ck_assert_int_eq(hear(scout[0]).kind, SCOUT_VIEWED);
	end_scout();
}
END_TEST

START_TEST(scout_ends_at_what_is_not_a_request)
{
	start_scout();
	ck_assert_int_eq(sock_send(scout[0], "?", 1), 1);
	expect_end(scout[0]);
	end_scout();
}
END_TEST

static int spawner;
static pid_t spawner_pid;

static void start_spawner(int ready_fd)
{
	spawner = spawner_start(ready_fd, &(struct account){0}, &spawner_pid);
	ck_assert_int_ge(spawner, 0);
}

static struct spawner_reply order_scout(int *sock)
{
	const struct spawner_order order = {0};
	struct spawner_reply reply;

	ck_assert_int_eq(sock_send(spawner, &order, sizeof(order)), (ssize_t)sizeof(order));
	await(spawner);
	ck_assert_int_eq(sock_recv_fd(spawner, &reply, sizeof(reply), sock), (ssize_t)sizeof(reply));
	return reply;
}

static pid_t new_scout(int *sock)
{
	struct spawner_reply reply = order_scout(sock);

	ck_assert_int_gt(reply.scout, 0);
	ck_assert_int_ge(*sock, 0);
	return reply.scout;
}

static void order_kill(pid_t pid)
{
	const struct spawner_order order = {.kill = pid};

	ck_assert_int_eq(sock_send(spawner, &order, sizeof(order)), (ssize_t)sizeof(order));
}

static void end_spawner(void)
{
	int status;

	close(spawner);
	ck_assert_int_eq(waitpid(spawner_pid, &status, 0), spawner_pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}

START_TEST(spawner_starts_scouts)
{
	struct scout_request request;
	int one, other;

	/* A child that is forked later would keep the spawner's socket open. */
	make_request(&request);
	start_spawner(-1);
	ck_assert_int_ne(new_scout(&one), new_scout(&other));
	ask(one, &request);
	ask(other, &request);
	ck_assert_int_eq(hear(one).view.where, MARKER_DIR_OTHER);
	ck_assert_int_eq(hear(other).view.where, MARKER_DIR_OTHER);
	close(one);
	close(other);
	end_spawner();
}
END_TEST

START_TEST(scout_ends_with_its_socket)
{
	struct process p;
	int sock;

	start_spawner(-1);
	process_open(&p, new_scout(&sock));
	close(sock);
	await(p.fd);
	process_close(&p);
	end_spawner();
}
END_TEST

START_TEST(spawner_kills_a_scout)
{
	pid_t pid;
	int sock;

	start_spawner(-1);
	pid = new_scout(&sock);
	order_kill(pid);
	expect_end(sock);
	while (process_exists(pid))
		sched_yield();
	/* The number may be another process's by now. */
	order_kill(pid);
	new_scout(&sock);
	end_spawner();
}
END_TEST

START_TEST(spawner_kills_nothing_but_its_scouts)
{
	pid_t unrelated = unit_spawn(NULL);
	struct process p;
	int sock;

	start_spawner(-1);
	order_kill(unrelated);
	/* Orders are obeyed one after another. */
	new_scout(&sock);
	process_open(&p, unrelated);
	ck_assert_int_eq(process_life(&p), PROCESS_LIVES);
	process_close(&p);
	end_spawner();
}
END_TEST

START_TEST(spawner_ignores_signals_of_the_group)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
	int sock;

	start_spawner(-1);
	/* It has set them once it obeys. */
	new_scout(&sock);
	for (size_t i = 0; i < UNIT_COUNT(signals); i++)
		ck_assert_int_eq(kill(spawner_pid, signals[i]), 0);
	new_scout(&sock);
	end_spawner();
}
END_TEST

START_TEST(spawner_says_why_there_is_no_scout)
{
	const struct rlimit none = {1, 1};
	struct spawner_reply reply;
	int sock;

	start_spawner(-1);
	ck_assert_int_eq(prlimit(spawner_pid, RLIMIT_NOFILE, &none, NULL), 0);
	reply = order_scout(&sock);
	ck_assert_int_eq(reply.scout, -1);
	ck_assert_int_eq(reply.error, EMFILE);
	ck_assert_int_eq(sock, -1);
	end_spawner();
}
END_TEST

/* The reader of a pipe sees the end of file only when no process holds the other end. */
static bool holds_pipe(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, 0) == 0;
}

START_TEST(spawner_closes_what_it_inherits)
{
	int inherited[2], sock;

	ck_assert_int_eq(pipe(inherited), 0);
	start_spawner(-1);
	close(inherited[1]);
	new_scout(&sock);
	ck_assert(!holds_pipe(inherited[0]));
	end_spawner();
}
END_TEST

/* Standard error is for the log, unless the supervisor waits for its end. */
START_TEST(spawner_keeps_standard_error_for_the_log_only)
{
	const int ready_fd = _i == 0 ? -1 : STDERR_FILENO;
	int log[2], sock, before = dup(STDERR_FILENO);

	ck_assert_int_eq(pipe(log), 0);
	ck_assert_int_eq(dup2(log[1], STDERR_FILENO), STDERR_FILENO);
	close(log[1]);
	start_spawner(ready_fd);
	ck_assert_int_eq(dup2(before, STDERR_FILENO), STDERR_FILENO);
	new_scout(&sock);
	ck_assert(holds_pipe(log[0]) == (ready_fd < 0));
	end_spawner();
}
END_TEST

static int forks;

static void on_fork(void)
{
	forks++;
}

/* What an allocator does there would take memory of its own in each process. */
START_TEST(spawner_starts_without_the_handlers_of_a_fork)
{
	ck_assert_int_eq(pthread_atfork(on_fork, NULL, NULL), 0);
	start_spawner(-1);
	ck_assert_int_eq(forks, 0);
	end_spawner();
}
END_TEST

static Suite *suite(void)
{
	const bool is_root = geteuid() == 0;
	Suite *s = suite_create("scout");
	TCase *tcase = unit_case(s, "scout");

	tcase_add_test(tcase, scout_ends_at_what_is_not_a_request);
	unit_add_if(tcase, scout_views_the_marker_below_another_root, is_root, "needs root");
	unit_add_if(tcase, scout_views_no_other_process_of_that_pid, is_root, "needs root");
	unit_add_if(tcase, scout_watches_first, is_root, "needs root");
	unit_add_if(tcase, scout_views_where_it_cannot_watch, is_root, "needs root");
	tcase = unit_case(s, "spawner");
	unit_add_if(tcase, spawner_starts_scouts, is_root, "needs root");
	tcase_add_test(tcase, scout_ends_with_its_socket);
#ifdef HAVE__FORK
	tcase_add_test(tcase, spawner_starts_without_the_handlers_of_a_fork);
#endif
	tcase_add_test(tcase, spawner_kills_a_scout);
	tcase_add_test(tcase, spawner_kills_nothing_but_its_scouts);
	tcase_add_test(tcase, spawner_ignores_signals_of_the_group);
	tcase_add_test(tcase, spawner_says_why_there_is_no_scout);
	tcase_add_test(tcase, spawner_closes_what_it_inherits);
	tcase_add_loop_test(tcase, spawner_keeps_standard_error_for_the_log_only, 0, 2);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
