#include <errno.h>
#include <limits.h>

#include "daemon/loop.h"
#include "daemon/namewatch.h"
#include "daemon/watch.h"
#include "src/dirwatch.h"
#include "tests/unit.h"

#define PID 1234
/* Numbers of existing markers: more than a scan reports in one turn, and more than the names that it reads in
 * one. */
#define MANY  200
#define MOST  1200
#define SLICE 64

/* A watch and what it reports. A loop ends when the event that the test awaits has been reported. */
static struct loop *loop;
static struct watch *watch;
static struct marker_place place;
static char marker[2 * UNIT_PATH_SIZE], other[2 * UNIT_PATH_SIZE];
static unsigned markers, names, extras, ticks, rescans, changes, asked_for_waits;
static pid_t last_pid, last_name;
static int last_wd;
static bool trusted;
static unsigned seen[MOST + 1];
static struct dirwatch dirs;
static bool has_waits_now;
static const unsigned *awaited;

static void count(unsigned *counter)
{
	(*counter)++;
	if (counter == awaited)
		loop_stop(loop);
}

static void on_marker(pid_t pid, const struct arrival *arrival, void *context)
{
	(void)arrival;
	ck_assert_ptr_eq(context, &place);
	last_pid = pid;
	if (pid <= MOST)
		seen[pid]++;
	count(&markers);
}

static void on_behind(void *context)
{
	ck_assert_ptr_eq(context, &place);
	watch_on_behind(watch);
}

static void on_written(pid_t pid, uint64_t position, void *context)
{
	(void)pid;
	(void)position;
	(void)context;
}

static void on_name(pid_t pid, void *context)
{
	ck_assert_ptr_eq(context, &place);
	last_name = pid;
	count(&names);
}

static void on_extra(int wd, pid_t ns_pid, void *context)
{
	ck_assert_ptr_eq(context, &place);
	last_wd = wd;
	last_pid = ns_pid;
	count(&extras);
}

static void on_tick(bool trusts, void *context)
{
	ck_assert_ptr_eq(context, &place);
	trusted = trusts;
	count(&ticks);
}

static void on_rescan(void *context)
{
	ck_assert_ptr_eq(context, &place);
	count(&rescans);
}

static void on_environment_changed(void *context)
{
	ck_assert_ptr_eq(context, &place);
	count(&changes);
}

static bool has_waits(void *context)
{
	ck_assert_ptr_eq(context, &place);
	count(&asked_for_waits);
	return has_waits_now;
}

static void set_up(void)
{
	char dir[UNIT_PATH_SIZE];

	unit_dir(dir);
	ck_assert_int_eq(marker_place_init(&place, dir, "ready-"), 0);
	/* The tests change and remove the directory: it must be the private one. */
	ck_assert_str_eq(place.dir, dir);
	snprintf(marker, sizeof(marker), "%s/ready-%d", dir, PID);
	snprintf(other, sizeof(other), "%s.other", dir);
	memset(seen, 0, sizeof(seen));
	markers = names = extras = ticks = rescans = changes = asked_for_waits = 0;
	last_pid = 0;
	has_waits_now = false;
	awaited = NULL;
	watch = NULL;
	loop = loop_new();
}

static void tear_down(void)
{
	if (watch != NULL)
		watch_free(watch);
	loop_free(loop);
}

/* Runs the loop until the counter changes. */
static void await(const unsigned *counter)
{
	awaited = counter;
	ck_assert_int_eq(loop_run(loop), 0);
	awaited = NULL;
}

static void await_marker(void)
{
	last_pid = 0;
	await(&markers);
	ck_assert_int_eq(last_pid, PID);
}

static void pass(void)
{
	loop_turn(loop, false);
}

static void turn(void)
{
	for (int i = 0; i < 8; i++)
		loop_settle(loop);
}

static void arm(void)
{
	static const struct watch_hooks hooks = {
	    on_marker, on_written, on_name, on_extra, on_tick, on_rescan, on_environment_changed, has_waits};

	dirwatch_init(&dirs, &place, on_behind, &place);
	watch = watch_new(loop, &place, &dirs, &hooks, &place);
	ck_assert_ptr_nonnull(watch);
}

static void start(void)
{
	arm();
	/* The mount table is reported as changed once at first. From here on only the test causes events. */
	turn();
}

static bool is_polling(void)
{
	return watch_counts(watch)->polling;
}

