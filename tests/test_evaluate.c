#include <errno.h>
#include <pthread.h>

#include "src/check.h"
#include "src/clock.h"
#include "tests/unit.h"

/* What evaluate() is given, one value each of eleven kinds: all combinations are tried. */
enum life { ALIVE = 1, GONE = 2, NEVER = 4, REUSED = 8 };
enum kind { ABSENT = 1, FILED = 2, OTHER = 4, NO_DIRECTORY = 8, DENIED = 16 };
enum leftover { NO_LEFTOVER = 1, THE_LEFTOVER = 2, NOT_THE_LEFTOVER = 4 };
enum age { OLDER = 1, WITHIN_GRAIN = 2, YOUNGER = 4, UNKNOWN_AGE = 8 };
enum truth { NO = 1, YES = 2 };

struct given {
	unsigned life, kind, latched, absent_seen, leftover, age, foreign, closed, collision, excused,
	    unknown;
};

/* The first rule that matches decides; what a rule does not name may be anything. */
static const struct {
	struct given given;
	enum readyd_verdict verdict;
	enum readyd_reason reason;
} rules[] = {
    /* What could not be examined is no verdict. */
    {{.unknown = YES}, READYD_PENDING, READYD_REASON_NO_RESOURCES},
    /* Once ready, nothing makes it unready but its end. */
    {{.latched = YES, .life = ALIVE}, READYD_READY, READYD_REASON_NONE},
    {{.latched = YES}, READYD_EXITED, READYD_REASON_NONE},
    /* Of one that is long gone nothing is to be seen. */
    {{.life = REUSED}, READYD_DIED, READYD_REASON_PID_REUSED},
    /* Somebody else's marker, perhaps or surely. */
    {{.kind = FILED, .collision = YES, .life = ALIVE}, READYD_UNREACHABLE, READYD_REASON_NAME_COLLISION},
    {{.kind = FILED, .collision = YES, .life = GONE}, READYD_DIED, READYD_REASON_NAME_COLLISION},
    {{.kind = FILED, .collision = YES, .life = NEVER}, READYD_DIED, READYD_REASON_NO_PROCESS},
    {{.kind = FILED, .foreign = YES, .life = ALIVE}, READYD_STALE, READYD_REASON_FOREIGN_OWNER},
    {{.kind = FILED, .foreign = YES, .life = GONE}, READYD_DIED, READYD_REASON_FOREIGN_OWNER},
    {{.kind = FILED, .foreign = YES, .life = NEVER}, READYD_DIED, READYD_REASON_NO_PROCESS},
    /* What an earlier holder of the pid left. */
    {{.kind = FILED, .leftover = THE_LEFTOVER, .life = ALIVE}, READYD_STALE, READYD_REASON_OLDER},
    {{.kind = FILED, .leftover = THE_LEFTOVER, .life = GONE}, READYD_DIED, READYD_REASON_OLDER},
    {{.kind = FILED, .leftover = THE_LEFTOVER, .life = NEVER}, READYD_DIED, READYD_REASON_NO_PROCESS},
    /* Its own marker: stamps count for what was there before the first look, while clocks stand still. */
    {{.kind = FILED, .absent_seen = YES, .life = ALIVE}, READYD_READY, READYD_REASON_NONE},
    {{.kind = FILED, .absent_seen = YES}, READYD_EXITED, READYD_REASON_NONE},
    {{.kind = FILED, .age = OLDER, .excused = NO, .life = ALIVE}, READYD_STALE, READYD_REASON_OLDER},
    {{.kind = FILED, .age = OLDER, .excused = NO, .life = GONE}, READYD_DIED, READYD_REASON_OLDER},
    {{.kind = FILED, .age = OLDER, .excused = NO, .life = NEVER}, READYD_DIED, READYD_REASON_NO_PROCESS},
    {{.kind = FILED, .life = ALIVE}, READYD_READY, READYD_REASON_NONE},
    {{.kind = FILED}, READYD_EXITED, READYD_REASON_NONE},
    /* None. */
    {{.life = GONE}, READYD_DIED, READYD_REASON_NONE},
    {{.life = NEVER}, READYD_DIED, READYD_REASON_NO_PROCESS},
    {{.closed = YES}, READYD_UNREACHABLE, READYD_REASON_NAMESPACE_DENIED},
    {{.kind = ABSENT}, READYD_PENDING, READYD_REASON_NONE},
    {{.kind = OTHER}, READYD_PENDING, READYD_REASON_NOT_A_FILE},
    {{.kind = NO_DIRECTORY}, READYD_UNREACHABLE, READYD_REASON_NO_DIRECTORY},
    {{.kind = DENIED}, READYD_UNREACHABLE, READYD_REASON_DIRECTORY_DENIED},
};

static bool matches(unsigned given, unsigned rule)
{
	return rule == 0 || (given & rule) != 0;
}

