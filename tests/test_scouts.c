#include "daemon/loop.h"
#include "daemon/scout.h"
#include "daemon/scouts.h"
#include "src/dirwatch.h"
#include "src/verdict.h"
#include "tests/unit.h"

#define PREFIX "ready-"

static char root[UNIT_PATH_SIZE];
static struct marker_place place;
static struct loop *loop;
static struct dirwatch dirs;
static struct scouts *scouts;
static struct process other; /* lives below root */
static pid_t spawner;
static int started[2];
static pid_t late_pid;
static struct marker_view late_view;

static void look(const struct process *p, struct marker_view *view)
{
	struct scouts_eye eye = {.scouts = scouts};

	memset(view, 0xff, sizeof(*view));
	scouts_view(&place, p, view, &eye);
}

static void on_late(pid_t pid, void *context)
{
	(void)context;
	late_pid = pid;
	look(&other, &late_view);
}

static void on_behind(void *context)
{
	(void)context;
}

static void live_below(void)
{
	if (chroot(root) != 0 || chdir("/") != 0 || write(started[1], "s", 1) != 1)
		_exit(1);
}

static void make_root(void)
{
	char name[2 * UNIT_PATH_SIZE], byte;

	unit_dir(root);
	snprintf(name, sizeof(name), "%s/m", root);
	ck_assert_int_eq(mkdir(name, 0755), 0);
	ck_assert_int_eq(marker_place_init(&place, "/m", PREFIX), 0);
	ck_assert_int_eq(pipe(started), 0);
	process_open(&other, unit_spawn(live_below));
	ck_assert_int_eq(read(started[0], &byte, 1), 1);
}

static void set_up(void)
{
	struct scouts_config config = {.place = &place, .dirs = &dirs, .late = on_late};
	const struct account same = {0};

	config.spawner = spawner_start(-1, &same, &spawner);
	ck_assert_int_ge(config.spawner, 0);
	config.spawner_pid = spawner;
	make_root();
	loop = loop_new();
	dirwatch_init(&dirs, &place, on_behind, NULL);
	scouts = scouts_new(loop, &config);
	late_pid = 0;
}

static void tear_down(void)
{
	scouts_free(scouts);
	dirwatch_close(&dirs);
	loop_free(loop);
	ck_assert_int_eq(kill(spawner, 0), -1);
}

static void leave_marker(void)
{
	char name[3 * UNIT_PATH_SIZE];

	snprintf(name, sizeof(name), "%s/m/" PREFIX "%ld", root, (long)other.pid);
	unit_write(name, "ready\n");
}

/* The only child of the spawner. */
static pid_t find_scout(void)
{
	char name[64], text[32] = "";
	int fd, n;

	snprintf(name, sizeof(name), "/proc/%ld/task/%ld/children", (long)spawner, (long)spawner);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	n = (int)read(fd, text, sizeof(text) - 1);
	close(fd);
	ck_assert_int_gt(n, 0);
	return (pid_t)atoi(text);
}

/* A stopped process is as late as one that sleeps in a file system. */
static pid_t stop_scout(void)
{
	struct process p;
	pid_t scout = find_scout();

	process_open(&p, scout);
	ck_assert_int_eq(kill(scout, SIGSTOP), 0);
	while (process_state(&p) != 'T')
		sched_yield();
	process_close(&p);
	return scout;
}

static void expect_hang(void)
{
	struct marker_view view;

	look(&other, &view);
	ck_assert_int_eq(view.where, MARKER_DIR_HANGS);
	ck_assert_int_eq(view.marker.kind, MARKER_UNKNOWN);
}

START_TEST(our_own_root_needs_no_scout)
{
	struct marker_view view;
	struct process self;

	process_open(&self, getpid());
	look(&self, &view);
	ck_assert_int_eq(view.where, MARKER_DIR_SAME);
	ck_assert_int_eq(view.marker.kind, MARKER_NO_DIRECTORY);
	ck_assert_uint_eq(scouts_count(scouts).scouts, 0);
	process_close(&self);
}
END_TEST

START_TEST(another_root_is_seen_by_a_scout)
{
	struct marker_view view;

	for (int i = 0; i < 2; i++) {
		look(&other, &view);
		ck_assert_int_eq(view.where, MARKER_DIR_OTHER);
		ck_assert_int_eq(view.marker.kind, i == 0 ? MARKER_ABSENT : MARKER_FILE);
		ck_assert_uint_ne(view.ino, 0);
		leave_marker();
	}
	ck_assert_uint_eq(scouts_count(scouts).scouts, 1);
	ck_assert_uint_eq(scouts_count(scouts).stuck, 0);
}
END_TEST

