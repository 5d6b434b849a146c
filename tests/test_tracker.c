#include <sys/mount.h>
#include <time.h>

#include "daemon/arrival.h"
#include "daemon/loop.h"
#include "daemon/quota.h"
#include "daemon/scouts.h"
#include "daemon/tracker.h"
#include "src/clock.h"
#include "src/dirwatch.h"
#include "tests/refuse.h"
#include "tests/unit.h"

/* What the tracker remembers of markers that no process waits for. */
static struct loop *loop;
static struct marker_place place;
static struct tracker tracker;
static struct dirwatch dirs;
static const struct scouts_config without_scouts = {.place = &place, .dirs = &dirs, .spawner = -1};
static struct scouts *scouts;
static unsigned searches;
static struct quota quota;

static void on_first_wait(void *context)
{
	(void)context;
}

static void on_behind(void *context)
{
	(void)context;
}

static void set_up(void)
{
	char dir[UNIT_PATH_SIZE];

	unit_dir(dir);
	ck_assert_int_eq(marker_place_init(&place, dir, "ready-"), 0);
	loop = loop_new();
	dirwatch_init(&dirs, &place, on_behind, NULL);
	scouts = scouts_new(loop, &without_scouts);
	quota_init(&quota, geteuid(), &(struct quota_config){1024, 100, 100});
	tracker_init(&tracker, loop, &place, &dirs, scouts, &quota, on_first_wait, NULL);
	searches = 100;
}

static void tear_down(void)
{
	tracker_fini(&tracker);
	scouts_free(scouts);
	loop_free(loop);
	ck_assert_ptr_null(quota.users);
}

static const char *path_of(pid_t pid)
{
	static char path[2 * MARKER_DIR_SIZE + 32];

	snprintf(path, sizeof(path), "%s/ready-%d", place.dir, (int)pid);
	return path;
}

static void mark(pid_t pid)
{
	unit_write(path_of(pid), "ready\n");
}

/* By the stamp, it is a marker of tomorrow or yesterday. */
static void stamp(pid_t pid, int days)
{
	const struct timespec times[2] = {
	    {.tv_sec = time(NULL) + days * 86400}, {.tv_sec = time(NULL) + days * 86400}};

	ck_assert_int_eq(utimensat(AT_FDCWD, path_of(pid), times, 0), 0);
}

static void expect_of(pid_t pid, uint64_t start, enum readyd_verdict verdict, enum readyd_reason reason)
{
	struct readyd_answer answer;

	tracker_query(&tracker, NULL, pid, start, &answer);
	ck_assert_int_eq(answer.pid, pid);
	ck_assert_int_eq(answer.verdict, verdict);
	ck_assert_int_eq(answer.reason, reason);
}

static uint64_t start_of(pid_t pid)
{
	struct process process;

	process_open(&process, pid);
	process_close(&process);
	ck_assert_uint_ne(process.start, 0);
	return process.start;
}

/* The next process of this namespace has this pid. */
static pid_t spawn_with_pid(pid_t pid)
{
	FILE *file = fopen("/proc/sys/kernel/ns_last_pid", "w");
	pid_t child;

	ck_assert_ptr_nonnull(file);
	ck_assert_int_gt(fprintf(file, "%d", (int)pid - 1), 0);
	ck_assert_int_eq(fclose(file), 0);
	child = unit_spawn(NULL);
	ck_assert_int_eq(child, pid);
	return child;
}

static pid_t choose_free_pid(void)
{
	static pid_t pid = 20000;

	ck_assert(!process_exists(++pid));
	return pid;
}

static bool have_namespace;

