#include "src/verdict.h"
#include "tests/unit.h"

static const char *const verdicts[] = {
    [READYD_READY] = "ready",
    [READYD_PENDING] = "pending",
    [READYD_DIED] = "died",
    [READYD_EXITED] = "exited",
    [READYD_STALE] = "stale",
    [READYD_UNREACHABLE] = "unreachable",
};

static const char *const reasons[] = {
    [READYD_REASON_NONE] = NULL,
    [READYD_REASON_DEADLINE] = "deadline",
    [READYD_REASON_NOT_A_FILE] = "not-a-file",
    [READYD_REASON_NO_PROCESS] = "no-process",
    [READYD_REASON_OLDER] = "older-than-process",
    [READYD_REASON_FOREIGN_OWNER] = "foreign-owner",
    [READYD_REASON_NO_DIRECTORY] = "no-directory",
    [READYD_REASON_DIRECTORY_DENIED] = "directory-denied",
    [READYD_REASON_NAMESPACE_DENIED] = "namespace-denied",
    [READYD_REASON_NAME_COLLISION] = "name-collision",
    [READYD_REASON_NO_RESOURCES] = "no-resources",
    [READYD_REASON_IDENTITY_UNKNOWN] = "identity-unknown",
    [READYD_REASON_AGE_UNKNOWN] = "age-unknown",
    [READYD_REASON_LOOK_FAILED] = "look-failed",
    [READYD_REASON_DIRECTORY_HANGS] = "directory-hangs",
    [READYD_REASON_DAEMON_UNTRUSTED] = "daemon-untrusted",
    [READYD_REASON_CAME_AND_WENT] = "came-and-went",
    [READYD_REASON_CONNECTION_LOST] = "connection-lost",
    [READYD_REASON_NODE_OFFLINE] = "node-offline",
    [READYD_REASON_PID_REUSED] = "pid-reused",
    [READYD_REASON_NOT_STARTED] = "not-started",
};

static const char *const unknown_words[] = {"", " ", "READY", "Ready", "ready ", " ready", "readyx", "none",
    "NONE", "(null)", "older", "foreign", "not_a_file", "unreachable-", "deadlin", "deadlines"};

START_TEST(verdicts_and_words_convert)
{
	enum readyd_verdict verdict;
	const char *word = verdicts[_i];

	ck_assert_str_eq(readyd_verdict_name((enum readyd_verdict)_i), word);
	ck_assert_int_eq(verdict_parse(word, strlen(word), &verdict), 0);
	ck_assert_int_eq(verdict, _i);
	ck_assert_int_eq(verdict_parse(word, strlen(word) - 1, &verdict), -1);
	ck_assert_int_eq(verdict_parse(word, strlen(word) + 1, &verdict), -1);
}
END_TEST

START_TEST(reasons_and_words_convert)
{
	enum readyd_reason reason;
	const char *word = reasons[_i];

	ck_assert_str_eq(readyd_reason_name((enum readyd_reason)_i), word);
	ck_assert_int_eq(reason_parse(word, strlen(word), &reason), 0);
	ck_assert_int_eq(reason, _i);
	ck_assert_int_eq(reason_parse(word, strlen(word) - 1, &reason), -1);
	ck_assert_int_eq(reason_parse(word, strlen(word) + 1, &reason), -1);
}
END_TEST

START_TEST(unknown_words_are_refused)
{
	enum readyd_verdict verdict;
	enum readyd_reason reason;
	const char *word = unknown_words[_i];

	ck_assert_int_eq(verdict_parse(word, strlen(word), &verdict), -1);
	ck_assert_int_eq(reason_parse(word, strlen(word), &reason), -1);
}
END_TEST

START_TEST(unknown_values_have_no_word)
{
	static const int values[] = {-1, UNIT_COUNT(reasons), 1000};

	ck_assert_ptr_null(readyd_reason_name(READYD_REASON_NONE));
	ck_assert_ptr_null(readyd_verdict_name((enum readyd_verdict)UNIT_COUNT(verdicts)));
	for (size_t i = 0; i < UNIT_COUNT(values); i++) {
		ck_assert_ptr_null(readyd_verdict_name((enum readyd_verdict)values[i]));
		ck_assert_ptr_null(readyd_reason_name((enum readyd_reason)values[i]));
	}
}
END_TEST

