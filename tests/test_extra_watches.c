/* Watches of other marker directories are charged to the user of the process there: without room, there is
 * none, and only the sweep finds the marker. */
#include "daemon/loop.h"
#include "daemon/quota.h"
#include "daemon/scout.h"
#include "daemon/scouts.h"
#include "daemon/tracker.h"
#include "src/dirwatch.h"
#include "tests/unit.h"

#include <sys/inotify.h>

#define PREFIX	"ready-"
#define WORKERS 3

enum { WORKER_UID = 1000, ROOM = 2 };

static struct marker_place place = {.dir = ""};
static struct loop *loop;
static struct dirwatch dirs;
static struct scouts *scouts;
static struct quota quota;
static struct tracker tracker;
static char roots[WORKERS][UNIT_PATH_SIZE];
static pid_t workers[WORKERS];
static struct registry_wait waits[WORKERS];
static int told, started[2];
static const char *next_root;

static void on_behind(void *context)
{
	(void)context;
}

static void on_first_wait(void *context)
{
	(void)context;
}

static void on_late(pid_t pid, void *context)
{
	(void)context;
	ck_abort_msg("the look at %ld was late", (long)pid);
}

static void live_below(void)
{
	if (chroot(next_root) != 0 || chdir("/") != 0 || setresuid(WORKER_UID, WORKER_UID, WORKER_UID) != 0 ||
	    write(started[1], "s", 1) != 1)
		_exit(1);
}

static void start_worker(int i)
{
	char name[2 * UNIT_PATH_SIZE], byte;

	unit_dir(roots[i]);
	snprintf(name, sizeof(name), "%s/m", roots[i]);
	ck_assert_int_eq(mkdir(name, 0755), 0);
	next_root = roots[i];
	workers[i] = unit_spawn(live_below);
	ck_assert_int_eq(read(started[0], &byte, 1), 1);
}

static void set_up(void)
{
	struct scouts_config config = {.place = &place, .dirs = &dirs, .late = on_late};
	const struct account same = {0};

	config.spawner = spawner_start(-1, &same, &config.spawner_pid);
	ck_assert_int_ge(config.spawner, 0);
	ck_assert_int_eq(marker_place_init(&place, "/m", PREFIX), 0);
	ck_assert_int_eq(pipe(started), 0);
	for (int i = 0; i < WORKERS; i++)
		start_worker(i);
	loop = loop_new();
	dirwatch_init(&dirs, &place, on_behind, NULL);
	dirs.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	ck_assert_int_ge(dirs.fd, 0);
	scouts = scouts_new(loop, &config);
	quota_init(&quota, geteuid(), &(struct quota_config){1024, 100, 100});
	/* Half of it for one user. */
	quota.limits[QUOTA_WATCHES].shared = 2 * ROOM;
	tracker_init(&tracker, loop, &place, &dirs, scouts, &quota, on_first_wait, NULL);
}

static void tear_down(void)
{
	tracker_fini(&tracker);
	scouts_free(scouts);
	dirwatch_close(&dirs);
	loop_free(loop);
	ck_assert_ptr_null(quota.users);
}

static void join(struct registry_entry *entry, void *wait)
{
	registry_attach(tracker.registry, entry, wait);
}

static void on_settled(
    struct registry_wait *wait, const struct registry_entry *entry, const struct readyd_answer *answer)
{
	(void)wait;
	(void)entry;
	ck_assert_int_eq(answer->verdict, READYD_READY);
	told++;
}

static void wait_for(int i)
{
	static const struct registry_wait_kind kind = {.settled = on_settled};
	struct quota_user *asker = quota_enter(&quota, geteuid());
	struct readyd_answer answer;

	waits[i].kind = &kind;
	ck_assert(tracker_enroll(
	    &tracker, asker, &(struct tracker_named){.pid = workers[i]}, join, &waits[i], &answer));
	quota_leave(&quota, asker);
}

static bool is_watched(int i)
{
	return registry_find(tracker.registry, workers[i])->history.extra_watch != 0;
}

static void sweep(void)
{
	ck_assert(!tracker_sweep(&tracker, true, 2 * WORKERS));
}

static void mark(int i)
{
	char name[2 * UNIT_PATH_SIZE];

	snprintf(name, sizeof(name), "%s/m/" PREFIX "%ld", roots[i], (long)workers[i]);
	unit_write(name, "ready\n");
	ck_assert_int_eq(chown(name, WORKER_UID, WORKER_UID), 0);
}

START_TEST(a_user_without_room_gets_no_watch)
{
	for (int i = 0; i < WORKERS; i++)
		wait_for(i);
	ck_assert(is_watched(0) && is_watched(1) && !is_watched(2));
	ck_assert_uint_eq(quota.used[QUOTA_WATCHES], ROOM);
	/* The sweep asks for it again, in vain, and finds the marker. */
	sweep();
	ck_assert(is_watched(0) && is_watched(1) && !is_watched(2));
	ck_assert_uint_eq(quota.used[QUOTA_WATCHES], ROOM);
	mark(2);
	sweep();
	ck_assert_int_eq(told, 1);
	for (int i = 0; i < 2; i++)
		tracker_leave(&tracker, &waits[i]);
}
END_TEST

START_TEST(a_watch_that_ends_makes_room)
{
	for (int i = 0; i < WORKERS; i++)
		wait_for(i);
	tracker_leave(&tracker, &waits[0]);
	/* At the tick: those that were not asked for again since the last one but one. */
	for (int i = 0; i < 3; i++) {
		dirwatch_age(&dirs);
		sweep();
	}
	ck_assert(is_watched(1) && is_watched(2));
	ck_assert_uint_eq(quota.used[QUOTA_WATCHES], ROOM);
	for (int i = 1; i < WORKERS; i++)
		tracker_leave(&tracker, &waits[i]);
}
END_TEST

/* A look that a scout makes is all that the loop does for a user in one pass. */
START_TEST(a_scout_is_paid_for)
{
	uint64_t looks, pass = 1;

	for (int i = 0; i < WORKERS; i++) {
		wait_for(i);
		registry_queue(tracker.registry, waits[i].entry);
	}
	looks = tracker.looks;
	for (; tracker_check_due(&tracker, pass); pass++)
		ck_assert_uint_eq(tracker.looks, looks + pass);
	ck_assert_uint_eq(pass, WORKERS);
	ck_assert_uint_eq(tracker.looks, looks + WORKERS);
	for (int i = 0; i < WORKERS; i++)
		tracker_leave(&tracker, &waits[i]);
}
END_TEST

static Suite *suite(void)
{
	const char *why = "needs root, to change roots and users";
	Suite *s = suite_create("extra_watches");
	TCase *tcase = unit_case(s, "extra_watches");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	unit_add_if(tcase, a_user_without_room_gets_no_watch, geteuid() == 0, why);
	unit_add_if(tcase, a_watch_that_ends_makes_room, geteuid() == 0, why);
	unit_add_if(tcase, a_scout_is_paid_for, geteuid() == 0, why);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