/* The process starts within the resolution of the clocks: only the order of what was seen tells. */
/* The user that the entry of a process is charged to: the first user that asks, then the process's own. */
START_TEST(a_process_is_charged_to_its_own_user_in_the_end)
{
	struct quota_user *asker = quota_enter(&quota, geteuid() + 1);
	pid_t child = unit_spawn(NULL);
	struct readyd_answer answer;
	const struct registry_entry *entry;

	mark(child);
	tracker_query(&tracker, asker, child, 0, &answer);
	ck_assert_int_eq(answer.verdict, READYD_READY);
	entry = registry_find(tracker.registry, child);
	ck_assert_ptr_eq(entry->user, asker);
	ck_assert_uint_eq(asker->used[QUOTA_PROCESSES], 1);
	tracker_marker_seen(&tracker, child, &(struct arrival){.searches = &searches});
	ck_assert_uint_eq(entry->user->uid, geteuid());
	ck_assert_uint_eq(asker->used[QUOTA_PROCESSES], 0);
	tracker_query(&tracker, asker, child, 0, &answer);
	ck_assert_uint_eq(entry->user->uid, geteuid());
	unit_kill(child);
	quota_leave(&quota, asker);
}
END_TEST

static void join_nothing(struct registry_entry *entry, void *context)
{
	registry_attach(tracker.registry, entry, context);
}

static void on_settled(
    struct registry_wait *wait, const struct registry_entry *entry, const struct readyd_answer *answer)
{
	(void)wait;
	(void)entry;
	ck_assert_int_eq(answer->verdict, READYD_READY);
}

/* A user without room waits for the process of another one first: that it was ready is remembered all the
 * same. */
START_TEST(a_process_gets_its_pidfd_from_its_own_user)
{
	struct quota_user *asker = quota_enter(&quota, geteuid() + 1);
	static const struct registry_wait_kind kind = {.settled = on_settled};
	struct registry_wait wait = {.kind = &kind};
	pid_t child = unit_spawn(NULL);
	const struct registry_entry *entry;
	struct readyd_answer answer;

	quota.limits[QUOTA_PROCESSES] = (struct quota_limit){SIZE_MAX, 2};
	ck_assert(quota_charge(&quota, asker, QUOTA_PROCESSES, 1));
	ck_assert(tracker_enroll(
	    &tracker, asker, &(struct tracker_named){.pid = child}, join_nothing, &wait, &answer));
	entry = registry_find(tracker.registry, child);
	ck_assert_int_lt(entry->process.fd, 0);
	ck_assert_uint_eq(asker->used[QUOTA_PROCESSES], 1);
	mark(child);
	tracker_marker_seen(&tracker, child, &(struct arrival){.searches = &searches});
	ck_assert_ptr_eq(registry_find(tracker.registry, child), entry);
	ck_assert_int_ge(entry->process.fd, 0);
	ck_assert_uint_eq(entry->user->uid, geteuid());
	ck_assert_uint_eq(entry->user->used[QUOTA_PROCESSES], 1);
	ck_assert_int_eq(unlink(path_of(child)), 0);
	expect_of(child, 0, READYD_READY, READYD_REASON_NONE);
	unit_kill(child);
	quota_release(&quota, asker, QUOTA_PROCESSES, 1);
	quota_leave(&quota, asker);
}
END_TEST

/* It gets its answers all the same, and nothing is kept for it. */
START_TEST(a_user_without_room_is_answered)
{
	struct quota_user *asker = quota_enter(&quota, geteuid() + 1);
	struct quota_user *other = quota_enter(&quota, geteuid() + 2);
	pid_t child = unit_spawn(NULL);
	int fds = unit_count_fds();
	struct readyd_answer answer;

	mark(child);
	quota.limits[QUOTA_PROCESSES] = (struct quota_limit){SIZE_MAX, 2};
	ck_assert(quota_charge(&quota, asker, QUOTA_PROCESSES, 1));
	tracker_query(&tracker, asker, child, 0, &answer);
	ck_assert_int_eq(answer.verdict, READYD_READY);
	ck_assert_int_eq(unit_count_fds(), fds);
	ck_assert_ptr_null(registry_find(tracker.registry, child));
	quota_release(&quota, asker, QUOTA_PROCESSES, 1);
	tracker_query(&tracker, other, child, 0, &answer);
	ck_assert_ptr_nonnull(registry_find(tracker.registry, child));
	unit_kill(child);
	quota_leave(&quota, asker);
	quota_leave(&quota, other);
}
END_TEST

