#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "src/process.h"
#include "tests/unit.h"

/* A field of /proc/<pid>/stat, numbered as in proc_pid_stat(5). The comm of a test has no blanks. */
static void stat_field(pid_t pid, int number, char *text, size_t size)
{
	char path[64], line[1024] = "", *field = line, *rest = line;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), file));
	fclose(file);
	for (int i = 0; i < number; i++)
		field = strsep(&rest, " \n");
	snprintf(text, size, "%s", field);
}

static uint64_t start_time_of(pid_t pid)
{
	char text[32];

	stat_field(pid, 22, text, sizeof(text));
	return strtoull(text, NULL, 10);
}

/* Since Linux 6.15 a pidfd reports the status even after the process was reaped. */
static bool kernel_keeps_status_of_reaped(void)
{
	unsigned major = 0, minor = 0;
	struct utsname name;

	ck_assert_int_eq(uname(&name), 0);
	ck_assert_int_eq(sscanf(name.release, "%u.%u", &major, &minor), 2);
	return major > 6 || (major == 6 && minor >= 15);
}

START_TEST(own_process_is_alive)
{
	struct process p;

	process_open(&p, getpid());
	ck_assert_int_eq(p.pid, getpid());
	ck_assert_int_ge(p.fd, 0);
	ck_assert(!p.no_such_process);
	ck_assert(!process_gone(&p));
	ck_assert_uint_eq(p.start, start_time_of(getpid()));
	ck_assert_int_eq(process_wait_status(&p), -1);
	ck_assert_int_ne(fcntl(p.fd, F_GETFD) & FD_CLOEXEC, 0);
	process_close(&p);
}
END_TEST

START_TEST(close_keeps_pid_and_start_time)
{
	int fds = unit_count_fds();
	struct process p, opened;

	process_open(&p, getpid());
	opened = p;
	process_close(&p);
	ck_assert_int_eq(unit_count_fds(), fds);
	ck_assert_int_eq(p.fd, -1);
	ck_assert_int_eq(p.pid, opened.pid);
	ck_assert_uint_eq(p.start, opened.start);
	ck_assert(!process_gone(&p));
	process_close(&p);
}
END_TEST

static const pid_t unused_pids[] = {INT_MAX, UNIT_UNUSED_PID, 4194305};

START_TEST(unused_pid_is_no_such_process)
{
	struct process p;

	process_open(&p, unused_pids[_i]);
	ck_assert(p.no_such_process);
	ck_assert_int_eq(p.fd, -1);
	ck_assert(process_gone(&p));
	ck_assert_uint_eq(p.start, 0);
	ck_assert_int_eq(process_wait_status(&p), -1);
	process_close(&p);
}
END_TEST

/* A child writes a byte to this pipe once it is set up. */
static int progress[2];

static void report(bool done)
{
	if (!done || write(progress[1], "x", 1) != 1)
		_exit(1);
}

static pid_t spawn_and_await(void (*run)(void))
{
	pid_t child;
	char byte;

	ck_assert_int_eq(pipe(progress), 0);
	child = unit_spawn(run);
	close(progress[1]);
	ck_assert_int_eq(read(progress[0], &byte, 1), 1);
	close(progress[0]);
	return child;
}

static void set_odd_comm(void)
{
	report(prctl(PR_SET_NAME, ") Z 1 (x) 22") == 0);
}

START_TEST(odd_comm_is_parsed)
{
	pid_t child = spawn_and_await(set_odd_comm);
	struct process p;

	process_open(&p, child);
	process_close(&p);
	ck_assert(!process_gone(&p));
	ck_assert_uint_ge(p.start, start_time_of(getpid()));
	unit_kill(child);
	ck_assert(process_gone(&p));
}
END_TEST

START_TEST(start_time_distinguishes_processes)
{
	struct process first, second, other;
	pid_t child = unit_spawn(NULL);

	process_open(&first, child);
	process_open(&second, child);
	ck_assert_uint_eq(first.start, second.start);
	ck_assert_uint_eq(first.start, start_time_of(child));
	ck_assert_uint_ge(first.start, start_time_of(getpid()));
	/* As if an earlier process had had the pid. */
	process_close(&second);
	other = second;
	other.start--;
	ck_assert(!process_gone(&second));
	ck_assert(process_gone(&other));
	unit_kill(child);
	ck_assert(process_gone(&first));
	ck_assert(process_gone(&second));
	process_close(&first);
}
END_TEST