static void replace_directory(void)
{
	ck_assert_int_eq(rmdir(place.dir), 0);
	ck_assert_int_eq(mkdir(place.dir, 0700), 0);
}

START_TEST(marker_was_there_before)
{
	unit_write(marker, "ready\n");
	start();
	ck_assert_uint_eq(markers, 1);
	ck_assert_int_eq(last_pid, PID);
	ck_assert_uint_eq(watch_counts(watch)->scans, 1);
	ck_assert(!is_polling());
}
END_TEST

static void make_file(void)
{
	unit_write(marker, "ready\n");
}

static void make_empty(void)
{
	unit_write(marker, "");
}

static void make_by_rename(void)
{
	unit_write(other, "ready\n");
	ck_assert_int_eq(rename(other, marker), 0);
}

static void make_by_rename_within(void)
{
	char inside[sizeof(place.dir) + 8];

	snprintf(inside, sizeof(inside), "%s/tmp", place.dir);
	unit_write(inside, "ready\n");
	ck_assert_int_eq(rename(inside, marker), 0);
}

static void make_by_link(void)
{
	unit_write(other, "ready\n");
	ck_assert_int_eq(link(other, marker), 0);
}

static void make_by_symlink(void)
{
	ck_assert_int_eq(symlink("/", marker), 0);
}