static size_t rule_for(const struct given *g)
{
	for (size_t i = 0; i < UNIT_COUNT(rules); i++) {
		const struct given *r = &rules[i].given;

		if (matches(g->life, r->life) && matches(g->kind, r->kind) &&
		    matches(g->latched, r->latched) && matches(g->absent_seen, r->absent_seen) &&
		    matches(g->leftover, r->leftover) && matches(g->age, r->age) &&
		    matches(g->foreign, r->foreign) && matches(g->closed, r->closed) &&
		    matches(g->collision, r->collision) && matches(g->excused, r->excused) &&
		    matches(g->unknown, r->unknown))
			return i;
	}
	ck_abort_msg("no rule for life %u kind %u", g->life, g->kind);
	return 0;
}

#define PID	    4711
#define START_TICKS 1000
#define BOOT_OFFSET 1600000000123456789LL
/* How much later than its file's stamp a process may have started: a tick of the coarsest clock. */
#define GRAIN_NS 40000000LL

static struct timespec stamp(enum age age)
{
	int64_t ns = START_TICKS * clock_tick_ns() + BOOT_OFFSET;

	switch (age) {
	case OLDER:
	case UNKNOWN_AGE:
		ns -= GRAIN_NS + 1;
		break;
	case WITHIN_GRAIN:
		ns -= GRAIN_NS;
		break;
	case YOUNGER:
		ns += 1000000000;
		break;
	}
	return (struct timespec){ns / 1000000000, ns % 1000000000};
}

static enum marker_kind marker_kind(enum kind kind)
{
	switch (kind) {
	case ABSENT:
		return MARKER_ABSENT;
	case FILED:
		return MARKER_FILE;
	case OTHER:
		return MARKER_OTHER;
	case NO_DIRECTORY:
		return MARKER_NO_DIRECTORY;
	case DENIED:
		return MARKER_DENIED;
	}
	return MARKER_ABSENT;
}

static void arrange(
    const struct given *g, struct process *process, struct history *history, struct observation *observation)
{
	*process = (struct process){.pid = PID, .fd = -1};
	process->no_such_process = g->life == NEVER || g->life == REUSED;
	process->reused = g->life == REUSED;
	process->start = g->age == UNKNOWN_AGE ? 0 : START_TICKS;
	*observation = (struct observation){.gone = g->life != ALIVE,
	    .foreign = g->foreign == YES,
	    .inaccessible = g->closed == YES,
	    .ambiguous = g->collision == YES,
	    .clock_was_set = g->excused == YES,
	    .unknown = g->unknown == YES,
	    .boot_offset = BOOT_OFFSET,
	    .marker = {.kind = marker_kind(g->kind), .dev = 1, .ino = 2, .size = 6}};
	observation->marker.ctime = stamp(g->age);
	*history = (struct history){.latched = g->latched == YES, .absent_seen = g->absent_seen == YES};
	history->has_leftover = g->leftover != NO_LEFTOVER;
	history->leftover = observation->marker;
	history->leftover.kind = MARKER_FILE;
	history->leftover.ino += g->leftover == NOT_THE_LEFTOVER;
}

static void check_combination(const struct given *g, size_t rule)
{
	bool marked = g->kind == FILED && g->life != REUSED;
	struct readyd_answer answer;
	struct observation observation;
	struct process process;
	struct history history;

	arrange(g, &process, &history, &observation);
	memset(&answer, 0xff, sizeof(answer));
	evaluate(&process, &history, &observation, &answer);
	if (answer.verdict != rules[rule].verdict || answer.reason != rules[rule].reason)
		ck_abort_msg("life %u kind %u latched %u absent_seen %u leftover %u age %u foreign %u"
			     " closed %u collision %u excused %u: %s %s",
		    g->life, g->kind, g->latched, g->absent_seen, g->leftover, g->age, g->foreign, g->closed,
		    g->collision, g->excused, readyd_verdict_name(answer.verdict),
		    readyd_reason_name(answer.reason));
	unit_check(answer.pid == PID);
	unit_check(answer.start == process.start);
	unit_check(answer.wait_status == -1);
	unit_check(answer.flags == (g->latched == YES && !marked ? READYD_FLAG_LATCHED : 0));
}

/* The combination of this number; false when there are no more. */
static bool combination(unsigned number, struct given *g)
{
	static const unsigned sizes[] = {4, 5, 2, 2, 3, 4, 2, 2, 2, 2, 2};
	unsigned bits[UNIT_COUNT(sizes)];

	for (size_t i = 0; i < UNIT_COUNT(sizes); i++) {
		bits[i] = 1u << number % sizes[i];
		number /= sizes[i];
	}
	*g = (struct given){bits[0], bits[1], bits[2], bits[3], bits[4], bits[5], bits[6], bits[7], bits[8],
	    bits[9], bits[10]};
	return number == 0;
}

