#include <errno.h>

#include "src/clock.h"
#include "src/evaluate.h"
#include "tests/unit.h"

/* The input of evaluate(), reduced to eleven properties. All combinations are tried. */
enum life { ALIVE = 1, GONE = 2, NO_SUCH_PROCESS = 4, REUSED = 8 };
enum kind { ABSENT = 1, REGULAR = 2, OTHER = 4, NO_DIRECTORY = 8, DENIED = 16 };
enum leftover { NO_LEFTOVER = 1, IS_LEFTOVER = 2, NOT_LEFTOVER = 4 };
enum age { OLDER = 1, CLOSE = 2, YOUNGER = 4, NO_START = 8, FUTURE = 16 };
enum truth { NO = 1, YES = 2 };

struct given {
	unsigned life, kind, latched, absent_seen, leftover, age, foreign, inaccessible, ambiguous, clock_set,
	    unknown;
};

/* The first rule that matches applies. A property that a rule leaves out may have any value. */
static const struct {
	struct given given;
	enum readyd_verdict verdict;
	enum readyd_reason reason;
} rules[] = {
    /* Without resources nothing is known. */
    {{.unknown = YES}, READYD_PENDING, READYD_REASON_NO_RESOURCES},
    /* A process that was seen ready stays ready until it ends. */
    {{.latched = YES, .life = ALIVE}, READYD_READY, READYD_REASON_NONE},
    {{.latched = YES}, READYD_EXITED, READYD_REASON_NONE},
    /* The pid belongs to another process now, and so may the marker. */
    {{.life = REUSED}, READYD_DIED, READYD_REASON_PID_REUSED},
    /* The marker belongs, or may belong, to another process. */
    {{.kind = REGULAR, .ambiguous = YES, .life = ALIVE}, READYD_UNREACHABLE, READYD_REASON_NAME_COLLISION},
    {{.kind = REGULAR, .ambiguous = YES, .life = GONE}, READYD_DIED, READYD_REASON_NAME_COLLISION},
    {{.kind = REGULAR, .ambiguous = YES, .life = NO_SUCH_PROCESS}, READYD_DIED, READYD_REASON_NO_PROCESS},
    {{.kind = REGULAR, .foreign = YES, .life = ALIVE}, READYD_STALE, READYD_REASON_FOREIGN_OWNER},
    {{.kind = REGULAR, .foreign = YES, .life = GONE}, READYD_DIED, READYD_REASON_FOREIGN_OWNER},
    {{.kind = REGULAR, .foreign = YES, .life = NO_SUCH_PROCESS}, READYD_DIED, READYD_REASON_NO_PROCESS},
    /* The marker was left by an earlier holder of the pid. */
    {{.kind = REGULAR, .leftover = IS_LEFTOVER, .life = ALIVE}, READYD_STALE, READYD_REASON_OLDER},
    {{.kind = REGULAR, .leftover = IS_LEFTOVER, .life = GONE}, READYD_DIED, READYD_REASON_OLDER},
    {{.kind = REGULAR, .leftover = IS_LEFTOVER, .life = NO_SUCH_PROCESS}, READYD_DIED,
	READYD_REASON_NO_PROCESS},
    /* What was seen to be absent came later. */
    {{.kind = REGULAR, .absent_seen = YES, .life = ALIVE}, READYD_READY, READYD_REASON_NONE},
    {{.kind = REGULAR, .absent_seen = YES}, READYD_EXITED, READYD_REASON_NONE},
    /* Any process that had the pid may have written it: is one of them meant, or this one? */
    {{.kind = REGULAR, .age = NO_START, .life = NO_SUCH_PROCESS}, READYD_EXITED, READYD_REASON_NONE},
    {{.kind = REGULAR, .age = NO_START, .life = GONE}, READYD_DIED, READYD_REASON_IDENTITY_UNKNOWN},
    /* Only time stamps can tell which process wrote it. They prove nothing if they are in the future or if
     * the start is not known; they are taken to be right if they are too close to the start or if the clock
     * was set. */
    {{.kind = REGULAR, .age = NO_START, .life = ALIVE}, READYD_PENDING, READYD_REASON_IDENTITY_UNKNOWN},
    {{.kind = REGULAR, .age = FUTURE, .life = ALIVE}, READYD_PENDING, READYD_REASON_AGE_UNKNOWN},
    {{.kind = REGULAR, .age = FUTURE, .life = GONE}, READYD_DIED, READYD_REASON_AGE_UNKNOWN},
    {{.kind = REGULAR, .age = FUTURE, .life = NO_SUCH_PROCESS}, READYD_DIED, READYD_REASON_AGE_UNKNOWN},
    {{.kind = REGULAR, .age = OLDER, .clock_set = NO, .life = ALIVE}, READYD_STALE, READYD_REASON_OLDER},
    {{.kind = REGULAR, .age = OLDER, .clock_set = NO, .life = GONE}, READYD_DIED, READYD_REASON_OLDER},
    {{.kind = REGULAR, .age = OLDER, .clock_set = NO, .life = NO_SUCH_PROCESS}, READYD_DIED,
	READYD_REASON_NO_PROCESS},
    {{.kind = REGULAR, .age = YOUNGER, .life = ALIVE}, READYD_READY, READYD_REASON_NONE},
    {{.kind = REGULAR, .age = YOUNGER}, READYD_EXITED, READYD_REASON_NONE},
    {{.kind = REGULAR, .life = ALIVE}, READYD_READY, READYD_REASON_NONE},
    {{.kind = REGULAR}, READYD_EXITED, READYD_REASON_NONE},
    /* There is no marker. */
    {{.life = GONE}, READYD_DIED, READYD_REASON_NONE},
    {{.life = NO_SUCH_PROCESS}, READYD_DIED, READYD_REASON_NO_PROCESS},
    {{.inaccessible = YES}, READYD_UNREACHABLE, READYD_REASON_NAMESPACE_DENIED},
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
		    matches(g->foreign, r->foreign) && matches(g->inaccessible, r->inaccessible) &&
		    matches(g->ambiguous, r->ambiguous) && matches(g->clock_set, r->clock_set) &&
		    matches(g->unknown, r->unknown))
			return i;
	}
	ck_abort_msg("no rule for life %u kind %u", g->life, g->kind);
	return 0;
}

