#include "src/clock.h"
#include "src/evidence.h"
#include "tests/unit.h"

#define START_TICKS 1000
#define BOOT_OFFSET 1600000000123456789LL
#define MS	    1000000LL
#define S	    (1000 * MS)
#define TICK	    (1000000000LL / 100)
#define LATER	    (100 * S)

/* What clocks say of a file that lay there at the first look: written `after` nanoseconds after the start, by
 * its stamp, and seen at `now` (also after the start). */
static const struct {
	const char *what;
	int64_t after, now;
	struct stamp_trust stamps;
	int64_t set; /* the clock, forward by this much, perhaps since it was written */
	enum evidence evidence;
	bool weak;
} by_stamps[] = {
    {"a second younger", S, LATER, {40 * MS, 0, 0, false}, 0, EVIDENCE_OWN, false},
    {"a tick and the grain younger", TICK + 40 * MS + 1, LATER, {40 * MS, 0, 0, false}, 0, EVIDENCE_OWN,
	false},
    {"not quite that", TICK + 40 * MS, LATER, {40 * MS, 0, 0, false}, 0, EVIDENCE_OWN, true},
    {"more than a tick younger", TICK + 1, LATER, {40 * MS, 0, 0, false}, 0, EVIDENCE_OWN, true},
    {"a tick younger", TICK, LATER, {40 * MS, 0, 0, false}, 0, EVIDENCE_ASSUMED, true},
    {"as old", 0, LATER, {40 * MS, 0, 0, false}, 0, EVIDENCE_ASSUMED, true},
    {"the grain older", -40 * MS, LATER, {40 * MS, 0, 0, false}, 0, EVIDENCE_ASSUMED, true},
    {"more than the grain older", -40 * MS - 1, LATER, {40 * MS, 0, 0, false}, 0, EVIDENCE_LEFTOVER, true},
    {"an hour older", -3600 * S, LATER, {40 * MS, 0, 0, false}, 0, EVIDENCE_LEFTOVER, true},
    /* Whole seconds: the stamp is up to a second before the writing. */
    {"most of a second older, grain 1 s", -999 * MS, LATER, {S, 0, 0, false}, 0, EVIDENCE_ASSUMED, true},
    {"more than a second older, grain 1 s", -S - 1, LATER, {S, 0, 0, false}, 0, EVIDENCE_LEFTOVER, true},
    {"a second younger, grain 1 s", S, LATER, {S, 0, 0, false}, 0, EVIDENCE_OWN, true},
    {"two seconds younger, grain 1 s", 2 * S, LATER, {S, 0, 0, false}, 0, EVIDENCE_OWN, false},
    /* A server's clock, which may be behind or ahead by the margin. */
    {"4 s older, margin 5 s", -4 * S, LATER, {40 * MS, 5 * S, 0, false}, 0, EVIDENCE_ASSUMED, true},
    {"6 s older, margin 5 s", -6 * S, LATER, {40 * MS, 5 * S, 0, false}, 0, EVIDENCE_LEFTOVER, true},
    {"4 s younger, margin 5 s", 4 * S, LATER, {40 * MS, 5 * S, 0, false}, 0, EVIDENCE_ASSUMED, true},
    {"6 s younger, margin 5 s", 6 * S, LATER, {40 * MS, 5 * S, 0, false}, 0, EVIDENCE_OWN, false},
    /* A measured difference is taken off the stamp. */
    {"60 ms older, clock 60 ms behind", -60 * MS, LATER, {MS, 0, -60 * MS, true}, 0, EVIDENCE_ASSUMED, true},
    {"an hour older, clock an hour behind", -3590 * S, LATER, {MS, 0, -3600 * S, true}, 0, EVIDENCE_OWN,
	false},
    {"as old, clock a second ahead", 0, LATER, {MS, 0, S, true}, 0, EVIDENCE_LEFTOVER, true},
    /* From the future, beyond what the clocks may differ by. */
    {"in the future", 2 * LATER, LATER, {40 * MS, 0, 0, false}, 0, EVIDENCE_UNDATED, true},
    {"in the future by the grain", LATER + 40 * MS, LATER, {40 * MS, 0, 0, false}, 0, EVIDENCE_OWN, false},
    {"in the future by a server's clock", LATER + 5 * S, LATER, {0, 5 * S, 0, false}, 0, EVIDENCE_OWN, false},
    {"in the future of a server's clock", LATER + 5 * S + 1, LATER, {0, 5 * S, 0, false}, 0, EVIDENCE_UNDATED,
	true},
    {"ahead like the measured clock", LATER + 99 * S, LATER, {MS, 0, 100 * S, true}, 0, EVIDENCE_OWN, false},
    /* Older, but by no more than the clock was set. */
    {"an hour older, clock set", -3600 * S, LATER, {40 * MS, 0, 0, false}, 3600 * S, EVIDENCE_ASSUMED, true},
};