START_TEST(evaluates_by_the_rule)
{
	struct given given;
	unsigned tried = 0;

	for (unsigned number = 0; combination(number, &given); number++) {
		if (rule_for(&given) != (size_t)_i)
			continue;
		check_combination(&given, (size_t)_i);
		tried++;
	}
	ck_assert_uint_gt(tried, 0);
}
END_TEST

START_TEST(empty_marker_is_named)
{
	const struct given given = {.life = ALIVE, .kind = FILED, .leftover = NO_LEFTOVER, .age = YOUNGER};
	struct readyd_answer answer;
	struct observation observation;
	struct process process;
	struct history history;

	arrange(&given, &process, &history, &observation);
	observation.marker.size = 0;
	evaluate(&process, &history, &observation, &answer);
	ck_assert_int_eq(answer.verdict, READYD_READY);
	ck_assert_uint_eq(answer.flags, READYD_FLAG_EMPTY);
	observation.marker.kind = MARKER_ABSENT;
	evaluate(&process, &history, &observation, &answer);
	ck_assert_uint_eq(answer.flags, 0);
}
END_TEST

/* One thing that differs, and whether it makes another file. */
static const struct {
	struct marker_stat seen;
	bool same;
} seen_pairs[] = {
    {{MARKER_FILE, 1, 2, 0, 6, {3, 4}, {5, 6}}, true},
    /* A write after the creation changes size and, with the next tick, mtime. */
    {{MARKER_FILE, 1, 2, 0, 0, {3, 4}, {5, 6}}, true},
    /* Owner, mode or links were changed: that is no writing. */
    {{MARKER_FILE, 1, 2, 0, 6, {3, 4}, {9, 9}}, true},
    {{MARKER_OTHER, 1, 2, 0, 6, {3, 4}, {5, 6}}, false},
    {{MARKER_FILE, 9, 2, 0, 6, {3, 4}, {5, 6}}, false},
    {{MARKER_FILE, 1, 9, 0, 6, {3, 4}, {5, 6}}, false},
    {{MARKER_FILE, 1, 2, 0, 6, {9, 4}, {5, 6}}, false},
    {{MARKER_FILE, 1, 2, 0, 6, {3, 9}, {5, 6}}, false},
};

START_TEST(same_file_is_known)
{
	ck_assert(marker_same(&seen_pairs[0].seen, &seen_pairs[_i].seen) == seen_pairs[_i].same);
	ck_assert(marker_same(&seen_pairs[_i].seen, &seen_pairs[0].seen) == seen_pairs[_i].same);
}
END_TEST

/* One process, its marker, and who looks at them. */
struct scene {
	struct marker_place place;
	struct process process;
	struct history history;
	struct collisions collisions;
	struct readyd_answer answer;
	char marker[2 * UNIT_PATH_SIZE];
};

static struct scene scene;

static void set_scene(pid_t pid)
{
	char dir[UNIT_PATH_SIZE];

	unit_dir(dir);
	memset(&scene, 0, sizeof(scene));
	ck_assert_int_eq(marker_place_init(&scene.place, dir, "ready-"), 0);
	/* From here on the place is created, closed and removed: it had better be ours. */
	ck_assert_str_eq(scene.place.dir, dir);
	snprintf(scene.marker, sizeof(scene.marker), "%s/ready-%d", dir, (int)pid);
	process_open(&scene.process, pid);
}

static void expect(enum readyd_verdict verdict, enum readyd_reason reason, unsigned flags)
{
	memset(&scene.answer, 0xff, sizeof(scene.answer));
	check_process(&scene.place, &scene.process, &scene.history, &scene.collisions, &scene.answer);
	ck_assert_int_eq(scene.answer.verdict, verdict);
	ck_assert_int_eq(scene.answer.reason, reason);
	ck_assert_uint_eq(scene.answer.flags, flags);
	ck_assert_int_eq(scene.answer.pid, scene.process.pid);
	ck_assert_uint_eq(scene.answer.start, scene.process.start);
}

static void end_scene(void)
{
	process_close(&scene.process);
}

START_TEST(ready_once_marked)
{
	set_scene(getpid());
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	ck_assert(scene.history.absent_seen);
	ck_assert(!scene.history.latched);
	unit_write(scene.marker, "");
	expect(READYD_READY, READYD_REASON_NONE, READYD_FLAG_EMPTY);
	unit_write(scene.marker, "ready\n");
	expect(READYD_READY, READYD_REASON_NONE, 0);
	ck_assert(scene.history.latched);
	end_scene();
}
END_TEST

START_TEST(ready_when_marked_before_the_look)
{
	set_scene(getpid());
	unit_write(scene.marker, "ready\n");
	expect(READYD_READY, READYD_REASON_NONE, 0);
	ck_assert(!scene.history.absent_seen);
	end_scene();
}
END_TEST