START_TEST(open_exact_compares_the_start_time)
{
	int fds = unit_count_fds();
	struct process p;
	uint64_t start = start_time_of(getpid());

	process_open_exact(&p, getpid(), 0);
	ck_assert(!p.no_such_process && !p.reused && !process_gone(&p));
	ck_assert_uint_eq(p.start, start);
	process_close(&p);
	process_open_exact(&p, getpid(), start);
	ck_assert(!p.no_such_process && !p.reused && !process_gone(&p));
	ck_assert_uint_eq(p.start, start);
	process_close(&p);
	process_open_exact(&p, getpid(), start - 1);
	ck_assert(p.no_such_process && p.reused && process_gone(&p));
	ck_assert_uint_eq(p.start, start - 1);
	ck_assert_int_eq(p.fd, -1);
	process_open_exact(&p, UNIT_UNUSED_PID, start);
	ck_assert(p.no_such_process && !p.reused && process_gone(&p));
	ck_assert_uint_eq(p.start, start);
	ck_assert_int_eq(unit_count_fds(), fds);
}
END_TEST

START_TEST(ns_pid_equals_pid_in_own_namespace)
{
	struct process p;

	process_open(&p, getpid());
	ck_assert_int_eq(p.ns_pid, getpid());
	ck_assert(!process_in_child_ns(&p));
	ck_assert(!p.kernel);
	ck_assert_int_eq(process_ns_pid_of(getpid()), getpid());
	ck_assert_int_eq(process_ns_pid_of(UNIT_UNUSED_PID), UNIT_UNUSED_PID);
	process_close(&p);
}
END_TEST

static bool can_see_kernel_thread(void)
{
	char name[16] = "";
	FILE *file = fopen("/proc/2/comm", "re");

	if (file == NULL)
		return false;
	if (fgets(name, sizeof(name), file) == NULL)
		name[0] = '\0';
	fclose(file);
	return strcmp(name, "kthreadd\n") == 0;
}

START_TEST(kernel_thread_is_recognized)
{
	struct process p;

	process_open(&p, 2);
	ck_assert(p.kernel);
	process_close(&p);
}
END_TEST

START_TEST(ns_pid_differs_in_child_namespace)
{
	pid_t child = unit_spawn_in_child_ns();
	struct process p;

	process_open(&p, child);
	ck_assert_int_eq(p.pid, child);
	ck_assert_int_eq(p.ns_pid, 1);
	ck_assert(process_in_child_ns(&p));
	ck_assert(!process_gone(&p));
	unit_kill(child);
	ck_assert(process_gone(&p));
	process_close(&p);
}
END_TEST

START_TEST(state_is_read)
{
	pid_t child = unit_spawn(NULL);
	siginfo_t info;
	struct process p;

	process_open(&p, getpid());
	ck_assert_int_eq(process_state(&p), 'R');
	process_close(&p);
	process_open(&p, child);
	ck_assert_int_eq(kill(child, SIGSTOP), 0);
	ck_assert_int_eq(waitid(P_PID, (id_t)child, &info, WSTOPPED), 0);
	ck_assert_int_eq(process_state(&p), 'T');
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	unit_await_zombie(child);
	ck_assert_int_eq(process_state(&p), 'X');
	unit_reap(child);
	ck_assert_int_eq(process_state(&p), 'X');
	process_close(&p);
}
END_TEST

static const struct {
	int status, signal, wait_status;
} endings[] = {
    {0, 0, W_EXITCODE(0, 0)},
    {1, 0, W_EXITCODE(1, 0)},
    {255, 0, W_EXITCODE(255, 0)},
    {0, SIGKILL, W_EXITCODE(0, SIGKILL)},
    {0, SIGTERM, W_EXITCODE(0, SIGTERM)},
    {0, SIGSEGV, W_EXITCODE(0, SIGSEGV)},
};

