#include "daemon/ns_index.h"
#include "src/clock.h"
#include "src/collision.h"
#include "tests/unit.h"

#include <sys/mount.h>

static struct ns_index namespaces;
static struct marker_place place;
static struct marker_view view;
static pid_t marker_name;

/* Mounts a directory for one marker that only our own processes see: other programs on this machine may have
 * processes in child pid namespaces too. */
static void set_scene(void)
{
	char dir[UNIT_PATH_SIZE];

	ns_index_init(&namespaces);
	unit_dir(dir);
	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	ck_assert_int_eq(mount("none", dir, "tmpfs", 0, NULL), 0);
	ck_assert_int_eq(marker_place_init(&place, dir, NULL), 0);
}

static void leave_marker(void)
{
	char path[MARKER_DIR_SIZE + MARKER_PREFIX_SIZE + 16];

	snprintf(path, sizeof(path), "%s/%s%d", place.dir, place.prefix, (int)marker_name);
	unit_write(path, "ready\n");
	view = (struct marker_view){.where = MARKER_DIR_SAME};
	marker_stat(&place, marker_name, &view.marker);
	ck_assert_int_eq(view.marker.kind, MARKER_FILE);
}

static bool has_collision(struct collisions *collisions, pid_t pid)
{
	struct process p;
	bool has;

	process_open(&p, pid);
	ck_assert_int_eq(p.ns_pid, marker_name);
	has = collision_find(collisions, &place, &p, &view, &marker_viewer_direct) == COLLISION_FOUND;
	process_close(&p);
	return has;
}

/* Makes the next process of this pid namespace get this pid. */
static bool choose_pid(pid_t pid)
{
	FILE *file = fopen("/proc/sys/kernel/ns_last_pid", "w");
	bool written = file != NULL && fprintf(file, "%d", (int)pid - 1) > 0;

	return file != NULL && fclose(file) == 0 && written;
}

static bool can_choose_pid(void)
{
	return geteuid() == 0 && access("/proc/sys/kernel/ns_last_pid", W_OK) == 0;
}

/* Spawns the first process of a pid namespace in which a second process has the pid of the marker's name. The
 * namespace ends with its first process. */
static pid_t spawn_namesake(void)
{
	int told[2];
	pid_t first, name;

	ck_assert_int_eq(pipe(told), 0);
	first = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);
	if (first == 0) {
		unit_die_with_parent(0);
		name = choose_pid(marker_name) ? fork() : -1;
		if (name == 0)
			name = getpid();
		else if (name > 0)
			for (;;)
				pause();
		if (write(told[1], &name, sizeof(name)) != sizeof(name))
			_exit(1);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(told[0], &name, sizeof(name)), sizeof(name));
	ck_assert_int_eq(name, marker_name);
	return first;
}