/* Links an unnamed file into the directory: a file created without open(2). */
static void make_by_linkat(void)
{
	char path[64];
	int fd = open(place.dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ck_assert_int_eq(linkat(AT_FDCWD, path, AT_FDCWD, marker, AT_SYMLINK_FOLLOW), 0);
	close(fd);
}

static void (*const ways[])(void) = {make_file, make_empty, make_by_rename, make_by_rename_within,
    make_by_link, make_by_symlink, make_by_linkat};

START_TEST(marker_comes)
{
	start();
	ck_assert_uint_eq(markers, 0);
	ways[_i]();
	await_marker();
	ck_assert_uint_gt(watch_counts(watch)->events, 0);
	ck_assert_uint_eq(watch_counts(watch)->ticks, 0);
	ck_assert_uint_eq(watch_counts(watch)->scans, 1);
	ck_assert_uint_eq(watch_counts(watch)->overflows, 0);
}
END_TEST

START_TEST(marker_goes)
{
	unit_write(marker, "ready\n");
	start();
	ck_assert_int_eq(unlink(marker), 0);
	await_marker();
	unit_write(marker, "ready\n");
	await_marker();
	ck_assert_int_eq(rename(marker, other), 0);
	await_marker();
}
END_TEST

static const char *const others[] = {"unready-1", "ready-", "ready-0", "ready-01", "ready-x", "READY-1"};

START_TEST(other_names_are_ignored)
{
	char path[sizeof(place.dir) + 32];

	snprintf(path, sizeof(path), "%s/%s", place.dir, others[_i]);
	unit_write(path, "");
	start();
	ck_assert_int_eq(unlink(path), 0);
	unit_write(path, "");
	unit_write(marker, "");
	await_marker();
	ck_assert_uint_eq(markers, 1);
	ck_assert_uint_eq(watch_counts(watch)->events, 3);
}
END_TEST

/* Events for file content are not requested, since a writer could flood the daemon with them. */
START_TEST(content_is_ignored)
{
	int fd;

	unit_write(marker, "");
	start();
	fd = open(marker, O_WRONLY | O_APPEND | O_CLOEXEC);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(write(fd, "x", 1), 1);
	close(fd);
	ck_assert_int_eq(chmod(marker, 0600), 0);
	turn();
	ck_assert_uint_eq(watch_counts(watch)->events, 0);
	ck_assert_uint_eq(markers, 1);
}
END_TEST

/* For the daemon: the process may have got the file of another user. */
START_TEST(mode_and_owner_are_reported)
{
	static const struct watch_hooks hooks = {
	    on_marker, on_written, on_name, on_extra, on_tick, on_rescan, on_environment_changed, has_waits};

	unit_write(marker, "");
	dirwatch_init(&dirs, &place, on_behind, &place);
	dirs.reports_writes = true;
	watch = watch_new(loop, &place, &dirs, &hooks, &place);
	turn();
	markers = 0;
	ck_assert_int_eq(chmod(marker, 0600), 0);
	await_marker();
	ck_assert_uint_eq(markers, 1);
}
END_TEST

START_TEST(many_come_at_once)
{
	char path[sizeof(place.dir) + 32];

	start();
	for (int pid = 1; pid <= 5000; pid++) {
		snprintf(path, sizeof(path), "%s/ready-%d", place.dir, pid);
		unit_check(mkdir(path, 0700) == 0);
	}
	for (last_pid = 0; last_pid < 5000;)
		loop_turn(loop, true);
	ck_assert_uint_eq(markers, 5000);
	ck_assert_uint_eq(watch_counts(watch)->events, 5000);
}
END_TEST

/* So much that events are read only now and then, where no process is waited for. */
static void flood(int first)
{
	char path[sizeof(place.dir) + 32];

	for (int pid = first; pid < first + 600; pid++) {
		snprintf(path, sizeof(path), "%s/ready-%d", place.dir, pid);
		unit_check(mkdir(path, 0700) == 0);
	}
	pass();
}

static void expect_marker_in_one_pass(void)
{
	unit_write(marker, "");
	pass();
	ck_assert_int_eq(last_pid, PID);
	ck_assert_int_eq(unlink(marker), 0);
	pass();
}

START_TEST(a_flood_delays_no_marker_that_is_waited_for)
{
	start();
	flood(2000);
	has_waits_now = true;
	watch_start_ticking(watch);
	expect_marker_in_one_pass();
	flood(3000);
	expect_marker_in_one_pass();
}
END_TEST

START_TEST(nothing_to_do_is_quiet)
{
	start();
	ck_assert(!unit_loop_is_busy());
	unit_write(marker, "");
	ck_assert(unit_loop_is_busy());
	turn();
	ck_assert(!unit_loop_is_busy());
}
END_TEST

START_TEST(ticks_while_wanted)
{
	start();
	has_waits_now = true;
	watch_start_ticking(watch);
	for (unsigned i = 1; i <= 3; i++) {
		await(&ticks);
		ck_assert_uint_ge(watch_counts(watch)->ticks, i);
	}
	ck_assert_uint_eq(rescans, 1);
	/* Events report the markers: the tick does not scan. */
	ck_assert_uint_eq(watch_counts(watch)->scans, 1);
}
END_TEST

/* Runs later than another tick would. */
static void on_later(void *context)
{
	loop_stop(context);
}

START_TEST(stops_when_not_wanted)
{
	struct loop_timer *later = loop_timer_new(loop, on_later, loop);

	start();
	rescans = 0;
	has_waits_now = true;
	watch_start_ticking(watch);
	has_waits_now = false;
	await(&asked_for_waits);
	asked_for_waits = 0;
	loop_timer_start(later, 600);
	ck_assert_int_eq(loop_run(loop), 0);
	loop_timer_free(later);
	ck_assert_uint_eq(asked_for_waits, 0);
	ck_assert_uint_eq(ticks, 0);
	ck_assert_uint_eq(watch_counts(watch)->ticks, 0);
}
END_TEST

/* The stamp of a directory that was changed just before may not show the next change. */
static void await_quiet_tick(void)
{
	unsigned before;

	do {
		before = names;
		await(&ticks);
		turn();
	} while (names != before);
}

/* A tick reads the names once for each change, also of what no event has told. */
START_TEST(names_are_read_after_a_change)
{
	unit_write(marker, "");
	start();
	has_waits_now = true;
	watch_start_ticking(watch);
	await(&ticks);
	turn();
	ck_assert_uint_eq(names, 1);
	ck_assert_int_eq(last_name, PID);
	if (!trusted) {
		/* A file system with another clock. */
		return;
	}
	await_quiet_tick();
	names = 0;
	for (int tick = 0; tick < 3; tick++)
		await(&ticks);
	turn();
	ck_assert_uint_eq(names, 0);
	ck_assert_int_eq(unlink(marker), 0);
	unit_write(marker, "");
	await(&ticks);
	turn();
	ck_assert_uint_gt(names, 0);
}
END_TEST

START_TEST(directory_is_replaced)
{
	start();
	rescans = 0;
	replace_directory();
	turn();
	ck_assert_uint_gt(rescans, 0);
	ck_assert(!is_polling());
	unit_write(marker, "");
	await_marker();
	ck_assert_uint_eq(watch_counts(watch)->ticks, 0);
}
END_TEST

/* While a process holds a removed directory open, no event is raised: only the tick detects it. */
START_TEST(held_directory_is_replaced)
{
	int holder = open(place.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	start();
	has_waits_now = true;
	watch_start_ticking(watch);
	replace_directory();
	unit_write(marker, "");
	await_marker();
	ck_assert_uint_gt(watch_counts(watch)->ticks, 0);
	ck_assert_int_eq(unlink(marker), 0);
	await_marker();
	close(holder);
}
END_TEST

/* With a wait and without one. */
START_TEST(directory_goes_and_comes)
{
	start();
	has_waits_now = _i == 1;
	if (has_waits_now)
		watch_start_ticking(watch);
	ck_assert_int_eq(rmdir(place.dir), 0);
	while (!is_polling())
		loop_turn(loop, true);
	ck_assert_int_eq(mkdir(place.dir, 0700), 0);
	unit_write(marker, "");
	await_marker();
	ck_assert(!is_polling());
}
END_TEST

START_TEST(directory_is_moved_away)
{
	start();
	ck_assert_int_eq(rename(place.dir, other), 0);
	ck_assert_int_eq(mkdir(place.dir, 0700), 0);
	unit_write(marker, "");
	await_marker();
	ck_assert(!is_polling());
	/* Events in the old directory are not reported any more. */
	strcat(other, "/ready-1");
	unit_write(other, "");
	turn();
	ck_assert_int_eq(last_pid, PID);
}
END_TEST

/* What prevents a directory from being watched, and the hint that is logged. */
static void no_directory(void)
{
	ck_assert_int_eq(rmdir(place.dir), 0);
}

static void file_instead(void)
{
	no_directory();
	unit_write(place.dir, "");
}

static void make_directory(void)
{
	(void)unlink(place.dir);
	ck_assert_int_eq(mkdir(place.dir, 0700), 0);
}

static const struct {
	void (*hinder)(void);
	void (*hint)(void);
} hindrances[] = {{no_directory, make_directory}, {file_instead, make_directory}};

START_TEST(polling_at_start)
{
	hindrances[_i].hinder();
	start();
	ck_assert(is_polling());
	ck_assert_uint_eq(watch_counts(watch)->scans, 0);
	has_waits_now = true;
	watch_start_ticking(watch);
	await(&ticks);
	ck_assert(is_polling());
	hindrances[_i].hint();
	unit_write(marker, "");
	await_marker();
	ck_assert(!is_polling());
	ck_assert_int_eq(unlink(marker), 0);
	await_marker();
}
END_TEST

static unsigned queue_limit(void)
{
	FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
	unsigned limit = 0;

	if (file == NULL)
		return UINT_MAX;
	if (fscanf(file, "%u", &limit) != 1)
		limit = UINT_MAX;
	fclose(file);
	return limit;
}

static unsigned lines_of(const char *path, const char *word)
{
	FILE *file = fopen(path, "re");
	unsigned found = 0;
	char line[1024];

	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file) != NULL)
		found += strstr(line, word) != NULL;
	fclose(file);
	return found;
}