START_TEST(zombie_is_gone)
{
	pid_t child = unit_spawn_ending(endings[_i].status, endings[_i].signal);
	bool unclear = endings[_i].wait_status == 0 && geteuid() != 0;
	struct process early, late;

	process_open(&early, child);
	unit_await_zombie(child);
	process_open(&late, child);
	ck_assert(!late.no_such_process);
	ck_assert(process_gone(&early));
	ck_assert(process_gone(&late));
	ck_assert_uint_eq(late.start, start_time_of(child));
	/* An unprivileged process also reads 0 where it may not read the status. */
	ck_assert_int_eq(process_wait_status(&late), unclear ? -1 : endings[_i].wait_status);
	process_close(&late);
	ck_assert(process_gone(&late));
	ck_assert_int_eq(process_wait_status(&late), unclear ? -1 : endings[_i].wait_status);
	unit_reap(child);
	process_close(&early);
}
END_TEST

START_TEST(reaped_is_gone)
{
	pid_t child = unit_spawn_ending(endings[_i].status, endings[_i].signal);
	uint64_t start;
	struct process p;

	process_open(&p, child);
	start = p.start;
	unit_reap(child);
	ck_assert(process_gone(&p));
	ck_assert(!p.no_such_process);
	ck_assert_uint_eq(p.start, start);
	ck_assert_int_eq(
	    process_wait_status(&p), kernel_keeps_status_of_reaped() ? endings[_i].wait_status : -1);
	process_close(&p);
	ck_assert(process_gone(&p));
	ck_assert_int_eq(process_wait_status(&p), -1);
}
END_TEST

/* The child ends while it is opened; the delays place its end between any two system calls. */
START_TEST(start_time_of_ending_process_is_read)
{
	struct process p;
	pid_t child;

	for (int i = 0; i < 3000; i++) {
		child = unit_spawn_ending(3, 0);
		for (int spin = 0; spin < i % 100 * 100; spin++)
			__asm__ volatile("");
		process_open(&p, child);
		unit_check(!p.no_such_process && p.start != 0);
		process_close(&p);
		unit_reap(child);
	}
}
END_TEST

START_TEST(stopped_is_not_gone)
{
	pid_t child = unit_spawn(NULL);
	siginfo_t info;
	struct process p;

	process_open(&p, child);
	ck_assert_int_eq(kill(child, SIGSTOP), 0);
	ck_assert_int_eq(waitid(P_PID, (id_t)child, &info, WSTOPPED), 0);
	ck_assert(!process_gone(&p));
	process_close(&p);
	ck_assert(!process_gone(&p));
	unit_kill(child);
}
END_TEST

struct thread {
	pid_t tid;
	pthread_barrier_t started, end;
};

static void *run_thread(void *arg)
{
	struct thread *thread = arg;

	thread->tid = (pid_t)syscall(SYS_gettid);
	pthread_barrier_wait(&thread->started);
	pthread_barrier_wait(&thread->end);
	return NULL;
}

START_TEST(thread_id_is_no_such_process)
{
	struct thread thread = {0};
	struct process p;
	pthread_t id;

	pthread_barrier_init(&thread.started, NULL, 2);
	pthread_barrier_init(&thread.end, NULL, 2);
	ck_assert_int_eq(pthread_create(&id, NULL, run_thread, &thread), 0);
	pthread_barrier_wait(&thread.started);
	process_open(&p, thread.tid);
	ck_assert_int_ne(thread.tid, getpid());
	ck_assert(p.no_such_process);
	ck_assert(process_gone(&p));
	process_close(&p);
	pthread_barrier_wait(&thread.end);
	pthread_join(id, NULL);
}
END_TEST

static void *pause_forever(void *arg)
{
	while (pause() < 0)
		continue;
	return arg;
}

static void exit_leader(void)
{
	pthread_t id;

	if (pthread_create(&id, NULL, pause_forever, NULL) != 0)
		_exit(1);
	pthread_exit(NULL);
}