/* Spawns the first process of a child pid namespace; returns once it has called prepare(). */
static pid_t spawn_in_child_ns_after(void (*prepare)(void))
{
	int told[2];
	pid_t first;
	char byte;

	ck_assert_int_eq(pipe(told), 0);
	first = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);
	if (first == 0) {
		prepare();
		unit_die_with_parent(0);
		if (write(told[1], "p", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(told[0], &byte, 1), 1);
	return first;
}

START_TEST(child_namespaces_collide)
{
	pid_t one, other;

	set_scene();
	marker_name = 1;
	one = unit_spawn_in_child_ns();
	leave_marker();
	ck_assert(!has_collision(&namespaces.collisions, one));
	other = unit_spawn_in_child_ns();
	leave_marker();
	ck_assert(has_collision(&namespaces.collisions, one));
	ck_assert(has_collision(&namespaces.collisions, other));
	unit_kill(other);
	ck_assert(!has_collision(&namespaces.collisions, one));
	unit_kill(one);
}
END_TEST

/* Processes created since the last scan are found, and a process that has ended no longer collides. */
START_TEST(new_processes_are_found)
{
	pid_t here, first;

	set_scene();
	marker_name = here = unit_spawn(NULL);
	for (int i = 0; i < 3; i++) {
		leave_marker();
		ck_assert(!has_collision(&namespaces.collisions, here));
		ck_assert(namespaces.complete);
		first = spawn_namesake();
		leave_marker();
		ck_assert(has_collision(&namespaces.collisions, here));
		unit_kill(first);
	}
	ck_assert(!has_collision(&namespaces.collisions, here));
	unit_kill(here);
}
END_TEST

/* A process here and the first process of a pid namespace with a namesake of it; the marker may be of either.
 */
static void set_collision(pid_t *here, pid_t *first)
{
	set_scene();
	marker_name = *here = unit_spawn(NULL);
	*first = spawn_namesake();
	leave_marker();
}

/* Pids have wrapped around: what the last scan found is no longer valid. */
START_TEST(wrapped_pids_are_detected)
{
	pid_t here, first;

	set_collision(&here, &first);
	namespaces.complete = true;
	namespaces.newest = UNIT_UNUSED_PID;
	namespaces.caught_up = clock_ms();
	ck_assert(has_collision(&namespaces.collisions, here));
	ck_assert_int_lt(namespaces.newest, UNIT_UNUSED_PID);
	unit_kill(first);
	unit_kill(here);
}
END_TEST

/* After so long a time, pids may have wrapped around even if the last one is greater than before. */
START_TEST(old_index_is_not_trusted)
{
	pid_t here, first;

	set_collision(&here, &first);
	namespaces.complete = true;
	namespaces.newest = process_newest();
	namespaces.caught_up = clock_ms();
	namespaces.trusted = 3600 * 1000;
	ck_assert(!has_collision(&namespaces.collisions, here));
	namespaces.caught_up -= namespaces.trusted + 1;
	ck_assert(has_collision(&namespaces.collisions, here));
	unit_kill(first);
	unit_kill(here);
}
END_TEST

/* Where each tick comes too late, not each of them walks. */
START_TEST(ticks_walk_now_and_then)
{
	int64_t late;

	ns_index_init(&namespaces);
	namespaces.trusted = 3600 * 1000;
	ns_index_catch_up(&namespaces);
	ck_assert_int_gt(namespaces.walk_from, 0);
	namespaces.walk_from = INT64_MAX;
	late = namespaces.caught_up -= namespaces.trusted + 1;
	ns_index_tick(&namespaces);
	ck_assert_int_eq(namespaces.caught_up, late);
	namespaces.walk_from = 0;
	ns_index_tick(&namespaces);
	ck_assert_int_gt(namespaces.caught_up, late);
	namespaces.walk_from = INT64_MAX;
	namespaces.caught_up = late;
	ns_index_catch_up(&namespaces);
	ck_assert_int_gt(namespaces.caught_up, late);
	ns_index_fini(&namespaces);
}
END_TEST

/* Namespaces come and go: the index does not grow with those that are gone. */
START_TEST(ended_processes_leave_the_index)
{
	size_t most = 0;

	ns_index_init(&namespaces);
	ns_index_catch_up(&namespaces);
	for (int i = 0; i < 200; i++) {
		unit_kill(unit_spawn_in_child_ns());
		ns_index_catch_up(&namespaces);
	}
	most = namespaces.count;
	for (int i = 0; i < 200; i++) {
		pid_t first = unit_spawn_in_child_ns();

		ns_index_catch_up(&namespaces);
		ck_assert_uint_gt(namespaces.count, 0);
		unit_kill(first);
	}
	/* Other programs on this machine may have such processes too. */
	ck_assert_uint_lt(namespaces.count, most + 100);
	ns_index_fini(&namespaces);
	ck_assert_uint_eq(namespaces.count, 0);
}
END_TEST

static int moved[2];

/* Spawns a process with the same ns_pid where another directory is mounted at the path of ours. It ends with
 * this process. */
static void move_away(void)
{
	if (unshare(CLONE_NEWNS) != 0 || mount("none", place.dir, "tmpfs", 0, NULL) != 0)
		_exit(1);
	spawn_namesake();
	if (write(moved[1], "m", 1) != 1)
		_exit(1);
}

/* One process sees another directory at the path, one was created after the marker. */
START_TEST(other_directory_or_later_start_is_excluded)
{
	pid_t here, outside, late;
	char byte;

	set_scene();
	ck_assert_int_eq(pipe(moved), 0);
	marker_name = here = unit_spawn(NULL);
	outside = unit_spawn(move_away);
	ck_assert_int_eq(read(moved[0], &byte, 1), 1);
	leave_marker();
	ck_assert(!has_collision(&namespaces.collisions, here));
	late = spawn_namesake();
	leave_marker();
	ck_assert(has_collision(&namespaces.collisions, here));
	view.marker.ctime.tv_sec -= 1;
	ck_assert(!has_collision(&namespaces.collisions, here));
	unit_kill(late);
	unit_kill(outside);
	unit_kill(here);
}
END_TEST

static void become_another_user(void)
{
	if (setresuid(65534, 65534, 65534) != 0)
		_exit(1);
}

/* A process that cannot own the marker did not leave it, even if the owner of the marker is root. */
START_TEST(other_users_are_excluded)
{
	pid_t here, other;

	set_scene();
	marker_name = 1;
	here = unit_spawn_in_child_ns();
	other = spawn_in_child_ns_after(become_another_user);
	leave_marker();
	ck_assert_uint_eq(view.marker.uid, 0);
	ck_assert(!has_collision(&namespaces.collisions, here));
	view.marker.uid = 65534;
	ck_assert(has_collision(&namespaces.collisions, here));
	unit_kill(other);
	unit_kill(here);
}
END_TEST

/* If the scan cannot be made, the result is unknown. */
START_TEST(unknown_without_descriptors)
{
	pid_t nested = unit_spawn_in_child_ns();
	struct rlimit limit;
	struct process p;
	enum collision found;

	set_scene();
	marker_name = 1;
	leave_marker();
	process_open(&p, nested);
	limit = unit_forbid_new_fds();
	found = collision_find(&namespaces.collisions, &place, &p, &view, &marker_viewer_direct);
	unit_restore_fd_limit(&limit);
	ck_assert_int_eq(found, COLLISION_UNKNOWN);
	process_close(&p);
	process_open(&p, getpid());
	limit = unit_forbid_new_fds();
	found = collision_find(&namespaces.collisions, &place, &p, &view, &marker_viewer_direct);
	unit_restore_fd_limit(&limit);
	ck_assert_int_eq(found, COLLISION_UNKNOWN);
	process_close(&p);
	unit_kill(nested);
}
END_TEST

/* For a caller that keeps no index, /proc is scanned only if the process is in a child pid
 * namespace. */
START_TEST(lone_caller_scans_for_child_namespaces_only)
{
	pid_t here, one, other;

	set_collision(&here, &other);
	ck_assert(!has_collision(collisions_lone(), here));
	unit_kill(other);
	marker_name = 1;
	one = unit_spawn_in_child_ns();
	other = unit_spawn_in_child_ns();
	leave_marker();
	ck_assert(has_collision(collisions_lone(), one));
	unit_kill(other);
	unit_kill(one);
	unit_kill(here);
}
END_TEST

static void view_hang(
    const struct marker_place *where, const struct process *p, struct marker_view *its, void *context)
{
	(void)where;
	(void)p;
	(void)context;
	*its = (struct marker_view){.where = MARKER_DIR_HANGS, .marker = {.kind = MARKER_UNKNOWN}};
}

/* Only that of a process that could have left the marker is looked at. */
START_TEST(directory_that_hangs_is_told_from_a_shortage)
{
	const struct marker_viewer viewer = {.view = view_hang};
	pid_t here, other;
	struct process p;

	set_scene();
	marker_name = 1;
	here = unit_spawn_in_child_ns();
	other = unit_spawn_in_child_ns();
	leave_marker();
	process_open(&p, here);
	ck_assert_int_eq(collision_find(&namespaces.collisions, &place, &p, &view, &viewer), COLLISION_HANGS);
	view.marker.uid = 4321;
	ck_assert_int_eq(collision_find(&namespaces.collisions, &place, &p, &view, &viewer), COLLISION_NONE);
	process_close(&p);
	unit_kill(other);
	unit_kill(here);
}
END_TEST

static Suite *suite(void)
{
	const bool can_create_pid_ns = unit_can_create_pid_ns(),
		   can_choose = can_create_pid_ns && can_choose_pid();
	Suite *s = suite_create("collision");
	TCase *tcase = unit_case(s, "collision");

	unit_add_if(tcase, child_namespaces_collide, can_choose, "needs root and CONFIG_CHECKPOINT_RESTORE");
	unit_add_if(tcase, new_processes_are_found, can_choose, "needs root and CONFIG_CHECKPOINT_RESTORE");
	unit_add_if(tcase, wrapped_pids_are_detected, can_choose, "needs root and CONFIG_CHECKPOINT_RESTORE");
	unit_add_if(tcase, old_index_is_not_trusted, can_choose, "needs root and CONFIG_CHECKPOINT_RESTORE");
	tcase_add_test(tcase, ticks_walk_now_and_then);
	unit_add_if(
	    tcase, ended_processes_leave_the_index, can_create_pid_ns, "cannot create a pid namespace");
	unit_add_if(tcase, other_directory_or_later_start_is_excluded, can_choose,
	    "needs root and CONFIG_CHECKPOINT_RESTORE");
	unit_add_if(tcase, other_users_are_excluded, can_choose, "needs root and CONFIG_CHECKPOINT_RESTORE");
	unit_add_if(tcase, directory_that_hangs_is_told_from_a_shortage, can_choose,
	    "needs root and CONFIG_CHECKPOINT_RESTORE");
	unit_add_if(
	    tcase, unknown_without_descriptors, can_choose, "needs root and CONFIG_CHECKPOINT_RESTORE");
	unit_add_if(tcase, lone_caller_scans_for_child_namespaces_only, can_choose,
	    "needs root and CONFIG_CHECKPOINT_RESTORE");
	return s;
}

int main(void)
{
	return unit_main(suite);
}