static void arrange(int64_t after, int64_t now, struct process *p, struct observation *o)
{
	int64_t start = START_TICKS * clock_tick_ns() + BOOT_OFFSET;
	int64_t ns = start + after;

	*p = (struct process){.pid = 4711, .fd = -1, .start = START_TICKS, .start_known = true};
	*o = (struct observation){.marker = {.kind = MARKER_FILE, .dev = 1, .ino = 2},
	    .now = start + now - BOOT_OFFSET,
	    .offsets = {BOOT_OFFSET, BOOT_OFFSET},
	    .stamps = {.grain_ns = 40 * MS}};
	o->marker.ctime = (struct timespec){ns / S, ns % S};
}

START_TEST(stamps_decide_within_their_trust)
{
	struct history history = {0};
	struct observation o;
	struct process p;

	ck_assert_int_eq(clock_tick_ns(), TICK);
	arrange(by_stamps[_i].after, by_stamps[_i].now, &p, &o);
	o.stamps = by_stamps[_i].stamps;
	o.offsets.least -= by_stamps[_i].set;
	ck_assert(evidence_needs_stamps(&history, &o.marker));
	if (evidence_weigh(&p, &history, &o) != by_stamps[_i].evidence)
		ck_abort_msg("%s: %d", by_stamps[_i].what, (int)evidence_weigh(&p, &history, &o));
	ck_assert_msg(evidence_is_weak(&p, &history, &o) == by_stamps[_i].weak, "%s", by_stamps[_i].what);
}
END_TEST

/* What would be assumed is unknown to a strict caller; the rest stays. */
START_TEST(strict_caller_assumes_nothing)
{
	enum evidence assumed = EVIDENCE_UNDATED, evidence = by_stamps[_i].evidence;
	struct history history = {.strict = true};
	struct observation o;
	struct process p;

	arrange(by_stamps[_i].after, by_stamps[_i].now, &p, &o);
	o.stamps = by_stamps[_i].stamps;
	o.offsets.least -= by_stamps[_i].set;
	ck_assert_int_eq(evidence_weigh(&p, &history, &o), evidence == EVIDENCE_ASSUMED ? assumed : evidence);
}
END_TEST

/* What was seen decides, whatever the stamps say. */
static const int64_t stamps_of_all_kinds[] = {-3600 * S, -40 * MS, 0, S, 2 * LATER};

START_TEST(what_was_seen_decides_before_stamps)
{
	struct history absent = {.absent_seen = true}, left = {.has_leftover = true};
	struct observation o;
	struct process p;

	arrange(stamps_of_all_kinds[_i], LATER, &p, &o);
	left.leftover = o.marker;
	ck_assert_int_eq(evidence_weigh(&p, &absent, &o), EVIDENCE_OWN);
	ck_assert_int_eq(evidence_weigh(&p, &left, &o), EVIDENCE_LEFTOVER);
	ck_assert(!evidence_needs_stamps(&absent, &o.marker));
	ck_assert(!evidence_needs_stamps(&left, &o.marker));
	ck_assert(!evidence_is_weak(&p, &absent, &o));
	p.start_known = false;
	ck_assert_int_eq(evidence_weigh(&p, &absent, &o), EVIDENCE_OWN);
	ck_assert_int_eq(evidence_weigh(&p, &left, &o), EVIDENCE_LEFTOVER);
}
END_TEST

/* A leftover that is replaced or rewritten is another file; what its stamps say then counts. */
START_TEST(rewritten_leftover_is_judged_anew)
{
	struct history history = {.has_leftover = true};
	struct observation o;
	struct process p;

	arrange(S, LATER, &p, &o);
	history.leftover = o.marker;
	o.marker.mtime.tv_sec++;
	ck_assert_int_eq(evidence_weigh(&p, &history, &o), EVIDENCE_OWN);
	o.marker = history.leftover;
	o.marker.ino++;
	ck_assert_int_eq(evidence_weigh(&p, &history, &o), EVIDENCE_OWN);
}
END_TEST

/* No history of the name makes another user's file, or one that two processes may have left, its own. */
START_TEST(owner_and_collision_decide_first)
{
	struct history history = {.absent_seen = true};
	struct observation o;
	struct process p;

	arrange(S, LATER, &p, &o);
	o.foreign = true;
	ck_assert_int_eq(evidence_weigh(&p, &history, &o), EVIDENCE_FOREIGN);
	o.ambiguous = true;
	ck_assert_int_eq(evidence_weigh(&p, &history, &o), EVIDENCE_AMBIGUOUS);
}
END_TEST