/* However long the condition lasts, one line is logged when it begins and one when it ends. */
START_TEST(logs_once)
{
	int log = open(other, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), kept = dup(STDERR_FILENO);

	ck_assert_int_eq(dup2(log, STDERR_FILENO), STDERR_FILENO);
	no_directory();
	start();
	has_waits_now = true;
	watch_start_ticking(watch);
	for (int tick = 0; tick < 5; tick++)
		await(&ticks);
	make_directory();
	for (int tick = 0; tick < 3; tick++)
		await(&ticks);
	no_directory();
	while (!is_polling())
		await(&ticks);
	ck_assert_int_eq(dup2(kept, STDERR_FILENO), STDERR_FILENO);
	ck_assert_uint_eq(lines_of(other, "cannot watch"), 2);
	ck_assert_uint_eq(lines_of(other, "watching"), 1);
	close(log);
	close(kept);
}
END_TEST

/* One file that is created and removed repeatedly fills the queue as well as many files do. */
START_TEST(overflow_is_survived)
{
	char path[sizeof(place.dir) + 16];

	start();
	rescans = 0;
	snprintf(path, sizeof(path), "%s/x", place.dir);
	for (unsigned i = 0, limit = queue_limit(); i <= limit; i++) {
		unit_check(mkdir(path, 0700) == 0);
		unit_check(rmdir(path) == 0);
	}
	unit_write(marker, "");
	await_marker();
	ck_assert_uint_eq(watch_counts(watch)->overflows, 1);
	turn();
	ck_assert_uint_gt(rescans, 0);
}
END_TEST