START_TEST(all_but_pending_and_stale_end_a_wait)
{
	const struct readyd_answer answer = {.verdict = (enum readyd_verdict)_i};
	bool waits = _i == READYD_PENDING || _i == READYD_STALE;

	ck_assert(verdict_ends_new_wait(&answer) != waits);
	ck_assert(verdict_ends_wait(&answer) != waits);
	ck_assert(verdict_begins_wait(&answer) == waits);
}
END_TEST

START_TEST(each_verdict_has_its_exit_code)
{
	static const int codes[] = {[READYD_READY] = 0,
	    [READYD_PENDING] = 1,
	    [READYD_DIED] = 3,
	    [READYD_EXITED] = 4,
	    [READYD_STALE] = 5,
	    [READYD_UNREACHABLE] = 6};

	ck_assert_int_eq(verdict_exit_code((enum readyd_verdict)_i), codes[_i]);
}
END_TEST

/* A missing directory may appear later; a hidden namespace stays hidden. */
START_TEST(missing_directory_does_not_end_a_wait)
{
	struct readyd_answer answer = {.verdict = READYD_UNREACHABLE, .reason = READYD_REASON_NO_DIRECTORY};

	ck_assert(verdict_ends_new_wait(&answer));
	ck_assert(!verdict_ends_wait(&answer));
	answer.reason = READYD_REASON_DIRECTORY_DENIED;
	ck_assert(!verdict_ends_wait(&answer));
	answer.reason = READYD_REASON_NAMESPACE_DENIED;
	ck_assert(verdict_ends_wait(&answer));
	answer.reason = READYD_REASON_NAME_COLLISION;
	ck_assert(verdict_ends_wait(&answer));
}
END_TEST

/* The look may come back. */
START_TEST(directory_that_hangs_ends_no_wait)
{
	const struct readyd_answer answer = {
	    .verdict = READYD_UNREACHABLE, .reason = READYD_REASON_DIRECTORY_HANGS};

	ck_assert(verdict_begins_wait(&answer));
	ck_assert(!verdict_ends_new_wait(&answer));
	ck_assert(!verdict_ends_wait(&answer));
}
END_TEST

/* Nothing is known of the process, so there is nothing to wait on; but it does not end a wait. */
START_TEST(shortage_neither_begins_nor_ends_a_wait)
{
	const struct readyd_answer answer = {.verdict = READYD_PENDING, .reason = READYD_REASON_NO_RESOURCES};

	ck_assert(!verdict_begins_wait(&answer));
	ck_assert(!verdict_ends_new_wait(&answer));
	ck_assert(!verdict_ends_wait(&answer));
}
END_TEST

START_TEST(marker_of_wrong_age_may_be_rewritten)
{
	struct readyd_answer answer = {.verdict = READYD_STALE, .reason = READYD_REASON_OLDER};

	ck_assert(verdict_awaits_rewrite(&answer));
	answer = (struct readyd_answer){.verdict = READYD_PENDING, .reason = READYD_REASON_AGE_UNKNOWN};
	ck_assert(verdict_awaits_rewrite(&answer));
	answer.reason = READYD_REASON_NONE;
	ck_assert(!verdict_awaits_rewrite(&answer));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("verdict");
	TCase *tcase = unit_case(s, "verdict");

	tcase_add_test(tcase, directory_that_hangs_ends_no_wait);
	tcase_add_test(tcase, shortage_neither_begins_nor_ends_a_wait);
	tcase_add_test(tcase, marker_of_wrong_age_may_be_rewritten);
	tcase_add_test(tcase, missing_directory_does_not_end_a_wait);
	tcase_add_loop_test(tcase, each_verdict_has_its_exit_code, 0, UNIT_COUNT(verdicts));
	tcase_add_loop_test(tcase, verdicts_and_words_convert, 0, UNIT_COUNT(verdicts));
	tcase_add_loop_test(tcase, reasons_and_words_convert, 1, UNIT_COUNT(reasons));
	tcase_add_loop_test(tcase, unknown_words_are_refused, 0, UNIT_COUNT(unknown_words));
	tcase_add_test(tcase, unknown_values_have_no_word);
	tcase_add_loop_test(tcase, all_but_pending_and_stale_end_a_wait, 0, UNIT_COUNT(verdicts));
	return s;
}

int main(void)
{
	return unit_main(suite);
}