/* It is known to have ended, and not whether that user was its own: for a wait, an answer and no shortage. */
START_TEST(wait_for_an_ended_process_with_another_users_marker)
{
	struct quota_user *asker = quota_enter(&quota, geteuid());
	const pid_t pid = UNIT_UNUSED_PID;
	struct readyd_answer answer;

	mark(pid);
	ck_assert_int_eq(chown(path_of(pid), 12345, 12345), 0);
	ck_assert(!tracker_enroll(
	    &tracker, asker, &(struct tracker_named){.pid = pid, .start = 1}, join_nothing, NULL, &answer));
	ck_assert_int_eq(answer.verdict, READYD_DIED);
	ck_assert_int_eq(answer.reason, READYD_REASON_IDENTITY_UNKNOWN);
	quota_leave(&quota, asker);
}
END_TEST

#ifdef SYS_poll
/* The end cannot be confirmed, and its pidfd stays readable. */
START_TEST(an_end_that_cannot_be_confirmed_is_looked_at_in_each_tick)
{
	struct quota_user *asker = quota_enter(&quota, geteuid());
	static const struct registry_wait_kind kind = {.settled = on_settled};
	struct registry_wait wait = {.kind = &kind};
	pid_t child = unit_spawn(NULL);
	struct readyd_answer answer;
	uint64_t looks;

	ck_assert(tracker_enroll(
	    &tracker, asker, &(struct tracker_named){.pid = child}, join_nothing, &wait, &answer));
	unit_kill(child);
	ck_assert_int_eq(refuse(SYS_poll, ENOMEM), 0);
	looks = tracker.looks;
	for (int turn = 0; turn < 10; turn++)
		loop_turn(loop, false);
	ck_assert_uint_eq(tracker.looks, looks + 1);
	tracker_tick(&tracker);
	while (tracker_check_due(&tracker, loop_pass_number(loop) + 1))
		continue;
	ck_assert_uint_eq(tracker.looks, looks + 2);
	tracker_leave(&tracker, &wait);
	quota_leave(&quota, asker);
}
END_TEST
#endif

START_TEST(marker_that_was_there_before_is_stale)
{
	pid_t pid = choose_free_pid();

	mark(pid);
	stamp(pid, _i);
	tracker_marker_seen(&tracker, pid, NULL);
	ck_assert_uint_eq(sightings_count(&tracker.leftovers.sightings), 1);
	spawn_with_pid(pid);
	expect_of(pid, 0, READYD_STALE, READYD_REASON_OLDER);
	ck_assert_int_eq(chmod(path_of(pid), 0600), 0);
	expect_of(pid, 0, READYD_STALE, READYD_REASON_OLDER);
	mark(pid);
	expect_of(pid, 0, READYD_READY, READYD_REASON_NONE);
	unit_kill(pid);
}
END_TEST

START_TEST(marker_that_is_gone_is_no_leftover)
{
	pid_t pid = choose_free_pid();

	mark(pid);
	tracker_marker_seen(&tracker, pid, NULL);
	ck_assert_int_eq(unlink(path_of(pid)), 0);
	tracker_marker_seen(&tracker, pid, NULL);
	ck_assert_uint_eq(sightings_count(&tracker.leftovers.sightings), 0);
}
END_TEST

/* The one that a process has left when it was queried last. */
START_TEST(marker_of_an_ended_process_is_a_leftover)
{
	pid_t pid = unit_spawn(NULL);

	mark(pid);
	expect_of(pid, 0, READYD_READY, READYD_REASON_NONE);
	unit_kill(pid);
	expect_of(pid, 0, READYD_EXITED, READYD_REASON_NONE);
	spawn_with_pid(pid);
	expect_of(pid, 0, READYD_STALE, READYD_REASON_OLDER);
	unit_kill(pid);
}
END_TEST

/* The end of the first process is noticed only when the next one has its pid and has written its own marker.
 */
START_TEST(marker_of_the_next_process_is_its_own)
{
	pid_t pid = unit_spawn(NULL);

	expect_of(pid, 0, READYD_PENDING, READYD_REASON_NONE);
	unit_kill(pid);
	spawn_with_pid(pid);
	mark(pid);
	expect_of(pid, 0, READYD_READY, READYD_REASON_NONE);
	unit_kill(pid);
}
END_TEST