START_TEST(no_descriptors_at_start)
{
	struct rlimit limit;

	unit_write(marker, "");
	/* libevent opens its own descriptors with the first event. */
	turn();
	limit = unit_forbid_new_fds();
	start();
	unit_restore_fd_limit(&limit);
	ck_assert(is_polling());
	ck_assert_uint_eq(markers, 0);
	has_waits_now = true;
	watch_start_ticking(watch);
	await_marker();
	ck_assert(!is_polling());
}
END_TEST

START_TEST(refreshed)
{
	unit_write(marker, "");
	start();
	ck_assert_uint_eq(rescans, 1);
	watch_refresh(watch);
	ck_assert_uint_eq(rescans, 2);
	ck_assert_uint_eq(markers, 2);
	ck_assert_uint_eq(watch_counts(watch)->scans, 2);
}
END_TEST

static void write_many(int count)
{
	char path[sizeof(place.dir) + 32];

	for (int pid = 1; pid <= count; pid++) {
		snprintf(path, sizeof(path), "%s/ready-%d", place.dir, pid);
		unit_write(path, "");
	}
}

static void check_seen(int count)
{
	for (int pid = 1; pid <= count; pid++)
		unit_check(seen[pid] == 1);
}

/* Events that arrive during a scan are handled before its end. */
START_TEST(scan_comes_in_slices)
{
	int fds;

	write_many(MANY);
	arm();
	ck_assert_uint_eq(markers, SLICE);
	/* If the directory were held open during the checks too, it could not be unmounted. */
	fds = unit_count_fds();
	unit_write(marker, "");
	pass();
	ck_assert_uint_eq(markers, 2 * SLICE + 1);
	ck_assert_int_eq(unit_count_fds(), fds);
	turn();
	ck_assert_uint_eq(markers, MANY + 1);
	check_seen(MANY);
	ck_assert_uint_eq(watch_counts(watch)->scans, 1);
	ck_assert_int_eq(unit_count_fds(), fds);
}
END_TEST

/* A marker that is created while names are read is reported before them. */
START_TEST(names_are_read_in_slices)
{
	int fds;

	write_many(MOST);
	arm();
	fds = unit_count_fds();
	ck_assert_uint_eq(markers, 0);
	unit_write(marker, "");
	pass();
	ck_assert_uint_eq(markers, 1);
	ck_assert_int_eq(last_pid, PID);
	turn();
	check_seen(MOST);
	/* The directory is held open only while names are read. */
	ck_assert_int_eq(unit_count_fds(), fds - 1);
}
END_TEST

START_TEST(freed_while_names_are_read)
{
	int fds = unit_count_fds();

	write_many(MOST);
	arm();
	watch_free(watch);
	watch = NULL;
	turn();
	ck_assert_uint_eq(markers, 0);
	ck_assert_int_eq(unit_count_fds(), fds);
}
END_TEST

/* The removal raises no event until the names have been read. */
START_TEST(removed_while_names_are_read)
{
	char path[sizeof(place.dir) + 32];

	write_many(MOST);
	arm();
	for (int pid = 1; pid <= MOST; pid++) {
		snprintf(path, sizeof(path), "%s/ready-%d", place.dir, pid);
		unit_check(unlink(path) == 0);
	}
	replace_directory();
	unit_write(marker, "");
	while (last_pid != PID)
		loop_turn(loop, true);
	ck_assert(!is_polling());
	ck_assert_uint_eq(watch_counts(watch)->ticks, 0);
}
END_TEST

START_TEST(scan_restarts)
{
	write_many(MANY);
	arm();
	pass();
	ck_assert_uint_eq(markers, 2 * SLICE);
	memset(seen, 0, sizeof(seen));
	watch_refresh(watch);
	ck_assert_uint_eq(markers, 3 * SLICE);
	turn();
	ck_assert_uint_eq(markers, 2 * SLICE + MANY);
	check_seen(MANY);
	ck_assert_uint_eq(watch_counts(watch)->scans, 2);
}
END_TEST

