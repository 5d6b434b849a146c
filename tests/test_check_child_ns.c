/* check_process() for a process in a child pid namespace, where two markers may have one name. */
#include <errno.h>

#include "tests/check_fixture.h"

/* Differs from test to test, since several may run at once. */
static pid_t first_ns_pid;

/* Pids are allocated upwards, so a pid that is unused now stays unused for a while. */
static bool is_unused_here(pid_t ns_pid)
{
	return ns_pid >= first_ns_pid && kill(ns_pid, 0) != 0 && errno == ESRCH;
}

/* Moves its children to a new pid namespace and forks there until one has an ns_pid that is not a pid in our
 * namespace; writes the pid of that child. */
static void fork_until_ns_pid_is_unused_here(void)
{
	int flags = CLONE_NEWPID | (geteuid() == 0 ? 0 : CLONE_NEWUSER);
	pid_t child;

	if (unshare(flags) != 0 || process_ns_pid_of(unit_spawn(NULL)) != 1)
		_exit(1);
	for (pid_t ns_pid = 2;; ns_pid++) {
		child = unit_spawn(NULL);
		if (is_unused_here(ns_pid))
			break;
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	if (write(progress[1], &child, sizeof(child)) != sizeof(child))
		_exit(1);
}

/* The child ends with *parent. */
static pid_t spawn_with_unused_ns_pid(pid_t *parent)
{
	pid_t child;

	first_ns_pid = 20 + getpid() % 500;
	ck_assert_int_eq(pipe(progress), 0);
	*parent = unit_spawn(fork_until_ns_pid_is_unused_here);
	close(progress[1]);
	ck_assert_int_eq(read(progress[0], &child, sizeof(child)), sizeof(child));
	close(progress[0]);
	return child;
}

static void write_marker(pid_t pid)
{
	snprintf(strrchr(fixture.marker, '-'), 16, "-%d", (int)pid);
	unit_write(fixture.marker, "ready\n");
}

START_TEST(marker_name_has_pid_of_child_namespace)
{
	pid_t parent, child = spawn_with_unused_ns_pid(&parent), name = process_ns_pid_of(child);

	set_up(child);
	ck_assert_int_ne(name, child);
	write_marker(child);
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	write_marker(name);
	expect(READYD_READY, READYD_REASON_NONE, 0);
	tear_down();
	unit_kill(parent);
}
END_TEST

static void end_and_await(pid_t pid)
{
	struct process p;

	process_open(&p, pid);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	while (!process_gone(&p))
		sched_yield();
	process_close(&p);
}

/* The other process has ended but was not reaped. */
START_TEST(zombie_does_not_collide)
{
	pid_t parents[2], child = spawn_with_unused_ns_pid(&parents[0]),
			  other = spawn_with_unused_ns_pid(&parents[1]);

	ck_assert_int_eq(process_ns_pid_of(child), process_ns_pid_of(other));
	set_up(child);
	end_and_await(other);
	write_marker(process_ns_pid_of(child));
	expect(READYD_READY, READYD_REASON_NONE, 0);
	tear_down();
	unit_kill(parents[0]);
	unit_kill(parents[1]);
}
END_TEST

/* The marker stays ambiguous until it is replaced, even if the other process ends. */
START_TEST(marker_of_two_processes_is_refused)
{
	pid_t parents[2], child = spawn_with_unused_ns_pid(&parents[0]),
			  other = spawn_with_unused_ns_pid(&parents[1]);
	pid_t ns_pid = process_ns_pid_of(child);

	ck_assert_int_eq(process_ns_pid_of(other), ns_pid);
	set_up(child);
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	write_marker(ns_pid);
	expect(READYD_UNREACHABLE, READYD_REASON_NAME_COLLISION, 0);
	ck_assert(!fixture.history.latched);
	end_and_await(other);
	expect(READYD_UNREACHABLE, READYD_REASON_NAME_COLLISION, 0);
	ck_assert_int_eq(unlink(fixture.marker), 0);
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	write_marker(ns_pid);
	expect(READYD_READY, READYD_REASON_NONE, 0);
	tear_down();
	unit_kill(parents[0]);
	unit_kill(parents[1]);
}
END_TEST

/* Without `collisions` other namespaces are not searched, and the answer is marked as unconfirmed. */
START_TEST(unchecked_ambiguity_is_unconfirmed)
{
	pid_t child = unit_spawn_in_child_ns();
	struct readyd_answer answer;

	set_up(child);
	check_process(
	    &fixture.place, &fixture.process, &fixture.history, NULL, &marker_viewer_direct, &answer);
	ck_assert(!fixture.history.unconfirmed);
	write_marker(1);
	check_process(
	    &fixture.place, &fixture.process, &fixture.history, NULL, &marker_viewer_direct, &answer);
	ck_assert_int_eq(answer.verdict, READYD_READY);
	ck_assert(fixture.history.unconfirmed);
	ck_assert(!fixture.history.latched);
	tear_down();
	unit_kill(child);
}
END_TEST

static Suite *suite(void)
{
	const bool may = unit_can_create_pid_ns();
	Suite *s = suite_create("check_child_ns");
	TCase *tcase = unit_case(s, "check_child_ns");

	unit_add_if(tcase, marker_name_has_pid_of_child_namespace, may, "cannot create a pid namespace");
	unit_add_if(tcase, zombie_does_not_collide, may, "cannot create a pid namespace");
	unit_add_if(tcase, marker_of_two_processes_is_refused, may, "cannot create a pid namespace");
	unit_add_if(tcase, unchecked_ambiguity_is_unconfirmed, may, "cannot create a pid namespace");
	return s;
}

int main(void)
{
	return unit_main(suite);
}