START_TEST(ready_is_latched)
{
	set_scene(getpid());
	unit_write(scene.marker, "ready\n");
	expect(READYD_READY, READYD_REASON_NONE, 0);
	ck_assert_int_eq(unlink(scene.marker), 0);
	expect(READYD_READY, READYD_REASON_NONE, READYD_FLAG_LATCHED);
	ck_assert_int_eq(mkdir(scene.marker, 0700), 0);
	expect(READYD_READY, READYD_REASON_NONE, READYD_FLAG_LATCHED);
	ck_assert_int_eq(rmdir(scene.marker), 0);
	ck_assert_int_eq(rmdir(scene.place.dir), 0);
	expect(READYD_READY, READYD_REASON_NONE, READYD_FLAG_LATCHED);
	end_scene();
}
END_TEST

START_TEST(pending_while_something_else_has_the_name)
{
	set_scene(getpid());
	ck_assert_int_eq(symlink("/etc/passwd", scene.marker), 0);
	expect(READYD_PENDING, READYD_REASON_NOT_A_FILE, 0);
	ck_assert_int_eq(unlink(scene.marker), 0);
	ck_assert_int_eq(mkfifo(scene.marker, 0600), 0);
	expect(READYD_PENDING, READYD_REASON_NOT_A_FILE, 0);
	ck_assert_int_eq(unlink(scene.marker), 0);
	ck_assert_int_eq(mkdir(scene.marker, 0700), 0);
	expect(READYD_PENDING, READYD_REASON_NOT_A_FILE, 0);
	/* It was not seen that no marker was there. */
	ck_assert(!scene.history.absent_seen);
	end_scene();
}
END_TEST

START_TEST(unreachable_without_directory)
{
	set_scene(getpid());
	ck_assert_int_eq(rmdir(scene.place.dir), 0);
	expect(READYD_UNREACHABLE, READYD_REASON_NO_DIRECTORY, 0);
	unit_write(scene.place.dir, "");
	expect(READYD_UNREACHABLE, READYD_REASON_NO_DIRECTORY, 0);
	ck_assert_int_eq(unlink(scene.place.dir), 0);
	ck_assert_int_eq(mkdir(scene.place.dir, 0700), 0);
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	end_scene();
}
END_TEST

START_TEST(died_without_marker)
{
	pid_t child = unit_spawn_ending(7, 0);

	unit_await_zombie(child);
	set_scene(child);
	expect(READYD_DIED, READYD_REASON_NONE, 0);
	ck_assert_int_eq(scene.answer.wait_status, W_EXITCODE(7, 0));
	ck_assert(!scene.history.absent_seen);
	unit_reap(child);
	expect(READYD_DIED, READYD_REASON_NONE, 0);
	end_scene();
}
END_TEST

START_TEST(exited_with_marker)
{
	pid_t child = unit_spawn(NULL);

	set_scene(child);
	unit_write(scene.marker, "ready\n");
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	unit_await_zombie(child);
	expect(READYD_EXITED, READYD_REASON_NONE, 0);
	ck_assert_int_eq(scene.answer.wait_status, SIGKILL);
	unit_reap(child);
	expect(READYD_EXITED, READYD_REASON_NONE, 0);
	end_scene();
}
END_TEST

START_TEST(exited_when_latched)
{
	pid_t child = unit_spawn(NULL);

	set_scene(child);
	unit_write(scene.marker, "ready\n");
	expect(READYD_READY, READYD_REASON_NONE, 0);
	ck_assert_int_eq(unlink(scene.marker), 0);
	unit_kill(child);
	expect(READYD_EXITED, READYD_REASON_NONE, READYD_FLAG_LATCHED);
	end_scene();
}
END_TEST

START_TEST(never_was)
{
	set_scene(UNIT_PID_NEVER);
	expect(READYD_DIED, READYD_REASON_NO_PROCESS, 0);
	ck_assert_int_eq(scene.answer.wait_status, -1);
	/* Whoever wrote it had the pid. */
	unit_write(scene.marker, "ready\n");
	expect(READYD_EXITED, READYD_REASON_NONE, 0);
	end_scene();
}
END_TEST

START_TEST(left_behind_until_replaced)
{
	char other[sizeof(scene.marker) + 8];

	set_scene(getpid());
	unit_write(scene.marker, "ready\n");
	marker_stat(&scene.place, scene.process.pid, &scene.history.leftover);
	scene.history.has_leftover = true;
	expect(READYD_STALE, READYD_REASON_OLDER, 0);
	snprintf(other, sizeof(other), "%s.other", scene.marker);
	unit_write(other, "ready\n");
	ck_assert_int_eq(rename(other, scene.marker), 0);
	expect(READYD_READY, READYD_REASON_NONE, 0);
	end_scene();
}
END_TEST

/* Whoever is interrupted between its two clocks finds too small an offset. */
static int64_t boot_offset(void)
{
	int64_t best = clock_boot_offset(), next;

	for (int i = 0; i < 10; i++) {
		next = clock_boot_offset();
		best = next > best ? next : best;
	}
	return best;
}