START_TEST(directory_is_replaced_during_a_scan)
{
	write_many(MANY);
	arm();
	ck_assert_int_eq(rename(place.dir, other), 0);
	ck_assert_int_eq(mkdir(place.dir, 0700), 0);
	unit_write(marker, "");
	await_marker();
	turn();
	/* The rest of the old directory is not reported any more. */
	ck_assert_uint_eq(markers, SLICE + 1);
	ck_assert(!is_polling());
}
END_TEST

START_TEST(freed_during_a_scan)
{
	write_many(MANY);
	arm();
	watch_free(watch);
	watch = NULL;
	turn();
	ck_assert_uint_eq(markers, SLICE);
}
END_TEST

/* Watches another directory, for a process that leaves its marker there. */
static int add_other(void)
{
	int wd;

	ck_assert_int_eq(mkdir(other, 0700), 0);
	start();
	rescans = 0;
	ck_assert(dirwatch_add_extra(&dirs, other, &wd));
	return wd;
}

static void write_elsewhere(void)
{
	char path[sizeof(other) + 16];

	snprintf(path, sizeof(path), "%s/ready-1", other);
	(void)unlink(path);
	unit_write(path, "");
}

/* Of the names in the extra directory, only those of markers are reported, and that it ends itself. */
START_TEST(extra_directory_is_told_apart)
{
	char path[sizeof(other) + 16];
	int wd = add_other();

	snprintf(path, sizeof(path), "%s/unrelated", other);
	unit_write(path, "");
	write_elsewhere();
	await(&extras);
	ck_assert_uint_eq(extras, 1);
	ck_assert_int_eq(last_wd, wd);
	ck_assert_int_eq(last_pid, 1);
	unit_check(unlink(path) == 0);
	snprintf(path, sizeof(path), "%s/ready-1", other);
	unit_check(unlink(path) == 0);
	ck_assert_int_eq(rmdir(other), 0);
	while (last_pid != 0)
		await(&extras);
	ck_assert_int_eq(last_wd, wd);
	ck_assert_uint_eq(markers, 0);
	ck_assert_uint_eq(rescans, 0);
	ck_assert_uint_eq(watch_counts(watch)->scans, 1);
}
END_TEST

/* Reading ahead loses no other event. */
START_TEST(events_are_read_ahead)
{
	int wd = add_other();

	unit_write(marker, "");
	write_elsewhere();
	ck_assert(dirwatch_has_arrived(&dirs, wd, 1));
	ck_assert_uint_eq(markers, 0);
	await_marker();
	ck_assert_uint_eq(rescans, 1);
}
END_TEST

START_TEST(extra_directory_is_given_up)
{
	int again;

	(void)add_other();
	has_waits_now = true;
	watch_start_ticking(watch);
	await(&ticks);
	ck_assert(!dirwatch_add_extra(&dirs, other, &again));
	has_waits_now = false;
	asked_for_waits = 0;
	await(&asked_for_waits);
	turn();
	write_elsewhere();
	turn();
	ck_assert_uint_eq(extras, 0);
}
END_TEST

static void remove_file(const char *path)
{
	ck_assert_int_eq(unlink(path), 0);
}

static void rename_file(const char *path)
{
	ck_assert_int_eq(rename(path, marker), 0);
}

static void replace_file(const char *path)
{
	unit_write(marker, "");
	ck_assert_int_eq(rename(marker, path), 0);
}

static void (*const losses[])(const char *path) = {remove_file, rename_file, replace_file};

static void on_lost(void *context)
{
	ck_assert_ptr_eq(context, &place);
	count(&changes);
}

START_TEST(file_is_lost)
{
	char first[sizeof(other) + 8];
	struct namewatch name;

	snprintf(first, sizeof(first), "%s.first", other);
	unit_write(first, "");
	unit_write(other, "");
	namewatch_init(&name, loop, on_lost, &place);
	ck_assert(namewatch_set(&name, first, first));
	ck_assert(namewatch_set(&name, other, other));
	/* Only the last file counts. */
	ck_assert_int_eq(unlink(first), 0);
	turn();
	ck_assert_uint_eq(changes, 0);
	losses[_i](other);
	await(&changes);
	namewatch_fini(&name);
}
END_TEST

/* What is moved, below unit_root: a directory, one above it, a link, one that it leads to. */
static const char *const moved[] = {"way/in/dir", "way/in", "link", "way"};