/* Linux reports no event when the leader exits. */
static pid_t spawn_without_leader(void)
{
	pid_t child = unit_spawn(exit_leader);
	char state[32];

	do {
		sched_yield();
		stat_field(child, 3, state, sizeof(state));
	} while (strcmp(state, "Z") != 0);
	return child;
}

START_TEST(alive_after_leader_exited)
{
	pid_t child = spawn_without_leader();
	struct process p;

	process_open(&p, child);
	ck_assert(!p.no_such_process);
	ck_assert(!process_gone(&p));
	ck_assert_uint_eq(p.start, start_time_of(child));
	ck_assert_int_eq(process_check_uid(&p, geteuid()), PROCESS_UID_OWN);
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	unit_await_zombie(child);
	ck_assert(process_gone(&p));
	ck_assert_int_eq(process_wait_status(&p), SIGKILL);
	unit_reap(child);
	process_close(&p);
}
END_TEST

START_TEST(alive_after_leader_exited_without_pidfd)
{
	pid_t child = spawn_without_leader();
	struct process p;

	process_open(&p, child);
	process_close(&p);
	ck_assert(!process_gone(&p));
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	unit_await_zombie(child);
	ck_assert(process_gone(&p));
	unit_reap(child);
	ck_assert(process_gone(&p));
}
END_TEST

START_TEST(own_uids_are_recognized)
{
	struct process p;

	process_open(&p, getpid());
	for (int held = 1; held >= 0; held--) {
		ck_assert_int_eq(process_check_uid(&p, getuid()), PROCESS_UID_OWN);
		ck_assert_int_eq(process_check_uid(&p, geteuid()), PROCESS_UID_OWN);
		ck_assert_int_eq(process_check_uid(&p, geteuid() + 1), PROCESS_UID_FOREIGN);
		ck_assert_int_eq(process_check_uid(&p, (uid_t)-2), PROCESS_UID_FOREIGN);
		process_close(&p);
	}
}
END_TEST

static void set_three_uids(void)
{
	report(setresuid(1001, 1002, 1003) == 0);
}

static void set_filesystem_uid(void)
{
	bool done = setresuid(1001, 1002, 1003) == 0;

	setfsuid(1003);
	report(done);
}

START_TEST(filesystem_uid_counts)
{
	pid_t child = spawn_and_await(set_filesystem_uid);
	struct process p;

	process_open(&p, child);
	for (int held = 1; held >= 0; held--) {
		for (uid_t uid = 1000; uid <= 1004; uid++)
			ck_assert(
			    (process_check_uid(&p, uid) == PROCESS_UID_OWN) == (uid > 1000 && uid < 1004));
		process_close(&p);
	}
	unit_kill(child);
}
END_TEST

/* The saved uid does not count, since it owns no files that the process creates. */
START_TEST(real_and_effective_uid_count)
{
	pid_t child = spawn_and_await(set_three_uids);
	struct process p;

	process_open(&p, child);
	for (int held = 1; held >= 0; held--) {
		ck_assert_int_eq(process_check_uid(&p, 1001), PROCESS_UID_OWN);
		ck_assert_int_eq(process_check_uid(&p, 1002), PROCESS_UID_OWN);
		ck_assert_int_eq(process_check_uid(&p, 1003), PROCESS_UID_FOREIGN);
		ck_assert_int_eq(process_check_uid(&p, 1000), PROCESS_UID_FOREIGN);
		ck_assert_int_eq(process_check_uid(&p, 1004), PROCESS_UID_FOREIGN);
		ck_assert_int_eq(process_check_uid(&p, 0), PROCESS_UID_FOREIGN);
		process_close(&p);
	}
	unit_kill(child);
}
END_TEST

/* It may have had others between its opening and its end. */
START_TEST(other_uids_of_ended_process_are_unreadable)
{
	pid_t child = unit_spawn(NULL);
	struct process p;

	process_open(&p, child);
	unit_kill(child);
	ck_assert_int_eq(process_check_uid(&p, geteuid()), PROCESS_UID_OWN);
	ck_assert_int_eq(process_check_uid(&p, geteuid() + 1), PROCESS_UID_UNREADABLE);
	process_close(&p);
	ck_assert_int_eq(process_check_uid(&p, geteuid()), PROCESS_UID_OWN);
	ck_assert_int_eq(process_check_uid(&p, geteuid() + 1), PROCESS_UID_UNREADABLE);
}
END_TEST