#define PID	     4711
#define START_TICKS  1000
#define BOOT_OFFSET  1600000000123456789LL
#define TOLERANCE_NS 40000000LL
#define SET_BY_NS    3600000000000LL

/* How long after the start of the process its marker was written, by the stamp. */
static int64_t stamp_after_start(enum age age)
{
	switch (age) {
	case OLDER:
		return -TOLERANCE_NS - 1;
	case CLOSE:
		return -TOLERANCE_NS;
	case YOUNGER:
	case NO_START:
	case FUTURE:
		return 1000000000;
	}
	return 0;
}

static void arrange_clocks(enum age age, struct observation *o)
{
	int64_t ns = START_TICKS * clock_tick_ns() + BOOT_OFFSET + stamp_after_start(age);

	o->marker.ctime = (struct timespec){ns / 1000000000, ns % 1000000000};
	o->offsets = (struct clock_offsets){BOOT_OFFSET, BOOT_OFFSET};
	o->now = ns - BOOT_OFFSET + (age == FUTURE ? -TOLERANCE_NS - 1 : SET_BY_NS);
	o->stamps = (struct stamp_trust){.grain_ns = TOLERANCE_NS / 2, .margin_ns = TOLERANCE_NS / 2};
}

static enum marker_kind marker_kind(enum kind kind)
{
	switch (kind) {
	case ABSENT:
		return MARKER_ABSENT;
	case REGULAR:
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
	process->no_such_process = g->life == NO_SUCH_PROCESS || g->life == REUSED;
	process->reused = g->life == REUSED;
	process->start_known = g->age != NO_START;
	process->start = g->age == NO_START ? 0 : START_TICKS;
	*observation = (struct observation){.gone = g->life != ALIVE,
	    .foreign = g->foreign == YES,
	    .inaccessible = g->inaccessible == YES,
	    .ambiguous = g->ambiguous == YES,
	    .unknown = g->unknown == YES,
	    .marker = {.kind = marker_kind(g->kind), .dev = 1, .ino = 2, .size = 6}};
	arrange_clocks(g->age, observation);
	/* Forward, perhaps since the marker was written. */
	observation->offsets.least -= g->clock_set == YES ? SET_BY_NS : 0;
	*history = (struct history){.latched = g->latched == YES, .absent_seen = g->absent_seen == YES};
	history->has_leftover = g->leftover != NO_LEFTOVER;
	history->leftover = observation->marker;
	history->leftover.kind = MARKER_FILE;
	history->leftover.ino += g->leftover == NOT_LEFTOVER;
}

/* The age of a marker is assumed if nothing but stamps that are too close, or a clock that was set, tells. */
static unsigned expected_flags(const struct given *g)
{
	bool marked = g->kind == REGULAR && g->life != REUSED;
	bool seen = g->absent_seen == YES || g->leftover == IS_LEFTOVER;
	bool refused = g->unknown == YES || g->ambiguous == YES || g->foreign == YES;

	if (g->latched == YES)
		return marked ? 0 : READYD_FLAG_LATCHED;
	return marked && !seen && !refused && (g->age == CLOSE || (g->age == OLDER && g->clock_set == YES))
		   ? READYD_FLAG_AGE_ASSUMED
		   : 0;
}

static void check_combination(const struct given *g, size_t rule)
{
	struct readyd_answer answer;
	struct observation observation;
	struct process process;
	struct history history;

	arrange(g, &process, &history, &observation);
	memset(&answer, 0xff, sizeof(answer));
	evaluate(&process, &history, &observation, &answer);
	if (answer.verdict != rules[rule].verdict || answer.reason != rules[rule].reason)
		ck_abort_msg("life %u kind %u latched %u absent_seen %u leftover %u age %u foreign %u"
			     " inaccessible %u ambiguous %u clock_set %u: %s %s",
		    g->life, g->kind, g->latched, g->absent_seen, g->leftover, g->age, g->foreign,
		    g->inaccessible, g->ambiguous, g->clock_set, readyd_verdict_name(answer.verdict),
		    readyd_reason_name(answer.reason));
	unit_check(answer.pid == PID);
	unit_check(answer.start == process.start);
	unit_check(answer.wait_status == -1);
	unit_check(answer.flags == expected_flags(g));
}

/* Returns false for numbers beyond the last combination. */
static bool combination(unsigned number, struct given *g)
{
	static const unsigned sizes[] = {4, 5, 2, 2, 3, 5, 2, 2, 2, 2, 2};
	unsigned bits[UNIT_COUNT(sizes)];

	for (size_t i = 0; i < UNIT_COUNT(sizes); i++) {
		bits[i] = 1u << number % sizes[i];
		number /= sizes[i];
	}
	*g = (struct given){bits[0], bits[1], bits[2], bits[3], bits[4], bits[5], bits[6], bits[7], bits[8],
	    bits[9], bits[10]};
	return number == 0;
}

START_TEST(every_combination_follows_its_rule)
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

START_TEST(empty_marker_sets_the_flag)
{
	const struct given given = {.life = ALIVE, .kind = REGULAR, .leftover = NO_LEFTOVER, .age = YOUNGER};
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

/* What a latch rests on is said as long as it lasts. */
START_TEST(assumption_is_remembered)
{
	const struct given given = {.life = ALIVE, .kind = ABSENT, .latched = YES, .age = YOUNGER};
	struct readyd_answer answer;
	struct observation observation;
	struct process process;
	struct history history;

	arrange(&given, &process, &history, &observation);
	history.assumed = true;
	evaluate(&process, &history, &observation, &answer);
	ck_assert_uint_eq(answer.flags, READYD_FLAG_LATCHED | READYD_FLAG_AGE_ASSUMED);
}
END_TEST

static const struct {
	bool identity_unknown, owner_unknown, gone;
	enum marker_kind kind;
	enum readyd_verdict verdict;
	enum readyd_reason reason;
} unknowns[] = {
    {true, false, false, MARKER_FILE, READYD_PENDING, READYD_REASON_IDENTITY_UNKNOWN},
    {true, false, false, MARKER_ABSENT, READYD_PENDING, READYD_REASON_IDENTITY_UNKNOWN},
    {true, false, true, MARKER_FILE, READYD_DIED, READYD_REASON_IDENTITY_UNKNOWN},
    {false, true, false, MARKER_FILE, READYD_PENDING, READYD_REASON_IDENTITY_UNKNOWN},
    {false, true, false, MARKER_ABSENT, READYD_PENDING, READYD_REASON_NONE},
    {false, true, true, MARKER_FILE, READYD_DIED, READYD_REASON_IDENTITY_UNKNOWN},
    {false, false, false, MARKER_FILE, READYD_READY, READYD_REASON_NONE},
};

/* Even if the marker was seen to come: it may be another process's, or of another user. */
START_TEST(unknown_identity_is_never_ready)
{
	struct process process = {.pid = PID, .fd = -1, .identity_unknown = unknowns[_i].identity_unknown};
	struct history history = {.absent_seen = true};
	struct observation o = {.owner_unknown = unknowns[_i].owner_unknown, .gone = unknowns[_i].gone};
	struct readyd_answer answer;

	o.marker.kind = unknowns[_i].kind;
	evaluate(&process, &history, &o, &answer);
	ck_assert_int_eq(answer.verdict, unknowns[_i].verdict);
	ck_assert_int_eq(answer.reason, unknowns[_i].reason);
}
END_TEST

/* In a time namespace, a start may be 0. */
START_TEST(start_of_zero_is_a_start)
{
	struct process process = {.pid = PID, .fd = -1, .start_known = true};
	struct observation o = {.offsets = {BOOT_OFFSET, BOOT_OFFSET}};
	struct history history = {0};
	struct readyd_answer answer;

	o.marker.kind = MARKER_FILE;
	o.marker.ctime = (struct timespec){BOOT_OFFSET / 1000000000 - 60, 0};
	evaluate(&process, &history, &o, &answer);
	ck_assert_int_eq(answer.verdict, READYD_STALE);
	ck_assert_int_eq(answer.reason, READYD_REASON_OLDER);
}
END_TEST

/* A failed check proves nothing, also of a process that has ended. */
START_TEST(failed_look_has_no_verdict)
{
	const struct observation o = {
	    .marker = {.kind = MARKER_UNKNOWN, .error = EIO}, .look_failed = true, .gone = _i > 0};
	const struct process p = {.pid = PID, .start = START_TICKS, .no_such_process = _i > 1};
	const struct history history = {0};
	struct readyd_answer answer;

	evaluate(&p, &history, &o, &answer);
	ck_assert_int_eq(answer.verdict, READYD_PENDING);
	ck_assert_int_eq(answer.reason, READYD_REASON_LOOK_FAILED);
}
END_TEST

/* It may have been anybody's file: never ready. What is known of the process says more. */
START_TEST(what_came_and_went_is_no_marker)
{
	const struct observation o = {.marker = {.kind = MARKER_ABSENT}, .went = true};
	struct process p = {.pid = PID, .start = START_TICKS, .start_known = true};
	struct history history = {0};
	struct readyd_answer answer;

	evaluate(&p, &history, &o, &answer);
	ck_assert_int_eq(answer.verdict, READYD_PENDING);
	ck_assert_int_eq(answer.reason, READYD_REASON_CAME_AND_WENT);
	p.identity_unknown = true;
	evaluate(&p, &history, &o, &answer);
	ck_assert_int_eq(answer.reason, READYD_REASON_IDENTITY_UNKNOWN);
	history.latched = true;
	evaluate(&p, &history, &o, &answer);
	ck_assert_int_eq(answer.verdict, READYD_READY);
	ck_assert_int_eq(answer.reason, READYD_REASON_NONE);
}
END_TEST

/* Whatever the reason, what could not be read is no absent marker. */
START_TEST(marker_that_could_not_be_read_is_unknown)
{
	const struct observation o = {.marker = {.kind = MARKER_UNKNOWN}};
	const struct process p = {.pid = PID, .start = START_TICKS, .start_known = true};
	const struct history history = {0};
	struct readyd_answer answer;

	/* Nothing stays of what was there. */
	memset(&answer, 0xff, sizeof(answer));
	evaluate(&p, &history, &o, &answer);
	ck_assert_int_eq(answer.verdict, READYD_PENDING);
	ck_assert_int_eq(answer.reason, READYD_REASON_LOOK_FAILED);
	ck_assert_uint_eq(answer.size, 0);
	ck_assert_int_eq(answer.backend, READYD_BACKEND_AUTO);
}
END_TEST

/* It may be that of the process which has the pid now. What was seen before does not depend on it. */
START_TEST(marker_of_a_successor_does_not_count)
{
	const struct observation o = {
	    .marker = {.kind = MARKER_FILE, .size = 0}, .gone = true, .succeeded = true};
	const struct process p = {.pid = PID, .start = START_TICKS, .start_known = true};
	struct history history = {.absent_seen = true};
	struct readyd_answer answer;

	evaluate(&p, &history, &o, &answer);
	ck_assert_int_eq(answer.verdict, READYD_DIED);
	ck_assert_int_eq(answer.reason, READYD_REASON_NONE);
	ck_assert_uint_eq(answer.flags, 0);
	history.latched = true;
	evaluate(&p, &history, &o, &answer);
	ck_assert_int_eq(answer.verdict, READYD_EXITED);
	ck_assert_uint_eq(answer.flags, READYD_FLAG_LATCHED);
}
END_TEST

/* Whatever else was seen, but that it was ready before. */
START_TEST(directory_that_hangs_is_unreachable)
{
	const struct observation o = {
	    .marker = {.kind = _i > 0 ? MARKER_FILE : MARKER_ABSENT}, .hangs = true, .gone = _i > 1};
	const struct process p = {.pid = PID, .start = START_TICKS, .start_known = true};
	struct history history = {0};
	struct readyd_answer answer;

	evaluate(&p, &history, &o, &answer);
	ck_assert_int_eq(answer.verdict, READYD_UNREACHABLE);
	ck_assert_int_eq(answer.reason, READYD_REASON_DIRECTORY_HANGS);
	ck_assert_uint_eq(answer.flags & READYD_FLAG_AGE_ASSUMED, 0);
	history.latched = true;
	evaluate(&p, &history, &o, &answer);
	ck_assert_int_eq(answer.verdict, o.gone ? READYD_EXITED : READYD_READY);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("evaluate");
	TCase *tcase = unit_case(s, "evaluate");

	tcase_add_loop_test(tcase, every_combination_follows_its_rule, 0, UNIT_COUNT(rules));
	tcase_add_test(tcase, empty_marker_sets_the_flag);
	tcase_add_test(tcase, assumption_is_remembered);
	tcase_add_loop_test(tcase, unknown_identity_is_never_ready, 0, UNIT_COUNT(unknowns));
	tcase_add_test(tcase, start_of_zero_is_a_start);
	tcase_add_test(tcase, what_came_and_went_is_no_marker);
	tcase_add_test(tcase, marker_that_could_not_be_read_is_unknown);
	tcase_add_test(tcase, marker_of_a_successor_does_not_count);
	tcase_add_loop_test(tcase, failed_look_has_no_verdict, 0, 3);
	tcase_add_loop_test(tcase, directory_that_hangs_is_unreachable, 0, 3);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