static void check_entries(size_t entries)
{
	struct registry_counts counts;

	registry_count(tracker.registry, &counts);
	ck_assert_uint_eq(counts.entries, entries);
}

/* A process in a child pid namespace has the number: the marker is its own, which is remembered. */
START_TEST(number_in_use_below_is_not_a_leftover)
{
	pid_t pid = choose_free_pid(), first;
	int told[2];
	char byte;

	ck_assert_int_eq(pipe(told), 0);
	first = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);
	if (first == 0) {
		unit_die_with_parent(0);
		spawn_with_pid(pid);
		(void)!write(told[1], "p", 1);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(told[0], &byte, 1), 1);
	mark(pid);
	tracker_marker_seen(&tracker, pid, NULL);
	check_entries(1);
	unit_kill(first);
}
END_TEST

/* The start of a process is rounded down. */
static void await_next_clock_tick(void)
{
	const int64_t now = clock_now_ns(CLOCK_BOOTTIME) / clock_tick_ns();

	while (clock_now_ns(CLOCK_BOOTTIME) / clock_tick_ns() == now)
		continue;
}

START_TEST(process_that_never_was_ready_has_died)
{
	pid_t pid = choose_free_pid();
	uint64_t start;

	mark(pid);
	tracker_marker_seen(&tracker, pid, NULL);
	await_next_clock_tick();
	spawn_with_pid(pid);
	start = start_of(pid);
	unit_kill(pid);
	expect_of(pid, start, READYD_DIED, READYD_REASON_NO_PROCESS);
}
END_TEST

static struct arrival arrival_after(int64_t since)
{
	struct arrival arrival = {.since = since, .searches = &searches};

	ck_assert(marker_place_identify(&place, &arrival.dev, &arrival.ino));
	return arrival;
}

/* The process lived when the last event had been read: what has come since is not older. */
START_TEST(arrival_while_the_process_lives)
{
	pid_t pid = unit_spawn(NULL);
	struct arrival arrival;
	struct registry_entry *entry;

	arrival = arrival_after(clock_now_ns(CLOCK_BOOTTIME) + clock_tick_ns());
	mark(pid);
	tracker_marker_seen(&tracker, pid, &arrival);
	entry = registry_find(tracker.registry, pid);
	ck_assert_ptr_nonnull(entry);
	ck_assert(entry->history.absent_seen);
	ck_assert(entry->history.latched);
	ck_assert_int_eq(unlink(path_of(pid)), 0);
	expect_of(pid, 0, READYD_READY, READYD_REASON_NONE);
	unit_kill(pid);
}
END_TEST

/* In a private directory it counts; where others can write, the answer says that it was there. */
START_TEST(arrival_that_is_gone)
{
	const mode_t mode = _i > 0 ? 01777 : 0755;
	struct arrival arrival;
	pid_t pid = unit_spawn(NULL);

	ck_assert_int_eq(chmod(place.dir, mode), 0);
	arrival = arrival_after((int64_t)start_of(pid) * clock_tick_ns() + clock_tick_ns());
	expect_of(pid, 0, READYD_PENDING, READYD_REASON_NONE);
	tracker_marker_seen(&tracker, pid, &arrival);
	if (_i > 0)
		expect_of(pid, 0, READYD_PENDING, READYD_REASON_CAME_AND_WENT);
	else
		expect_of(pid, 0, READYD_READY, READYD_REASON_NONE);
	unit_kill(pid);
}
END_TEST

static bool is_new(const struct arrival *arrival, pid_t pid)
{
	struct process process;
	bool new;

	process_open(&process, pid);
	new = arrival_is_new(arrival, &place, &process);
	process_close(&process);
	return new;
}

