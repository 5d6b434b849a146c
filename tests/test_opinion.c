/* Own look against the daemon's word. */
#include "client/lib/opinion.h"
#include "tests/unit.h"

#define PENDING	    READYD_PENDING, READYD_REASON_NONE
#define READY	    READYD_READY, READYD_REASON_NONE
#define DIED	    READYD_DIED, READYD_REASON_NONE
#define EXITED	    READYD_EXITED, READYD_REASON_NONE
#define STALE	    READYD_STALE, READYD_REASON_OLDER
#define UNREACHABLE READYD_UNREACHABLE, READYD_REASON_NO_DIRECTORY
#define COLLISION   READYD_UNREACHABLE, READYD_REASON_NAME_COLLISION
#define SHORTAGE    READYD_PENDING, READYD_REASON_NO_RESOURCES
#define FAILED	    READYD_PENDING, READYD_REASON_LOOK_FAILED
#define WENT	    READYD_PENDING, READYD_REASON_CAME_AND_WENT
#define NOT_A_FILE  READYD_PENDING, READYD_REASON_NOT_A_FILE

static const struct {
	enum readyd_verdict own;
	enum readyd_reason own_reason;
	enum readyd_verdict said;
	enum readyd_reason said_reason;
	bool counts;
} cells[] = {
    {PENDING, PENDING, false},
    {PENDING, READY, true},
    {PENDING, DIED, true},
    {PENDING, EXITED, true},
    {PENDING, STALE, true},
    {PENDING, UNREACHABLE, false},
    {PENDING, COLLISION, true},
    {READY, PENDING, false},
    {READY, READY, false},
    {READY, DIED, false},
    {READY, EXITED, false},
    {READY, STALE, true},
    {READY, UNREACHABLE, false},
    {READY, COLLISION, true},
    {DIED, PENDING, false},
    {DIED, READY, true},
    {DIED, DIED, true},
    {DIED, EXITED, true},
    {DIED, STALE, true},
    {DIED, UNREACHABLE, false},
    {DIED, COLLISION, true},
    {EXITED, PENDING, false},
    {EXITED, READY, true},
    {EXITED, DIED, true},
    {EXITED, EXITED, true},
    {EXITED, STALE, true},
    {EXITED, UNREACHABLE, false},
    {EXITED, COLLISION, true},
    {STALE, PENDING, false},
    {STALE, READY, true},
    {STALE, DIED, true},
    {STALE, EXITED, true},
    {STALE, STALE, true},
    {STALE, UNREACHABLE, false},
    {STALE, COLLISION, true},
    {UNREACHABLE, PENDING, true},
    {UNREACHABLE, READY, true},
    {UNREACHABLE, DIED, true},
    {UNREACHABLE, EXITED, true},
    {UNREACHABLE, STALE, true},
    {UNREACHABLE, UNREACHABLE, false},
    {UNREACHABLE, COLLISION, true},
    {SHORTAGE, PENDING, true},
    {SHORTAGE, UNREACHABLE, true},
    {SHORTAGE, READY, true},
    {FAILED, PENDING, true},
    {FAILED, UNREACHABLE, true},
    {FAILED, READY, true},
    {PENDING, WENT, true},
    {WENT, PENDING, false},
    {NOT_A_FILE, WENT, false},
    {READY, WENT, false},
    {STALE, WENT, false},
    {DIED, WENT, false},
    {EXITED, WENT, false},
};

START_TEST(one_counts)
{
	const struct readyd_answer own = {.pid = 5,
	    .start = 7,
	    .verdict = cells[_i].own,
	    .reason = cells[_i].own_reason,
	    .backend = READYD_BACKEND_FILE,
	    .wait_status = -1};
	const struct readyd_answer said = {.pid = 5,
	    .start = 7,
	    .verdict = cells[_i].said,
	    .reason = cells[_i].said_reason,
	    .backend = READYD_BACKEND_DAEMON,
	    .wait_status = -1};
	struct readyd_answer merged = opinion_merge(&own, false, &said);

	ck_assert(opinion_counts(&own, false, &said) == cells[_i].counts);
	ck_assert_int_eq(merged.backend, cells[_i].counts ? READYD_BACKEND_DAEMON : READYD_BACKEND_FILE);
	ck_assert_int_eq(merged.verdict, cells[_i].counts ? cells[_i].said : cells[_i].own);
}
END_TEST

/* It may be about another process. Where nothing was seen here, not even the start, nothing is overruled. */
static const struct {
	uint64_t own_start;
	enum readyd_verdict own;
	enum readyd_reason own_reason;
	bool counts;
} without_start[] = {
    {7, EXITED, false},
    {7, STALE, false},
    {7, PENDING, false},
    {7, SHORTAGE, false},
    {7, FAILED, false},
    {0, STALE, false},
    {0, READYD_STALE, READYD_REASON_FOREIGN_OWNER, false},
    {0, DIED, false},
    {0, SHORTAGE, true},
    {0, READYD_PENDING, READYD_REASON_IDENTITY_UNKNOWN, true},
    {0, UNREACHABLE, true},
};