START_TEST(unknown_start_proves_nothing)
{
	struct history history = {0};
	struct observation o;
	struct process p;

	arrange(S, LATER, &p, &o);
	p.start_known = false;
	p.start = 0;
	ck_assert_int_eq(evidence_weigh(&p, &history, &o), EVIDENCE_NAMELESS);
	/* Nor if it ends: the file may be an earlier process's. */
	o.gone = true;
	ck_assert_int_eq(evidence_weigh(&p, &history, &o), EVIDENCE_NAMELESS);
	/* There was none, so any process that had the pid is meant. */
	p.no_such_process = true;
	ck_assert_int_eq(evidence_weigh(&p, &history, &o), EVIDENCE_OWN);
	/* There is no process, but a certain one is meant: stamps tell. */
	p.start = START_TICKS;
	ck_assert_int_eq(evidence_weigh(&p, &history, &o), EVIDENCE_OWN);
	o.marker.ctime.tv_sec -= 100;
	ck_assert_int_eq(evidence_weigh(&p, &history, &o), EVIDENCE_LEFTOVER);
}
END_TEST

/* A file that others may have given the name, in a directory that they can write to. */
static const struct {
	const char *what;
	bool shared, absent_seen, leftover_before;
	unsigned links;
	int64_t born, written; /* after the start; its ctime is a second after it */
	enum evidence evidence, strict;
} moved[] = {
    {"created after the start", true, true, false, 1, S, S, EVIDENCE_OWN, EVIDENCE_OWN},
    {"linked", true, true, false, 2, S, S, EVIDENCE_UNDATED, EVIDENCE_UNDATED},
    {"linked, seen late", true, false, false, 2, S, S, EVIDENCE_UNDATED, EVIDENCE_UNDATED},
    {"renamed", true, true, false, 1, -S, -S, EVIDENCE_UNDATED, EVIDENCE_UNDATED},
    {"renamed, seen late", true, false, false, 1, -S, -S, EVIDENCE_UNDATED, EVIDENCE_UNDATED},
    {"renamed and still written to", true, true, false, 1, -S, S, EVIDENCE_UNDATED, EVIDENCE_UNDATED},
    {"perhaps a leftover, written over", true, false, false, 1, -S, S, EVIDENCE_ASSUMED, EVIDENCE_UNDATED},
    {"written to as late as stamps can tell", true, false, false, 1, -S, -40 * MS, EVIDENCE_ASSUMED,
	EVIDENCE_UNDATED},
    {"not as late", true, false, false, 1, -S, -40 * MS - 1, EVIDENCE_UNDATED, EVIDENCE_UNDATED},
    {"a leftover, written over and linked", true, false, true, 2, -S, S, EVIDENCE_UNDATED, EVIDENCE_UNDATED},
    {"a leftover, written over", true, false, true, 1, -S, S, EVIDENCE_OWN, EVIDENCE_OWN},
    {"linked, where no other user can", false, true, false, 2, -S, -S, EVIDENCE_OWN, EVIDENCE_OWN},
};

START_TEST(moved_file_proves_nothing)
{
	struct history history = {.absent_seen = moved[_i].absent_seen, .absent = {.kind = MARKER_ABSENT}};
	struct observation o;
	struct process p;
	int64_t start;

	arrange(S, LATER, &p, &o);
	if (moved[_i].leftover_before)
		history.leftover = o.marker;
	o.shared = moved[_i].shared;
	o.has_birth = true;
	o.birth_offsets = o.offsets;
	o.marker.links = moved[_i].links;
	start = clock_to_ns(&o.marker.ctime) - S;
	o.born = (struct timespec){(start + moved[_i].born) / S, (start + moved[_i].born) % S};
	o.marker.mtime = (struct timespec){(start + moved[_i].written) / S, (start + moved[_i].written) % S};
	ck_assert_msg(evidence_weigh(&p, &history, &o) == moved[_i].evidence, "%s", moved[_i].what);
	history.strict = true;
	ck_assert_msg(evidence_weigh(&p, &history, &o) == moved[_i].strict, "%s", moved[_i].what);
}
END_TEST

/* A file under the name of a process that was never seen: how long before its last change it was created and
 * written, which a link or a rename leaves as it is. */
