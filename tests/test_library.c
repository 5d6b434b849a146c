/* The calls of readyd.h that need no waiter of the caller's, with a script in place of the daemon: what they
 * refuse, and what they make of a daemon that refuses, errs, or ends in the middle. */
#include <errno.h>
#include <sys/socket.h>

#include "readyd/marker.h"
#include "readyd/readyd.h"
#include "src/process.h"
#include "src/sock.h"
#include "src/wire.h"
#include "tests/unit.h"

static struct readyd_options options;
static char dir[UNIT_PATH_SIZE], path[UNIT_PATH_SIZE + 8];
static const char *script; /* what the daemon says after its greeting; "GATE ...": with a descriptor */
static struct readyd_answer answer = READYD_ANSWER_INIT;
static int listener;
static pid_t daemon_pid;

static void set_up(void)
{
	unsetenv("READYD_BACKEND");
	unsetenv("READYD_SOCKET");
	unsetenv("READYD_DIR");
	unit_dir(dir);
	snprintf(path, sizeof(path), "%s/socket", dir);
	options = (struct readyd_options){
	    .size = sizeof(options), .dir = dir, .socket = path, .backend = READYD_BACKEND_DAEMON};
	daemon_pid = 0;
}

static void tear_down(void)
{
	if (daemon_pid != 0)
		unit_kill(daemon_pid);
}

static void greet(int client)
{
	struct wire_hello says = {.epoch = 1, .pidns = process_own_namespace("pid")};
	char hello[WIRE_REPLY_MAX];
	struct stat st;

	unit_check(stat(dir, &st) == 0);
	says.dev = st.st_dev;
	says.ino = st.st_ino;
	unit_check(marker_place_init(&says.place, dir, READYD_MARKER_NAME_PREFIX) == 0);
	unit_check(send(client, hello, wire_write_hello(hello, sizeof(hello), &says), MSG_NOSIGNAL) > 0);
}

/* Each client gets the script. It has all that it asked for when it has asked; the connection is closed after
 * "!". */