/* Without descriptors neither a pidfd nor /proc can be opened. */

START_TEST(live_process_is_unknown_without_descriptors)
{
	pid_t child = unit_spawn(NULL);
	struct rlimit limit = unit_forbid_new_fds();
	enum process_life life;
	enum process_uid uid;
	struct process p;

	process_open(&p, child);
	life = process_life(&p);
	uid = process_check_uid(&p, geteuid() + 1);
	unit_restore_fd_limit(&limit);
	ck_assert_int_eq(p.fd, -1);
	ck_assert(!p.no_such_process);
	ck_assert(p.unread);
	ck_assert_int_eq(life, PROCESS_UNKNOWN);
	ck_assert_int_eq(uid, PROCESS_UID_UNKNOWN);
	ck_assert_int_eq(process_life(&p), PROCESS_LIVES);
	unit_kill(child);
	ck_assert_int_eq(process_life(&p), PROCESS_GONE);
}
END_TEST

START_TEST(state_is_unknown_without_descriptors)
{
	struct rlimit limit = unit_forbid_new_fds();
	struct process p;
	char state;

	process_open(&p, getpid());
	state = process_state(&p);
	unit_restore_fd_limit(&limit);
	ck_assert_int_eq(state, '?');
	ck_assert_int_eq(process_state(&p), 'R');
}
END_TEST

/* If standard input was closed, the pidfd gets descriptor 0. */
START_TEST(descriptor_zero_is_valid)
{
	struct process p;

	close(STDIN_FILENO);
	process_open(&p, getpid());
	ck_assert_int_eq(p.fd, STDIN_FILENO);
	ck_assert(!p.no_such_process);
	ck_assert(!process_gone(&p));
	process_close(&p);
	ck_assert_int_eq(fcntl(STDIN_FILENO, F_GETFD), -1);
	/* Reading /proc uses descriptor 0 as well. */
	ck_assert(!process_gone(&p));
	p.start--;
	ck_assert(process_gone(&p));
}
END_TEST

START_TEST(life_is_read_once_descriptors_are_available)
{
	pid_t child = unit_spawn(NULL);
	struct rlimit limit = unit_forbid_new_fds();
	struct process p;

	process_open(&p, child);
	unit_restore_fd_limit(&limit);
	ck_assert(!process_gone(&p));
	unit_kill(child);
	ck_assert(process_gone(&p));
	process_close(&p);
}
END_TEST

/* Until it can be read, the given start time is taken for granted. */
START_TEST(start_is_compared_once_descriptors_are_available)
{
	uint64_t start = start_time_of(getpid());
	struct rlimit limit = unit_forbid_new_fds();
	struct process right, wrong;
	bool gone;

	process_open_exact(&right, getpid(), start);
	process_open_exact(&wrong, getpid(), start - 1);
	gone = process_gone(&right) || process_gone(&wrong);
	unit_restore_fd_limit(&limit);
	ck_assert(!gone);
	ck_assert(right.identity_unknown && !right.start_known);
	ck_assert_uint_eq(right.start, start);
	ck_assert_int_eq(right.ns_pid, getpid());
	ck_assert(!process_gone(&right));
	ck_assert(process_gone(&wrong));
}
END_TEST

START_TEST(zombie_is_recognized_once_descriptors_are_available)
{
	pid_t child = unit_spawn(NULL);
	struct rlimit limit = unit_forbid_new_fds();
	struct process p;

	process_open(&p, child);
	unit_restore_fd_limit(&limit);
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	unit_await_zombie(child);
	ck_assert(process_gone(&p));
	unit_reap(child);
	process_close(&p);
}
END_TEST