static const struct {
	const char *what;
	bool shared, has_birth;
	unsigned links;
	int64_t born, written;
	enum evidence evidence, strict;
} never_seen[] = {
    {"written at once", true, true, 1, S, S, EVIDENCE_OWN, EVIDENCE_OWN},
    {"linked", true, true, 2, 0, 0, EVIDENCE_UNDATED, EVIDENCE_UNDATED},
    {"renamed", true, true, 1, S + 1, S + 1, EVIDENCE_UNDATED, EVIDENCE_UNDATED},
    {"written over", true, true, 1, S + 1, S, EVIDENCE_ASSUMED, EVIDENCE_UNDATED},
    {"renamed, of unknown birth", true, false, 1, 0, S + 1, EVIDENCE_UNDATED, EVIDENCE_UNDATED},
    {"renamed, where no other user can", false, true, 1, S + 1, S + 1, EVIDENCE_OWN, EVIDENCE_OWN},
};

START_TEST(moved_file_of_a_process_that_was_never_seen_proves_nothing)
{
	struct history history = {0};
	struct observation o;
	struct process p;
	int64_t changed;

	arrange(S, LATER, &p, &o);
	p.start_known = false;
	p.start = 0;
	p.no_such_process = true;
	o.shared = never_seen[_i].shared;
	o.has_birth = never_seen[_i].has_birth;
	o.marker.links = never_seen[_i].links;
	changed = clock_to_ns(&o.marker.ctime);
	o.born = (struct timespec){(changed - never_seen[_i].born) / S, (changed - never_seen[_i].born) % S};
	o.marker.mtime =
	    (struct timespec){(changed - never_seen[_i].written) / S, (changed - never_seen[_i].written) % S};
	ck_assert_msg(evidence_weigh(&p, &history, &o) == never_seen[_i].evidence, "%s", never_seen[_i].what);
	history.strict = true;
	ck_assert_msg(evidence_weigh(&p, &history, &o) == never_seen[_i].strict, "%s", never_seen[_i].what);
}
END_TEST

/* Of a process that is gone, the start that was asked for counts. */
START_TEST(start_of_what_is_judged)
{
	const struct history history = {.absent_since = 77};
	struct process p = {.start = 1};

	ck_assert_int_eq(evidence_start(&p, &history), 77);
	p.no_such_process = true;
	ck_assert_int_eq(evidence_start(&p, &history), clock_ticks_to_ns(1));
	p.start = 0;
	ck_assert_int_eq(evidence_start(&p, &history), 77);
	p = (struct process){.start = 0, .start_known = true};
	ck_assert_int_eq(evidence_start(&p, &history), 0);
}
END_TEST

/* A file cannot have been written for longer than the process lives, but for the grain of the stamps. */
START_TEST(time_before_the_start)
{
	const int64_t lived = 4000, most = lived + STAMP_GRAIN_NS;

	ck_assert(!evidence_took_longer(1000, most, 1000 + lived));
	ck_assert(evidence_took_longer(1000, most + 1, 1000 + lived));
}
END_TEST

static bool was_born_before(bool has_birth, bool known_old, int64_t before_start)
{
	const struct process p = {.start = START_TICKS, .start_known = true};
	const struct history history = {0};
	const int64_t start = clock_ticks_to_ns(START_TICKS), born = start - before_start;
	const struct timespec stamp = {born / S, born % S};
	const struct observation o = {.marker.ctime = stamp,
	    .now = start + S,
	    .has_birth = has_birth,
	    .born = stamp,
	    .known_old = known_old,
	    .stamps = {.grain_ns = 3, .margin_ns = 4}};

	return evidence_was_born_before(&p, &history, &o);
}

/* A file that was created before the process started, beyond what stamps can tell. */
START_TEST(file_that_is_older_than_the_process)
{
	ck_assert(!was_born_before(true, false, 0));
	ck_assert(!was_born_before(true, false, 7));
	ck_assert(was_born_before(true, false, 8));
	ck_assert(was_born_before(true, true, 0));
	/* Its time of birth is not kept. */
	ck_assert(!was_born_before(false, true, 8));
}
END_TEST

/* Only of a process that was never seen: one that lives may write over an old file. */
START_TEST(file_alone_tells_nothing_of_a_process_that_was_seen)
{
	struct process p = {.no_such_process = true};
	struct history history = {0};
	const struct observation o = {
	    .now = 100 * S, .has_birth = true, .born = {10, 0}, .marker.ctime = {12, 0}};

	ck_assert(evidence_was_born_before(&p, &history, &o));
	history.absent_since = 5 * S;
	ck_assert(!evidence_was_born_before(&p, &history, &o));
	history.absent_since = 0;
	p.no_such_process = false;
	ck_assert(!evidence_was_born_before(&p, &history, &o));
}
END_TEST