/* In ticks since boot, when a process must have started at the latest for the marker to be its own. */
static uint64_t latest_start(void)
{
	struct marker_stat seen;

	marker_stat(&scene.place, scene.process.pid, &seen);
	return (uint64_t)((clock_to_ns(&seen.ctime) - boot_offset() + GRAIN_NS) / clock_tick_ns());
}

/* Nobody can mark a pid that is not there yet, so it is as if the process had started later. */
START_TEST(older_than_process)
{
	set_scene(getpid());
	unit_write(scene.marker, "ready\n");
	scene.process.start = latest_start() + 100;
	expect(READYD_STALE, READYD_REASON_OLDER, 0);
	scene.process.start = latest_start() - 1;
	expect(READYD_READY, READYD_REASON_NONE, 0);
	end_scene();
}
END_TEST

/* A marker from about the time when the process started may be of somebody before it. */
START_TEST(unsure_when_too_close)
{
	set_scene(getpid());
	unit_write(scene.marker, "ready\n");
	scene.process.start = latest_start() - 1;
	expect(READYD_READY, READYD_REASON_NONE, 0);
	ck_assert(scene.history.unconfirmed);
	/* What was seen so stays so. */
	expect(READYD_READY, READYD_REASON_NONE, 0);
	ck_assert(!scene.history.unconfirmed);
	scene.history.latched = false;
	scene.process.start -= 100;
	expect(READYD_READY, READYD_REASON_NONE, 0);
	ck_assert(!scene.history.unconfirmed);
	end_scene();
}
END_TEST

START_TEST(sure_when_it_was_seen_to_come)
{
	set_scene(getpid());
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	unit_write(scene.marker, "ready\n");
	scene.process.start = latest_start();
	expect(READYD_READY, READYD_REASON_NONE, 0);
	ck_assert(!scene.history.unconfirmed);
	end_scene();
}
END_TEST

/* Whoever saw that no marker was there does not ask the clocks. */
START_TEST(newer_whatever_the_clocks_say)
{
	set_scene(getpid());
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	unit_write(scene.marker, "ready\n");
	scene.process.start = latest_start() + 1000000;
	expect(READYD_READY, READYD_REASON_NONE, 0);
	end_scene();
}
END_TEST

START_TEST(foreign_owner)
{
	set_scene(getpid());
	unit_write(scene.marker, "ready\n");
	ck_assert_int_eq(chown(scene.marker, 4321, (gid_t)-1), 0);
	expect(READYD_STALE, READYD_REASON_FOREIGN_OWNER, 0);
	ck_assert_int_eq(chown(scene.marker, 0, (gid_t)-1), 0);
	expect(READYD_READY, READYD_REASON_NONE, 0);
	end_scene();
}
END_TEST

static int told[2];

static void take_a_uid(void)
{
	if (setresuid(1001, 1001, 1001) != 0 || write(told[1], "x", 1) != 1)
		_exit(1);
}

START_TEST(owner_is_the_process_or_root)
{
	pid_t child;
	char byte;

	ck_assert_int_eq(pipe(told), 0);
	child = unit_spawn(take_a_uid);
	ck_assert_int_eq(read(told[0], &byte, 1), 1);
	set_scene(child);
	unit_write(scene.marker, "ready\n");
	for (uid_t uid = 1000; uid <= 1002; uid++) {
		scene.history = (struct history){0};
		ck_assert_int_eq(chown(scene.marker, uid, (gid_t)-1), 0);
		if (uid == 1001)
			expect(READYD_READY, READYD_REASON_NONE, 0);
		else
			expect(READYD_STALE, READYD_REASON_FOREIGN_OWNER, 0);
	}
	ck_assert_int_eq(chown(scene.marker, 0, (gid_t)-1), 0);
	expect(READYD_READY, READYD_REASON_NONE, 0);
	end_scene();
	unit_kill(child);
}
END_TEST

/* Another root, in which the place's directory is another one. */
static char root[UNIT_PATH_SIZE];

static void change_root(void)
{
	if ((geteuid() != 0 && unshare(CLONE_NEWUSER) != 0) || chroot(root) != 0 ||
	    write(told[1], "x", 1) != 1)
		_exit(1);
}

/* Makes every directory of the path. */
static void make_path(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, 0700);
		*slash = '/';
	}
	ck_assert_int_eq(mkdir(path, 0700), 0);
}

/* A process that lives there; its marker is to be in there. */
static pid_t set_scene_elsewhere(char there[3 * UNIT_PATH_SIZE], void (*go)(void))
{
	char dir[3 * UNIT_PATH_SIZE];
	pid_t child;
	char byte;

	unit_dir(root);
	ck_assert_int_eq(pipe(told), 0);
	child = unit_spawn(go);
	close(told[1]);
	ck_assert_int_eq(read(told[0], &byte, 1), 1);
	close(told[0]);
	set_scene(child);
	snprintf(dir, sizeof(dir), "%s%s", root, scene.place.dir);
	make_path(dir);
	snprintf(there, 3 * UNIT_PATH_SIZE, "%s%s", root, scene.marker);
	return child;
}