static void serve(void)
{
	char request[512];
	size_t len = strcspn(script, "!");
	int client;

	while ((client = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		unit_check(recv(client, request, sizeof(request), 0) > 0);
		greet(client);
		if (strncmp(script, "GATE", 4) == 0)
			sock_send_fd(client, script, len, listener);
		else
			send(client, script, len, MSG_NOSIGNAL);
		while (script[len] != '!' && recv(client, request, sizeof(request), 0) > 0)
			;
		close(client);
	}
}

static void start_daemon(const char *says)
{
	listener = unit_listen(path, 4);
	script = says;
	daemon_pid = unit_spawn(serve);
	close(listener);
}

static int query(void)
{
	return readyd_query(&options, 5, &answer);
}

static int stats(void)
{
	char text[8];

	return readyd_stats(&options, text, sizeof(text));
}

static int ping(void)
{
	return readyd_ping(&options);
}

static int entries;

static int count_entry(const struct readyd_answer *entry, void *context)
{
	entries++;
	ck_assert_ptr_eq(context, &entries);
	ck_assert_int_eq(entry->verdict, READYD_READY);
	return entries == 2 ? 7 : 0;
}

static int list(void)
{
	entries = 0;
	return readyd_list(&options, count_entry, &entries);
}

static int wait_for(pid_t pid, const struct timespec *deadline)
{
	return readyd_wait(&options, pid, deadline, &answer);
}

static int (*const calls[])(void) = {query, list, stats, ping};

START_TEST(options_are_checked_by_every_call)
{
	options.dir = "relative";
	errno = 0;
	ck_assert_int_eq(calls[_i](), -1);
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_int_eq(wait_for(5, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

static const pid_t no_pids[] = {0, -1, INT32_MIN};

START_TEST(what_no_process_can_have_is_refused)
{
	ck_assert_int_eq(readyd_query(&options, no_pids[_i], &answer), -1);
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_int_eq(wait_for(no_pids[_i], NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(no_daemon_is_an_error_of_every_call)
{
	ck_assert_int_eq(calls[_i](), -1);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

static const struct {
	int (*call)(void);
	const char *says;
	int error;
} refusals[] = {
    {query, "PONG\n", EPROTO},
    {query, "END LIST 0\n", EPROTO},
    {query, "STATS a=1\n", EPROTO},
    {query, "ready 6 start=7\n", EPROTO}, /* another process */
    {query, "GATE 5 start=7\n", EPROTO},  /* a descriptor that was not asked for */
    {query, "ERR too-many-clients\n!", EAGAIN},
    {query, "ERR bad-verb\n", EPROTO},
    {query, "!", ECONNRESET},
    {list, "PONG\n", EPROTO},
    {list, "ready 5 start=7\n", EPROTO},
    {list, "LIST ready 5 start=7\n!", ECONNRESET},
    {list, "!", ECONNRESET},
    {stats, "PONG\n", EPROTO},
    {stats, "STATS a=1234567\n", ENOSPC},
    {ping, "STATS a=1\n", EPROTO},
    {ping, "ready 5 start=7\n", EPROTO},
    {ping, "!", ECONNRESET},
};

START_TEST(a_reply_that_is_not_the_answer_is_an_error)
{
	int fds = unit_count_fds();

	start_daemon(refusals[_i].says);
	ck_assert_int_eq(refusals[_i].call(), -1);
	ck_assert_int_eq(errno, refusals[_i].error);
	ck_assert_int_eq(unit_count_fds(), fds);
}
END_TEST

START_TEST(answers_are_taken)
{
	char text[16];

	start_daemon("STATS a=1\nready 5 start=7\n");
	ck_assert_int_eq(readyd_stats(&options, text, sizeof(text)), 0);
	ck_assert_str_eq(text, "a=1");
}
END_TEST

/* Even if a list has begun, and ends before its end: a second source would repeat entries. */
START_TEST(a_list_that_has_begun_is_not_begun_again)
{
	options.backend = READYD_BACKEND_AUTO;
	start_daemon("LIST ready 5 start=7\n!");
	ck_assert_int_eq(list(), -1);
	ck_assert_int_eq(errno, ECONNRESET);
	ck_assert_int_eq(entries, 1);
}
END_TEST

START_TEST(a_list_stops_when_the_caller_says_so)
{
	start_daemon("LIST ready 5 start=7\nLIST ready 6 start=7\nLIST ready 8 start=7\nEND LIST 3\n");
	ck_assert_int_eq(list(), 7);
	ck_assert_int_eq(entries, 2);
}
END_TEST

static void mark(const char *what, pid_t pid)
{
	char marker[UNIT_PATH_SIZE + 64];

	snprintf(marker, sizeof(marker), "%s/%s%d", dir, what, (int)pid);
	unit_write(marker, "ready\n");
}

/* Files that are not markers, a marker of no process, and a directory with the name of a marker do not count.
 */
START_TEST(without_a_daemon_a_list_is_of_the_markers)
{
	pid_t children[3];

	options.backend = _i == 0 ? READYD_BACKEND_FILE : READYD_BACKEND_AUTO;
	for (int i = 0; i < 3; i++)
		children[i] = unit_spawn(NULL);
	mark("unrelated-", children[0]);
	mark(READYD_MARKER_NAME_PREFIX, UNIT_UNUSED_PID);
	ck_assert_int_eq(list(), 0);
	ck_assert_int_eq(entries, 0);
	mark(READYD_MARKER_NAME_PREFIX, children[0]);
	ck_assert_int_eq(list(), 0);
	ck_assert_int_eq(entries, 1);
	for (int i = 1; i < 3; i++)
		mark(READYD_MARKER_NAME_PREFIX, children[i]);
	ck_assert_int_eq(list(), 7);
	ck_assert_int_eq(entries, 2);
	for (int i = 0; i < 3; i++)
		unit_kill(children[i]);
}
END_TEST

START_TEST(a_list_of_a_missing_directory_is_an_error)
{
	options.backend = READYD_BACKEND_FILE;
	ck_assert_int_eq(rmdir(dir), 0);
	ck_assert_int_eq(list(), -1);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

static const enum readyd_backend own_looks[] = {READYD_BACKEND_FILE, READYD_BACKEND_AUTO};

/* The marker is looked for once more when the time is over: it may have come after the last look. */
START_TEST(a_deadline_that_has_passed_still_takes_what_is_there)
{
	const struct timespec passed = {0, 1};
	pid_t child = unit_spawn(NULL);

	options.backend = own_looks[_i];
	ck_assert_int_eq(wait_for(child, &passed), 0);
	ck_assert_int_eq(answer.verdict, READYD_PENDING);
	ck_assert_int_eq(answer.reason, READYD_REASON_DEADLINE);
	mark(READYD_MARKER_NAME_PREFIX, child);
	ck_assert_int_eq(wait_for(child, &passed), 0);
	ck_assert_int_eq(answer.verdict, READYD_READY);
	ck_assert_int_eq(answer.reason, READYD_REASON_NONE);
	unit_kill(child);
	ck_assert_int_eq(wait_for(child, &passed), 0);
	ck_assert_int_ne(answer.verdict, READYD_READY);
	ck_assert_int_ne(answer.verdict, READYD_PENDING);
}
END_TEST

/* With AUTO, a daemon that refuses or errs changes no answer. */
START_TEST(a_daemon_that_errs_is_as_none)
{
	pid_t child = unit_spawn(NULL);
	const struct timespec passed = {0, 1};

	options.backend = READYD_BACKEND_AUTO;
	start_daemon(refusals[_i].says);
	ck_assert_int_eq(readyd_query(&options, child, &answer), 0);
	ck_assert_int_eq(answer.verdict, READYD_PENDING);
	ck_assert_int_eq(answer.backend, READYD_BACKEND_FILE);
	ck_assert_int_eq(wait_for(child, &passed), 0);
	ck_assert_int_eq(answer.verdict, READYD_PENDING);
	unit_kill(child);
}
END_TEST

static bool is_inherited(int fd)
{
	const int flags = fcntl(fd, F_GETFD);

	return flags >= 0 && (flags & FD_CLOEXEC) == 0;
}

/* A program that the caller executes meanwhile inherits none of the library's descriptors. */
START_TEST(descriptors_are_closed_by_exec)
{
	struct readyd_waiter *waiter;
	bool before[256];
	pid_t children[6];

	for (int i = 0; i < 6; i++)
		children[i] = unit_spawn(NULL);
	if (_i == READYD_BACKEND_DAEMON)
		start_daemon("");
	for (int fd = 0; fd < 256; fd++)
		before[fd] = is_inherited(fd);
	options.backend = (enum readyd_backend)_i;
	waiter = readyd_waiter_new(&options);
	ck_assert_ptr_nonnull(waiter);
	for (int i = 0; i < 6; i++)
		ck_assert_int_eq(readyd_waiter_add(waiter, children[i]), 0);
	ck_assert_int_ge(readyd_waiter_fd(waiter), 0);
	ck_assert_int_eq(readyd_waiter_sleep(waiter, 0), 0);
	for (int fd = 0; fd < 256; fd++)
		ck_assert_msg(!is_inherited(fd) || before[fd], "descriptor %d", fd);
	readyd_waiter_free(waiter);
	for (int i = 0; i < 6; i++)
		unit_kill(children[i]);
}
END_TEST

/* What is added to the start of the process: a daemon that names another one, or none, speaks of another
 * process, and the own look answers. */
static const struct {
	const char *format;
	int other;
	enum readyd_backend backend;
} words[] = {
    {"ready %d start=%llu\n", 0, READYD_BACKEND_DAEMON},
    {"ready %d start=%llu\n", 1, READYD_BACKEND_FILE},
    {"ready %d start=%llu\n", -1, READYD_BACKEND_FILE},
    {"ready %d\n", 0, READYD_BACKEND_FILE},
};

START_TEST(word_is_of_the_process_that_was_seen)
{
	const pid_t child = unit_spawn(NULL);
	struct process process;
	char says[64];

	process_open(&process, child);
	ck_assert(process.start_known);
	snprintf(says, sizeof(says), words[_i].format, (int)child,
	    (unsigned long long)process.start + (unsigned long long)words[_i].other);
	mark(READYD_MARKER_NAME_PREFIX, child);
	options.backend = READYD_BACKEND_AUTO;
	start_daemon(says);
	ck_assert_int_eq(readyd_query(&options, child, &answer), 0);
	ck_assert_int_eq(answer.verdict, READYD_READY);
	ck_assert_uint_eq(answer.start, process.start);
	ck_assert_int_eq(answer.backend, words[_i].backend);
	process_close(&process);
	unit_kill(child);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("library");
	TCase *tcase = unit_case(s, "library");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, options_are_checked_by_every_call, 0, UNIT_COUNT(calls));
	tcase_add_loop_test(tcase, what_no_process_can_have_is_refused, 0, UNIT_COUNT(no_pids));
	tcase_add_loop_test(tcase, no_daemon_is_an_error_of_every_call, 0, UNIT_COUNT(calls));
	tcase_add_loop_test(tcase, a_reply_that_is_not_the_answer_is_an_error, 0, UNIT_COUNT(refusals));
	tcase_add_test(tcase, answers_are_taken);
	tcase_add_test(tcase, a_list_that_has_begun_is_not_begun_again);
	tcase_add_test(tcase, a_list_stops_when_the_caller_says_so);
	tcase_add_loop_test(tcase, without_a_daemon_a_list_is_of_the_markers, 0, 2);
	tcase_add_test(tcase, a_list_of_a_missing_directory_is_an_error);
	tcase_add_loop_test(
	    tcase, a_deadline_that_has_passed_still_takes_what_is_there, 0, UNIT_COUNT(own_looks));
	tcase_add_loop_test(tcase, a_daemon_that_errs_is_as_none, 0, UNIT_COUNT(refusals));
	tcase_add_loop_test(
	    tcase, descriptors_are_closed_by_exec, READYD_BACKEND_AUTO, READYD_BACKEND_FILE + 1);
	tcase_add_loop_test(tcase, word_is_of_the_process_that_was_seen, 0, UNIT_COUNT(words));
	return s;
}

int main(void)
{
	return unit_main(suite);
}