START_TEST(way_to_file_is_lost)
{
	static const char *const made[] = {"way", "way/in", "way/in/dir"};
	char root[UNIT_PATH_SIZE], path[2 * UNIT_PATH_SIZE], gone[3 * UNIT_PATH_SIZE];
	struct namewatch name;

	unit_dir(root);
	for (size_t i = 0; i < UNIT_COUNT(made); i++) {
		snprintf(path, sizeof(path), "%s/%s", root, made[i]);
		ck_assert_int_eq(mkdir(path, 0700), 0);
	}
	snprintf(path, sizeof(path), "%s/link", root);
	ck_assert_int_eq(symlink("way", path), 0);
	strcat(path, "/in/dir/file");
	unit_write(path, "");
	namewatch_init(&name, loop, on_lost, &place);
	ck_assert(namewatch_set(&name, path, path));
	snprintf(path, sizeof(path), "%s/%s", root, moved[_i]);
	snprintf(gone, sizeof(gone), "%s.gone", path);
	ck_assert_int_eq(rename(path, gone), 0);
	await(&changes);
	ck_assert(!name.works);
	namewatch_fini(&name);
}
END_TEST

START_TEST(file_that_is_not_there)
{
	int fds = unit_count_fds();
	struct namewatch name;

	namewatch_init(&name, loop, on_lost, &place);
	ck_assert(!namewatch_set(&name, other, place.dir));
	ck_assert(!namewatch_set(&name, place.dir, other));
	unit_write(other, "");
	ck_assert(namewatch_set(&name, other, other));
	ck_assert_int_eq(unlink(other), 0);
	await(&changes);
	namewatch_fini(&name);
	ck_assert_int_eq(unit_count_fds(), fds);
}
END_TEST

START_TEST(free_leaves_nothing_open)
{
	int fds = unit_count_fds();

	start();
	ck_assert_int_gt(unit_count_fds(), fds);
	watch_free(watch);
	watch = NULL;
	ck_assert_int_eq(unit_count_fds(), fds);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("watch");
	TCase *tcase = unit_case(s, "watch");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, marker_was_there_before);
	tcase_add_loop_test(tcase, marker_comes, 0, UNIT_COUNT(ways));
	tcase_add_test(tcase, marker_goes);
	tcase_add_loop_test(tcase, other_names_are_ignored, 0, UNIT_COUNT(others));
	tcase_add_test(tcase, content_is_ignored);
	tcase_add_test(tcase, mode_and_owner_are_reported);
	tcase_add_test(tcase, many_come_at_once);
	tcase_add_test(tcase, a_flood_delays_no_marker_that_is_waited_for);
	tcase_add_test(tcase, nothing_to_do_is_quiet);
	tcase_add_test(tcase, ticks_while_wanted);
	tcase_add_test(tcase, stops_when_not_wanted);
	tcase_add_test(tcase, names_are_read_after_a_change);
	tcase_add_test(tcase, directory_is_replaced);
	tcase_add_test(tcase, held_directory_is_replaced);
	tcase_add_loop_test(tcase, directory_goes_and_comes, 0, 2);
	tcase_add_test(tcase, directory_is_moved_away);
	tcase_add_loop_test(tcase, polling_at_start, 0, UNIT_COUNT(hindrances));
	tcase_add_test(tcase, logs_once);
	unit_add_if(tcase, overflow_is_survived, queue_limit() <= 65536, "too long a queue to fill");
	tcase_add_test(tcase, no_descriptors_at_start);
	tcase_add_test(tcase, refreshed);
	tcase_add_test(tcase, scan_comes_in_slices);
	tcase_add_test(tcase, names_are_read_in_slices);
	tcase_add_test(tcase, freed_while_names_are_read);
	tcase_add_test(tcase, removed_while_names_are_read);
	tcase_add_test(tcase, scan_restarts);
	tcase_add_test(tcase, directory_is_replaced_during_a_scan);
	tcase_add_test(tcase, freed_during_a_scan);
	tcase_add_test(tcase, extra_directory_is_told_apart);
	tcase_add_test(tcase, events_are_read_ahead);
	tcase_add_test(tcase, extra_directory_is_given_up);
	tcase_add_loop_test(tcase, file_is_lost, 0, UNIT_COUNT(losses));
	tcase_add_loop_test(tcase, way_to_file_is_lost, 0, UNIT_COUNT(moved));
	tcase_add_test(tcase, file_that_is_not_there);
	tcase_add_test(tcase, free_leaves_nothing_open);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