START_TEST(marker_is_where_the_process_lives)
{
	char there[3 * UNIT_PATH_SIZE];
	pid_t child = set_scene_elsewhere(there, change_root);

	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	ck_assert(scene.history.in_other_dir);
	unit_write(scene.marker, "ready\n");
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	unit_write(there, "ready\n");
	expect(READYD_READY, READYD_REASON_NONE, 0);
	unit_kill(child);
	expect(READYD_EXITED, READYD_REASON_NONE, READYD_FLAG_LATCHED);
	end_scene();
}
END_TEST

/* Its directory is a link, and leads to what has that path in its root. */
START_TEST(marker_is_where_a_link_leads_the_process)
{
	char there[3 * UNIT_PATH_SIZE], path[4 * UNIT_PATH_SIZE];
	pid_t child = set_scene_elsewhere(there, change_root);

	snprintf(path, sizeof(path), "%s%s", root, scene.place.dir);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(symlink("/real/m", path), 0);
	snprintf(path, sizeof(path), "%s/real/m", root);
	make_path(path);
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	snprintf(path, sizeof(path), "%s/real/m%s", root, strrchr(scene.marker, '/'));
	unit_write(path, "ready\n");
	expect(READYD_READY, READYD_REASON_NONE, 0);
	end_scene();
	unit_kill(child);
}
END_TEST

static void *stay(void *arg)
{
	while (pause() < 0)
		continue;
	return arg;
}

static void leave_it_to_another_thread(void)
{
	pthread_t id;

	change_root();
	if (pthread_create(&id, NULL, stay, NULL) != 0)
		_exit(1);
	/* pthread_exit(3) would load a library, which is not to be had any more. */
	syscall(SYS_exit, 0);
}

/* No event tells that a first thread has ended. */
START_TEST(marker_is_where_the_other_threads_live)
{
	char there[3 * UNIT_PATH_SIZE];
	pid_t child = set_scene_elsewhere(there, leave_it_to_another_thread);

	while (process_state(&scene.process) != 'Z')
		sched_yield();
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	ck_assert(scene.history.in_other_dir);
	unit_write(scene.marker, "ready\n");
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	unit_write(there, "ready\n");
	expect(READYD_READY, READYD_REASON_NONE, 0);
	unit_kill(child);
	expect(READYD_EXITED, READYD_REASON_NONE, READYD_FLAG_LATCHED);
	end_scene();
}
END_TEST

/* The longest path that a place may have. */
static void deepen_scene(void)
{
	size_t len = strlen(scene.place.dir), part;
	char name[32];

	snprintf(name, sizeof(name), "%s", strrchr(scene.marker, '/'));
	while (len < MARKER_DIR_SIZE - 1) {
		part = MARKER_DIR_SIZE - 1 - len;
		part = part > 100 ? 50 : part;
		memset(scene.place.dir + len, 'd', part);
		scene.place.dir[len] = '/';
		len += part;
	}
	scene.place.dir[len] = '\0';
	make_path(scene.place.dir);
	snprintf(scene.marker, sizeof(scene.marker), "%.511s%s", scene.place.dir, name);
}

START_TEST(marker_is_far_down_where_the_process_lives)
{
	char there[3 * UNIT_PATH_SIZE], path[4 * UNIT_PATH_SIZE];
	pid_t child = set_scene_elsewhere(there, change_root);

	deepen_scene();
	snprintf(path, sizeof(path), "%s%s", root, scene.place.dir);
	make_path(path);
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	unit_write(scene.marker, "ready\n");
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	snprintf(path, sizeof(path), "%s%s", root, scene.marker);
	unit_write(path, "ready\n");
	expect(READYD_READY, READYD_REASON_NONE, 0);
	end_scene();
	unit_kill(child);
}
END_TEST

/* What lies here under its name is not its own, also when its root cannot be seen any more. */
START_TEST(marker_here_is_not_of_one_elsewhere)
{
	char there[3 * UNIT_PATH_SIZE];
	pid_t child = set_scene_elsewhere(there, change_root);

	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	unit_write(scene.marker, "ready\n");
	unit_kill(child);
	expect(READYD_DIED, READYD_REASON_NONE, 0);
	end_scene();
}
END_TEST