START_TEST(ended_process_is_gone_without_descriptors)
{
	pid_t child = unit_spawn(NULL);
	struct rlimit limit = unit_forbid_new_fds();
	struct process before, after, unused;
	bool gone;

	process_open(&before, child);
	unit_kill(child);
	process_open(&after, child);
	process_open(&unused, UNIT_UNUSED_PID);
	gone = process_gone(&before) && process_gone(&after) && process_gone(&unused);
	unit_restore_fd_limit(&limit);
	ck_assert(gone);
	ck_assert(!before.no_such_process);
	ck_assert(after.no_such_process);
	ck_assert(unused.no_such_process);
}
END_TEST

START_TEST(open_pidfd_works_without_descriptors)
{
	pid_t child = unit_spawn(NULL);
	struct process p;
	struct rlimit limit;
	bool alive, gone;

	process_open(&p, child);
	limit = unit_forbid_new_fds();
	alive = !process_gone(&p);
	kill(child, SIGKILL);
	unit_await_zombie(child);
	gone = process_gone(&p);
	unit_restore_fd_limit(&limit);
	ck_assert(alive);
	ck_assert(gone);
	unit_reap(child);
	process_close(&p);
}
END_TEST

/* Also without pidfd_send_signal(2), see tests/e2e_old_kernels.sh. */
START_TEST(only_what_exists_keeps_its_pid)
{
	pid_t pid = unit_spawn(NULL);
	struct process p;

	process_open(&p, pid);
	ck_assert(process_keeps_pid(&p));
	unit_kill(pid);
	ck_assert(!process_keeps_pid(&p));
	process_close(&p);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("process");
	TCase *tcase = unit_case(s, "identity");

	tcase_add_test(tcase, own_process_is_alive);
	tcase_add_test(tcase, close_keeps_pid_and_start_time);
	tcase_add_loop_test(tcase, unused_pid_is_no_such_process, 0, UNIT_COUNT(unused_pids));
	tcase_add_test(tcase, odd_comm_is_parsed);
	tcase_add_test(tcase, start_time_distinguishes_processes);
	tcase_add_test(tcase, open_exact_compares_the_start_time);
	tcase_add_test(tcase, ns_pid_equals_pid_in_own_namespace);
	unit_add_if(
	    tcase, kernel_thread_is_recognized, can_see_kernel_thread(), "kernel threads are not visible");
	unit_add_if(tcase, ns_pid_differs_in_child_namespace, unit_can_create_pid_ns(),
	    "cannot create a pid namespace");
	tcase = unit_case(s, "end");
	tcase_add_test(tcase, state_is_read);
	tcase_add_loop_test(tcase, zombie_is_gone, 0, UNIT_COUNT(endings));
	tcase_add_loop_test(tcase, reaped_is_gone, 0, UNIT_COUNT(endings));
	tcase_add_test(tcase, start_time_of_ending_process_is_read);
	tcase_add_test(tcase, stopped_is_not_gone);
	tcase = unit_case(s, "thread");
	tcase_add_test(tcase, thread_id_is_no_such_process);
	tcase_add_test(tcase, alive_after_leader_exited);
	tcase_add_test(tcase, alive_after_leader_exited_without_pidfd);
	tcase = unit_case(s, "uid");
	tcase_add_test(tcase, only_what_exists_keeps_its_pid);
	tcase_add_test(tcase, own_uids_are_recognized);
	tcase_add_test(tcase, other_uids_of_ended_process_are_unreadable);
	unit_add_if(tcase, real_and_effective_uid_count, geteuid() == 0, "needs root");
	unit_add_if(tcase, filesystem_uid_counts, geteuid() == 0, "needs root");
	tcase = unit_case(s, "without descriptors");
	tcase_add_test(tcase, live_process_is_unknown_without_descriptors);
	tcase_add_test(tcase, state_is_unknown_without_descriptors);
	tcase_add_test(tcase, descriptor_zero_is_valid);
	tcase_add_test(tcase, life_is_read_once_descriptors_are_available);
	tcase_add_test(tcase, start_is_compared_once_descriptors_are_available);
	tcase_add_test(tcase, zombie_is_recognized_once_descriptors_are_available);
	tcase_add_test(tcase, ended_process_is_gone_without_descriptors);
	tcase_add_test(tcase, open_pidfd_works_without_descriptors);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