START_TEST(a_directory_is_watched_on_request)
{
	struct scouts_eye eye = {.scouts = scouts, .watched = other.pid};
	struct marker_view view;

	ck_assert_int_eq(dirwatch_arm(&dirs), DIRWATCH_NONE);
	ck_assert_int_ge(dirs.fd, 0);
	scouts_view(&place, &other, &view, &eye);
	ck_assert_int_gt(eye.wd, 0);
	ck_assert(!dirwatch_has_arrived(&dirs, eye.wd, other.pid));
	leave_marker();
	ck_assert(dirwatch_has_arrived(&dirs, eye.wd, other.pid));
}
END_TEST

START_TEST(a_look_that_is_late_is_taken)
{
	struct marker_view view;
	pid_t scout;

	look(&other, &view);
	scout = stop_scout();
	expect_hang();
	ck_assert_uint_eq(scouts_count(scouts).stuck, 1);
	/* It is under way: no other scout is asked. */
	expect_hang();
	ck_assert_uint_eq(scouts_count(scouts).scouts, 1);
	leave_marker();
	ck_assert_int_eq(kill(scout, SIGCONT), 0);
	while (late_pid == 0)
		loop_turn(loop, true);
	ck_assert_int_eq(late_pid, other.pid);
	ck_assert_int_eq(late_view.where, MARKER_DIR_OTHER);
	ck_assert_int_eq(late_view.marker.kind, MARKER_FILE);
	ck_assert_uint_eq(scouts_count(scouts).stuck, 0);
}
END_TEST

START_TEST(a_scout_that_stays_stuck_is_killed)
{
	struct marker_view view;
	pid_t scout;

	look(&other, &view);
	scout = stop_scout();
	expect_hang();
	while (scouts_count(scouts).scouts > 0)
		loop_turn(loop, true);
	ck_assert_uint_eq(scouts_count(scouts).stuck, 0);
	while (kill(scout, 0) == 0)
		sched_yield();
}
END_TEST

START_TEST(a_scout_that_dies_is_replaced)
{
	struct marker_view view;

	look(&other, &view);
	ck_assert_int_eq(kill(find_scout(), SIGKILL), 0);
	while (scouts_count(scouts).scouts > 0)
		loop_turn(loop, true);
	look(&other, &view);
	ck_assert_int_eq(view.where, MARKER_DIR_OTHER);
}
END_TEST

START_TEST(without_a_spawner_other_roots_are_not_looked_at)
{
	struct marker_view view;

	look(&other, &view);
	ck_assert_int_eq(kill(spawner, SIGKILL), 0);
	while (scouts_count(scouts).scouts > 0)
		loop_turn(loop, true);
	expect_hang();
	expect_hang();
}
END_TEST

static void view_hang(
    const struct marker_place *where, const struct process *p, struct marker_view *view, void *context)
{
	(void)where;
	(void)p;
	(void)context;
	*view = (struct marker_view){.where = MARKER_DIR_HANGS, .marker = {.kind = MARKER_UNKNOWN}};
}

/* No conclusion is drawn from it: not that there is no marker, nor that a wait is over. */
START_TEST(a_hang_proves_nothing)
{
	const struct marker_viewer viewer = {.view = view_hang};
	struct collisions collisions = {0};
	struct history history = {0};
	struct readyd_answer answer;

	check_process(&place, &other, &history, &collisions, &viewer, &answer);
	ck_assert_int_eq(answer.verdict, READYD_UNREACHABLE);
	ck_assert_int_eq(answer.reason, READYD_REASON_DIRECTORY_HANGS);
	ck_assert(!verdict_ends_wait(&answer));
	ck_assert(!history.absent_seen);
	ck_assert(!history.in_other_dir);
	history.latched = history.in_other_dir = true;
	check_process(&place, &other, &history, &collisions, &viewer, &answer);
	ck_assert_int_eq(answer.verdict, READYD_READY);
}
END_TEST

static bool can_change_root(void)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(chroot("/") == 0 ? 0 : 1);
	return waitpid(child, &status, 0) == child && status == 0;
}

static Suite *suite(void)
{
	Suite *s = suite_create("scouts");
	TCase *tcase = unit_case(s, "scouts");
	const bool may = can_change_root();

	loop_prepare();
	if (may)
		tcase_add_checked_fixture(tcase, set_up, tear_down);
	unit_add_if(tcase, our_own_root_needs_no_scout, may, "chroot(2) is denied");
	unit_add_if(tcase, another_root_is_seen_by_a_scout, may, "chroot(2) is denied");
	unit_add_if(tcase, a_directory_is_watched_on_request, may, "chroot(2) is denied");
	unit_add_if(tcase, a_look_that_is_late_is_taken, may, "chroot(2) is denied");
	unit_add_if(tcase, a_scout_that_stays_stuck_is_killed, may, "chroot(2) is denied");
	unit_add_if(tcase, a_scout_that_dies_is_replaced, may, "chroot(2) is denied");
	unit_add_if(tcase, without_a_spawner_other_roots_are_not_looked_at, may, "chroot(2) is denied");
	unit_add_if(tcase, a_hang_proves_nothing, may, "chroot(2) is denied");
	return s;
}

int main(void)
{
	return unit_main(suite);
}