/* In another pid namespace, and its root may not be entered by us. */
START_TEST(namespace_is_closed)
{
	pid_t child = unit_spawn_nested();

	set_scene(child);
	ck_assert_int_eq(chmod(unit_root, 0711), 0);
	ck_assert_int_eq(chmod(scene.place.dir, 0711), 0);
	ck_assert_int_eq(seteuid(65534), 0);
	expect(READYD_UNREACHABLE, READYD_REASON_NAMESPACE_DENIED, 0);
	ck_assert(!scene.history.absent_seen);
	ck_assert_int_eq(seteuid(0), 0);
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	end_scene();
	unit_kill(child);
}
END_TEST

/* Where to begin looking for a name: other tests may be doing the same. */
static pid_t first_name;

/* No process here has it as its pid: and since numbers are given upwards, none will soon. */
static bool is_free_name(pid_t ns_pid)
{
	return ns_pid >= first_name && kill(ns_pid, 0) != 0 && errno == ESRCH;
}

/* Leaves the pid namespace, for its children, and counts there up to a ns_pid that is free here. Then it
 * tells that child's pid. */
static void count_up(void)
{
	int flags = CLONE_NEWPID | (geteuid() == 0 ? 0 : CLONE_NEWUSER);
	pid_t child;

	if (unshare(flags) != 0 || process_ns_pid_of(unit_spawn(NULL)) != 1)
		_exit(1);
	for (pid_t ns_pid = 2;; ns_pid++) {
		child = unit_spawn(NULL);
		if (is_free_name(ns_pid))
			break;
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	if (write(told[1], &child, sizeof(child)) != sizeof(child))
		_exit(1);
}

/* *counter is its parent: it ends with it. */
static pid_t spawn_counted(pid_t *counter)
{
	pid_t child;

	first_name = 20 + getpid() % 500;
	ck_assert_int_eq(pipe(told), 0);
	*counter = unit_spawn(count_up);
	close(told[1]);
	ck_assert_int_eq(read(told[0], &child, sizeof(child)), sizeof(child));
	close(told[0]);
	return child;
}

static void write_marker(pid_t pid)
{
	snprintf(strrchr(scene.marker, '-'), 16, "-%d", (int)pid);
	unit_write(scene.marker, "ready\n");
}

START_TEST(nested_marker_has_its_own_name)
{
	pid_t counter, child = spawn_counted(&counter), name = process_ns_pid_of(child);

	set_scene(child);
	ck_assert_int_ne(name, child);
	write_marker(child);
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	write_marker(name);
	expect(READYD_READY, READYD_REASON_NONE, 0);
	end_scene();
	unit_kill(counter);
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

/* The rival has ended, and nobody has reaped it. */
START_TEST(zombie_is_no_rival)
{
	pid_t counters[2], child = spawn_counted(&counters[0]), other = spawn_counted(&counters[1]);

	ck_assert_int_eq(process_ns_pid_of(child), process_ns_pid_of(other));
	set_scene(child);
	end_and_await(other);
	write_marker(process_ns_pid_of(child));
	expect(READYD_READY, READYD_REASON_NONE, 0);
	end_scene();
	unit_kill(counters[0]);
	unit_kill(counters[1]);
}
END_TEST

/* Once contested, the marker stays so, until somebody writes it anew. */
START_TEST(one_name_for_two)
{
	pid_t counters[2], child = spawn_counted(&counters[0]), other = spawn_counted(&counters[1]);
	pid_t ns_pid = process_ns_pid_of(child);

	ck_assert_int_eq(process_ns_pid_of(other), ns_pid);
	set_scene(child);
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	write_marker(ns_pid);
	expect(READYD_UNREACHABLE, READYD_REASON_NAME_COLLISION, 0);
	ck_assert(!scene.history.latched);
	end_and_await(other);
	expect(READYD_UNREACHABLE, READYD_REASON_NAME_COLLISION, 0);
	ck_assert_int_eq(unlink(scene.marker), 0);
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	write_marker(ns_pid);
	expect(READYD_READY, READYD_REASON_NONE, 0);
	end_scene();
	unit_kill(counters[0]);
	unit_kill(counters[1]);
}
END_TEST

/* Who does not want to find out whether there is another one is told that there may be. */
START_TEST(ambiguity_is_left_unchecked)
{
	pid_t child = unit_spawn_nested();
	struct readyd_answer answer;

	set_scene(child);
	check_process(&scene.place, &scene.process, &scene.history, NULL, &answer);
	ck_assert(!scene.history.unconfirmed);
	write_marker(1);
	check_process(&scene.place, &scene.process, &scene.history, NULL, &answer);
	ck_assert_int_eq(answer.verdict, READYD_READY);
	ck_assert(scene.history.unconfirmed);
	ck_assert(!scene.history.latched);
	scene.history.confirmed = true;
	check_process(&scene.place, &scene.process, &scene.history, NULL, &answer);
	ck_assert_int_eq(answer.verdict, READYD_READY);
	ck_assert(!scene.history.unconfirmed);
	ck_assert(scene.history.latched);
	end_scene();
	unit_kill(child);
}
END_TEST

/* Nothing could be read of the process: a marker under its name may be anything. */
START_TEST(unread_process_has_no_verdict)
{
	struct rlimit limit;

	set_scene(getpid());
	end_scene();
	unit_write(scene.marker, "ready\n");
	limit = unit_take_fds();
	process_open(&scene.process, getpid());
	check_process(&scene.place, &scene.process, &scene.history, &scene.collisions, &scene.answer);
	unit_give_fds(&limit);
	ck_assert_int_eq(scene.answer.verdict, READYD_PENDING);
	ck_assert_int_eq(scene.answer.reason, READYD_REASON_NO_RESOURCES);
	ck_assert(!scene.history.latched);
	ck_assert(!scene.history.absent_seen);
	end_scene();
}
END_TEST

/* The marker's owner is compared with user ids that cannot be read. */
START_TEST(unread_owner_has_no_verdict)
{
	struct rlimit limit;

	set_scene(getpid());
	process_close(&scene.process);
	unit_write(scene.marker, "ready\n");
	ck_assert_int_eq(chown(scene.marker, 65534, 65534), 0);
	limit = unit_take_fds();
	check_process(&scene.place, &scene.process, &scene.history, &scene.collisions, &scene.answer);
	unit_give_fds(&limit);
	ck_assert_int_eq(scene.answer.reason, READYD_REASON_NO_RESOURCES);
	expect(READYD_STALE, READYD_REASON_FOREIGN_OWNER, 0);
	end_scene();
}
END_TEST

static bool can_change_root(void)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit((geteuid() == 0 || unshare(CLONE_NEWUSER) == 0) && chroot("/") == 0 ? 0 : 1);
	return waitpid(child, &status, 0) == child && status == 0;
}

/* Whether others get as far as to our private directories. */
static bool others_may_come(void)
{
	struct stat st;
	bool may;

	if (geteuid() != 0 || seteuid(65534) != 0)
		return false;
	may = stat(unit_root, &st) == 0;
	return seteuid(0) == 0 && may;
}

static void add_privileged(TCase *tcase)
{
	const bool is_root = geteuid() == 0, can_nest = unit_can_nest();

	unit_add_if(tcase, foreign_owner, is_root, "needs root");
	unit_add_if(tcase, unread_owner_has_no_verdict, is_root, "needs root");
	unit_add_if(tcase, owner_is_the_process_or_root, is_root, "needs root");
	unit_add_if(
	    tcase, namespace_is_closed, can_nest && others_may_come(), "needs root and a public TMPDIR");
	unit_add_if(tcase, nested_marker_has_its_own_name, can_nest, "no pid namespace to be had");
	unit_add_if(tcase, zombie_is_no_rival, can_nest, "no pid namespace to be had");
	unit_add_if(tcase, one_name_for_two, can_nest, "no pid namespace to be had");
	unit_add_if(tcase, ambiguity_is_left_unchecked, can_nest, "no pid namespace to be had");
	unit_add_if(tcase, marker_is_where_the_other_threads_live, can_change_root(), "chroot(2) is denied");
	unit_add_if(tcase, marker_is_where_the_process_lives, can_change_root(), "chroot(2) is denied");
	unit_add_if(
	    tcase, marker_is_where_a_link_leads_the_process, can_change_root(), "chroot(2) is denied");
	unit_add_if(
	    tcase, marker_is_far_down_where_the_process_lives, can_change_root(), "chroot(2) is denied");
	unit_add_if(tcase, marker_here_is_not_of_one_elsewhere, can_change_root(), "chroot(2) is denied");
}

static Suite *suite(void)
{
	Suite *s = suite_create("judge");
	TCase *tcase = unit_case(s, "judge");

	tcase_add_loop_test(tcase, evaluates_by_the_rule, 0, UNIT_COUNT(rules));
	tcase_add_test(tcase, empty_marker_is_named);
	tcase_add_loop_test(tcase, same_file_is_known, 0, UNIT_COUNT(seen_pairs));
	tcase = unit_case(s, "inspect");
	tcase_add_test(tcase, ready_once_marked);
	tcase_add_test(tcase, ready_when_marked_before_the_look);
	tcase_add_test(tcase, ready_is_latched);
	tcase_add_test(tcase, pending_while_something_else_has_the_name);
	tcase_add_test(tcase, unreachable_without_directory);
	tcase_add_test(tcase, died_without_marker);
	tcase_add_test(tcase, exited_with_marker);
	tcase_add_test(tcase, exited_when_latched);
	tcase_add_test(tcase, never_was);
	tcase_add_test(tcase, left_behind_until_replaced);
	tcase_add_test(tcase, older_than_process);
	tcase_add_test(tcase, unsure_when_too_close);
	tcase_add_test(tcase, sure_when_it_was_seen_to_come);
	tcase_add_test(tcase, newer_whatever_the_clocks_say);
	tcase_add_test(tcase, unread_process_has_no_verdict);
	add_privileged(tcase);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