/* An event of an earlier process may be read late; an old file may be linked or renamed to the name. */
START_TEST(arrivals_that_say_nothing)
{
	pid_t pid;
	char other[2 * MARKER_DIR_SIZE + 32];
	struct arrival arrival;

	snprintf(other, sizeof(other), "%s/other", place.dir);
	unit_write(other, "ready\n");
	pid = unit_spawn(NULL);
	arrival = arrival_after(clock_now_ns(CLOCK_BOOTTIME) + clock_tick_ns());
	mark(pid);
	ck_assert(is_new(&arrival, pid));
	arrival.since = (int64_t)start_of(pid) * clock_tick_ns();
	ck_assert(!is_new(&arrival, pid));
	arrival.since = 0;
	ck_assert(!is_new(&arrival, pid));
	arrival = arrival_after(clock_now_ns(CLOCK_BOOTTIME) + clock_tick_ns());
	ck_assert_int_eq(unlink(path_of(pid)), 0);
	ck_assert(!is_new(&arrival, pid));
	ck_assert_int_eq(link(other, path_of(pid)), 0);
	ck_assert(!is_new(&arrival, pid));
	ck_assert_int_eq(unlink(path_of(pid)), 0);
	ck_assert_int_eq(mkdir(path_of(pid), 0700), 0);
	ck_assert(!is_new(&arrival, pid));
	unit_kill(pid);
}
END_TEST

/* Events of numbers that no process has are many when the directory is flooded. */
START_TEST(searches_are_limited)
{
	struct arrival arrival = arrival_after(0);
	pid_t pid = choose_free_pid();

	searches = 1;
	mark(pid);
	tracker_marker_seen(&tracker, pid, &arrival);
	ck_assert_uint_eq(searches, 0);
	pid = choose_free_pid();
	mark(pid);
	tracker_marker_seen(&tracker, pid, &arrival);
	ck_assert_uint_eq(sightings_count(&tracker.leftovers.sightings), 1);
}
END_TEST

static Suite *suite(void)
{
	static const char *const why = "needs root, CONFIG_CHECKPOINT_RESTORE and a pid namespace";
	Suite *s = suite_create("tracker");
	TCase *tcase = unit_case(s, "tracker");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	if (have_namespace)
		tcase_add_loop_test(tcase, marker_that_was_there_before_is_stale, -1, 2);
	else
		printf("# skipped: marker_that_was_there_before_is_stale: %s\n", why);
	unit_add_if(tcase, marker_of_an_ended_process_is_a_leftover, have_namespace, why);
	unit_add_if(tcase, marker_of_the_next_process_is_its_own, have_namespace, why);
	unit_add_if(tcase, process_that_never_was_ready_has_died, have_namespace, why);
	unit_add_if(tcase, number_in_use_below_is_not_a_leftover, have_namespace, why);
	unit_add_if(tcase, marker_that_is_gone_is_no_leftover, have_namespace, why);
	tcase_add_test(tcase, a_process_is_charged_to_its_own_user_in_the_end);
	tcase_add_test(tcase, a_process_gets_its_pidfd_from_its_own_user);
	tcase_add_test(tcase, a_user_without_room_is_answered);
	unit_add_if(tcase, wait_for_an_ended_process_with_another_users_marker, geteuid() == 0, "needs root");
#ifdef SYS_poll
	unit_add_if(tcase, an_end_that_cannot_be_confirmed_is_looked_at_in_each_tick, unit_can_refuse(),
	    "needs seccomp filters");
#endif
	tcase_add_test(tcase, arrival_while_the_process_lives);
	tcase_add_test(tcase, arrivals_that_say_nothing);
	tcase_add_loop_test(tcase, arrival_that_is_gone, 0, 2);
	unit_add_if(tcase, searches_are_limited, have_namespace, why);
	return s;
}

/* The leak checker finds no /proc of its pid in the namespace of the tests. The name is that of
 * <sanitizer/lsan_interface.h>. */
/* NOLINTBEGIN(bugprone-reserved-identifier) */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return 1;
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* In a pid namespace of its own, other programs take no pids. */
int main(void)
{
	int status;
	pid_t pid;

	if (geteuid() != 0 || access("/proc/sys/kernel/ns_last_pid", W_OK) != 0 ||
	    unshare(CLONE_NEWPID | CLONE_NEWNS) != 0)
		return unit_main(suite);
	pid = fork();
	if (pid == 0) {
		have_namespace = mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
				 mount("proc", "/proc", "proc", 0, NULL) == 0;
		return have_namespace ? unit_main(suite) : EXIT_FAILURE;
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status)
									       : EXIT_FAILURE;
}