/* Of a file that is 5 s older than the process, and looks 5 s younger since the clock was set back at that
 * moment. */
static bool is_seen_through(int64_t set_at, bool clock_followed)
{
	const int64_t start = clock_ticks_to_ns(START_TICKS), now = start + 20 * S, back = 10 * S;
	const struct process p = {.start = START_TICKS, .start_known = true};
	const struct history history = {0};
	const struct clock_view view = {.now = now, .offset = BOOT_OFFSET - back};
	const int64_t born = start - 5 * S + BOOT_OFFSET, changed = now + BOOT_OFFSET - back;
	struct clock_steps steps = {0};
	struct observation o = {.has_birth = true, .now = now};

	clock_steps_note(&steps, S, BOOT_OFFSET);
	clock_steps_note(&steps, set_at, view.offset);
	o.born = (struct timespec){born / S, born % S};
	o.marker.ctime = (struct timespec){changed / S, changed % S};
	o.offsets = clock_steps_offsets(clock_followed ? &steps : NULL, &view, changed, 0);
	o.birth_offsets = clock_steps_offsets(clock_followed ? &steps : NULL, &view, born, 0);
	return evidence_was_born_before(&p, &history, &o);
}

/* What readyd(8) says of a file that was moved to the name: a limit. */
START_TEST(old_file_looks_young_where_the_clock_was_set_back)
{
	const int64_t start = clock_ticks_to_ns(START_TICKS);

	ck_assert(is_seen_through(start + 6 * S, true));
	ck_assert(!is_seen_through(start + 4 * S, true));
	ck_assert(!is_seen_through(start + 6 * S, false));
}
END_TEST

/* What was known of an earlier file does not hold for the next one. */
START_TEST(absence_makes_what_comes_new)
{
	const struct marker_stat directory = {.kind = MARKER_ABSENT, .dev = 4, .ino = 5};
	struct history history = {
	    .has_leftover = true, .leftover = {.kind = MARKER_FILE}, .ambiguous = {.kind = MARKER_FILE}};

	history_saw_none(&history, &directory);
	ck_assert(history.absent_seen);
	ck_assert_uint_eq(history.absent.dev, 4);
	ck_assert_uint_eq(history.absent.ino, 5);
	ck_assert(!history.has_leftover);
	ck_assert_int_eq(history.leftover.kind, MARKER_ABSENT);
	ck_assert_int_eq(history.ambiguous.kind, MARKER_ABSENT);
}
END_TEST

/* An event that is read while the name is in use may be about what has been seen. */
START_TEST(event_counts_for_what_was_not_seen)
{
	struct history history = {.present = true};

	history_note_event(&history, 1, 2);
	ck_assert(!history.came);
	history.present = false;
	history_note_event(&history, 1, 2);
	ck_assert(history.came);
	ck_assert_uint_eq(history.came_dev, 1);
	ck_assert_uint_eq(history.came_ino, 2);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("evidence");
	TCase *tcase = unit_case(s, "evidence");

	tcase_add_loop_test(tcase, stamps_decide_within_their_trust, 0, UNIT_COUNT(by_stamps));
	tcase_add_loop_test(tcase, strict_caller_assumes_nothing, 0, UNIT_COUNT(by_stamps));
	tcase_add_loop_test(tcase, what_was_seen_decides_before_stamps, 0, UNIT_COUNT(stamps_of_all_kinds));
	tcase_add_test(tcase, start_of_what_is_judged);
	tcase_add_test(tcase, absence_makes_what_comes_new);
	tcase_add_test(tcase, event_counts_for_what_was_not_seen);
	tcase_add_test(tcase, time_before_the_start);
	tcase_add_test(tcase, file_that_is_older_than_the_process);
	tcase_add_test(tcase, file_alone_tells_nothing_of_a_process_that_was_seen);
	tcase_add_test(tcase, old_file_looks_young_where_the_clock_was_set_back);
	tcase_add_test(tcase, rewritten_leftover_is_judged_anew);
	tcase_add_test(tcase, owner_and_collision_decide_first);
	tcase_add_test(tcase, unknown_start_proves_nothing);
	tcase_add_loop_test(tcase, moved_file_proves_nothing, 0, UNIT_COUNT(moved));
	tcase_add_loop_test(
	    tcase, moved_file_of_a_process_that_was_never_seen_proves_nothing, 0, UNIT_COUNT(never_seen));
	return s;
}

int main(void)
{
	return unit_main(suite);
}