START_TEST(word_without_a_start)
{
	const struct readyd_answer own = {.start = without_start[_i].own_start,
	    .verdict = without_start[_i].own,
	    .reason = without_start[_i].own_reason};
	const struct readyd_answer said = {.start = 0, .verdict = READYD_READY};

	ck_assert(opinion_counts(&own, false, &said) == without_start[_i].counts);
}
END_TEST

/* The process that has been ready may be an earlier one. */
START_TEST(exited_without_a_start)
{
	const struct readyd_answer own = {
	    .verdict = READYD_PENDING, .reason = READYD_REASON_IDENTITY_UNKNOWN};
	struct readyd_answer said = {.verdict = READYD_EXITED};

	ck_assert(!opinion_counts(&own, false, &said));
	said.verdict = READYD_STALE;
	ck_assert(opinion_counts(&own, false, &said));
	said = (struct readyd_answer){.verdict = READYD_EXITED, .start = 7};
	ck_assert(opinion_counts(&own, false, &said));
}
END_TEST

/* An older marker exists, so the process has written none: it was never ready. */
START_TEST(exited_without_a_marker_of_its_own)
{
	const struct readyd_answer own = {.start = 7, .verdict = READYD_DIED, .wait_status = 9};
	struct readyd_answer said = {.start = 7, .verdict = READYD_EXITED, .wait_status = -1};

	ck_assert(!opinion_counts(&own, true, &said));
	ck_assert_int_eq(opinion_merge(&own, true, &said).verdict, READYD_DIED);
	said.verdict = READYD_DIED;
	ck_assert(opinion_counts(&own, true, &said));
}
END_TEST

/* Only where both speak of the same process, both say that it has ended, and the daemon was not told how. */
static const struct {
	uint64_t own_start, said_start;
	enum readyd_verdict own, said;
	int own_status, said_status, status;
} statuses[] = {
    {7, 7, READYD_DIED, READYD_EXITED, 256, -1, 256},
    {7, 7, READYD_EXITED, READYD_DIED, 9, -1, 9},
    {7, 7, READYD_DIED, READYD_DIED, 256, 9, 9},
    {7, 7, READYD_DIED, READYD_DIED, 256, 0, 0},
    {7, 8, READYD_DIED, READYD_DIED, 256, -1, -1},
    {0, 0, READYD_DIED, READYD_DIED, 256, -1, -1},
    {7, 7, READYD_DIED, READYD_READY, 256, -1, -1},
    {7, 7, READYD_PENDING, READYD_DIED, 256, -1, -1},
};

START_TEST(status_is_completed)
{
	const struct readyd_answer own = {.start = statuses[_i].own_start,
	    .verdict = statuses[_i].own,
	    .wait_status = statuses[_i].own_status};
	const struct readyd_answer said = {.start = statuses[_i].said_start,
	    .verdict = statuses[_i].said,
	    .wait_status = statuses[_i].said_status};

	ck_assert_int_eq(opinion_complete(&own, &said).wait_status, statuses[_i].status);
}
END_TEST

START_TEST(status_that_was_seen_is_not_hidden)
{
	const struct readyd_answer own = {.start = 7, .verdict = READYD_DIED, .wait_status = 256};
	struct readyd_answer said = {
	    .start = 7, .verdict = READYD_DIED, .wait_status = -1, .flags = READYD_FLAG_STATUS_HIDDEN};

	ck_assert_uint_eq(opinion_complete(&own, &said).flags, 0);
	said.start = 8;
	ck_assert_uint_eq(opinion_complete(&own, &said).flags, READYD_FLAG_STATUS_HIDDEN);
	/* 0 is a status, too. */
	said.wait_status = 0;
	ck_assert_uint_eq(opinion_complete(&own, &said).flags, 0);
}
END_TEST

START_TEST(strict_caller_takes_no_assumption)
{
	const struct readyd_answer plain = {.verdict = READYD_READY, .start = 7},
				   ready = {.verdict = READYD_READY,
				       .start = 7,
				       .flags = READYD_FLAG_AGE_ASSUMED},
				   exited = {.verdict = READYD_EXITED, .flags = READYD_FLAG_AGE_ASSUMED};

	ck_assert_int_eq(opinion_strict(&plain).verdict, READYD_READY);
	ck_assert_int_eq(opinion_strict(&ready).verdict, READYD_PENDING);
	ck_assert_int_eq(opinion_strict(&ready).reason, READYD_REASON_AGE_UNKNOWN);
	ck_assert_uint_eq(opinion_strict(&ready).flags, 0);
	ck_assert_uint_eq(opinion_strict(&ready).start, 7);
	ck_assert_int_eq(opinion_strict(&exited).verdict, READYD_DIED);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("opinion");
	TCase *tcase = unit_case(s, "opinion");

	tcase_add_loop_test(tcase, one_counts, 0, UNIT_COUNT(cells));
	tcase_add_loop_test(tcase, word_without_a_start, 0, UNIT_COUNT(without_start));
	tcase_add_test(tcase, status_that_was_seen_is_not_hidden);
	tcase_add_test(tcase, exited_without_a_start);
	tcase_add_test(tcase, exited_without_a_marker_of_its_own);
	tcase_add_test(tcase, strict_caller_takes_no_assumption);
	tcase_add_loop_test(tcase, status_is_completed, 0, UNIT_COUNT(statuses));
	return s;
}

int main(void)
{
	return unit_main(suite);
}
