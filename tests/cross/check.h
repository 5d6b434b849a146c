/* What the unit tests use of check(3), for processors that this machine has no check for. Each test runs in a
 * process and a process group of its own; the results are printed as TAP. script/cross-test puts it before
 * the real one. */
#ifndef TESTS_CROSS_CHECK_H
#define TESTS_CROSS_CHECK_H

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct check_test {
	const char *name;
	void (*function)(int _i);
	int first, end;
};

typedef struct check_case {
	struct check_test tests[128];
	size_t count;
	void (*set_up)(void), (*tear_down)(void);
	unsigned seconds;
} TCase;

typedef struct {
	TCase *cases[16];
	size_t count;
} Suite;

typedef struct {
	Suite *suite;
	int number, failed;
} SRunner;

#define CK_SILENT 0

static inline void *check_allocate(size_t size)
{
	void *memory = calloc(1, size);

	if (memory == NULL)
		abort();
	return memory;
}

static inline Suite *suite_create(const char *name)
{
	(void)name;
	return check_allocate(sizeof(Suite));
}

static inline TCase *tcase_create(const char *name)
{
	(void)name;
	return check_allocate(sizeof(TCase));
}

static inline void suite_add_tcase(Suite *suite, TCase *tcase)
{
	if (suite->count == sizeof(suite->cases) / sizeof(suite->cases[0]))
		abort();
	suite->cases[suite->count++] = tcase;
}

static inline void tcase_set_timeout(TCase *tcase, unsigned seconds)
{
	tcase->seconds = seconds;
}

static inline void tcase_add_checked_fixture(TCase *tcase, void (*set_up)(void), void (*tear_down)(void))
{
	tcase->set_up = set_up;
	tcase->tear_down = tear_down;
}

static inline void check_add(TCase *tcase, const char *name, void (*function)(int _i), int first, int end)
{
	if (tcase->count == sizeof(tcase->tests) / sizeof(tcase->tests[0]))
		abort();
	tcase->tests[tcase->count++] = (struct check_test){name, function, first, end};
}
#define tcase_add_loop_test(tcase, test, first, end) check_add(tcase, #test, test, first, (int)(end))
#define tcase_add_test(tcase, test)		     check_add(tcase, #test, test, 0, 1)

static inline SRunner *srunner_create(Suite *suite)
{
	SRunner *runner = check_allocate(sizeof(*runner));

	runner->suite = suite;
	return runner;
}

static inline void check_run(SRunner *runner, const TCase *tcase, const struct check_test *test, int index)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		alarm(tcase->seconds);
		if (tcase->set_up != NULL)
			tcase->set_up();
		test->function(index);
		if (tcase->tear_down != NULL)
			tcase->tear_down();
		exit(0);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	kill(-pid, SIGKILL);
	runner->failed += status != 0;
	printf("%s %d - %s %d", status == 0 ? "ok" : "not ok", ++runner->number, test->name, index);
	printf(status == 0 ? "\n" : " (status %#x)\n", (unsigned)status);
}

static inline void srunner_run_all(SRunner *runner, int mode)
{
	const Suite *suite = runner->suite;

	(void)mode;
	for (size_t i = 0; i < suite->count; i++)
		for (size_t n = 0; n < suite->cases[i]->count; n++)
			for (int at = suite->cases[i]->tests[n].first; at < suite->cases[i]->tests[n].end;
			     at++)
				check_run(runner, suite->cases[i], &suite->cases[i]->tests[n], at);
	printf("1..%d\n", runner->number);
}

#define srunner_set_tap(runner, file) ((void)(runner))
#define srunner_ntests_failed(runner) ((runner)->failed)
#define srunner_free(runner)	      free(runner)
#define START_TEST(name)                                                                                     \
	static void name(int _i)                                                                             \
	{                                                                                                    \
		(void)_i;
#define END_TEST }

#define ck_abort_msg(...)                                                                                    \
	do {                                                                                                 \
		printf("# %s:%d: ", __FILE__, __LINE__);                                                     \
		printf(__VA_ARGS__);                                                                         \
		printf("\n");                                                                                \
		exit(1);                                                                                     \
	} while (0)
#define ck_assert_msg(condition, ...)                                                                        \
	do {                                                                                                 \
		if (!(condition))                                                                            \
			ck_abort_msg(__VA_ARGS__);                                                           \
	} while (0)
#define ck_assert(condition) ck_assert_msg(condition, "%s", #condition)

#define CHECK_NUMBERS(type, format, a, operator, b)                                                          \
	do {                                                                                                 \
		type check_a = (a), check_b = (b);                                                           \
		ck_assert_msg(check_a operator check_b, "%s " #operator" %s: %" format " and %" format, #a,  \
		    #b, check_a, check_b);                                                                   \
	} while (0)
#define ck_assert_int_eq(a, b)	     CHECK_NUMBERS(intmax_t, PRIdMAX, a, ==, b)
#define ck_assert_int_ne(a, b)	     CHECK_NUMBERS(intmax_t, PRIdMAX, a, !=, b)
#define ck_assert_int_lt(a, b)	     CHECK_NUMBERS(intmax_t, PRIdMAX, a, <, b)
#define ck_assert_int_le(a, b)	     CHECK_NUMBERS(intmax_t, PRIdMAX, a, <=, b)
#define ck_assert_int_gt(a, b)	     CHECK_NUMBERS(intmax_t, PRIdMAX, a, >, b)
#define ck_assert_int_ge(a, b)	     CHECK_NUMBERS(intmax_t, PRIdMAX, a, >=, b)
#define ck_assert_uint_eq(a, b)	     CHECK_NUMBERS(uintmax_t, PRIuMAX, a, ==, b)
#define ck_assert_uint_ne(a, b)	     CHECK_NUMBERS(uintmax_t, PRIuMAX, a, !=, b)
#define ck_assert_uint_lt(a, b)	     CHECK_NUMBERS(uintmax_t, PRIuMAX, a, <, b)
#define ck_assert_uint_le(a, b)	     CHECK_NUMBERS(uintmax_t, PRIuMAX, a, <=, b)
#define ck_assert_uint_gt(a, b)	     CHECK_NUMBERS(uintmax_t, PRIuMAX, a, >, b)
#define ck_assert_uint_ge(a, b)	     CHECK_NUMBERS(uintmax_t, PRIuMAX, a, >=, b)
#define ck_assert_ptr_eq(a, b)	     ck_assert((const void *)(a) == (const void *)(b))
#define ck_assert_ptr_ne(a, b)	     ck_assert((const void *)(a) != (const void *)(b))
#define ck_assert_ptr_null(a)	     ck_assert_ptr_eq(a, NULL)
#define ck_assert_ptr_nonnull(a)     ck_assert_ptr_ne(a, NULL)
#define ck_assert_mem_eq(a, b, size) ck_assert(memcmp(a, b, size) == 0)
#define ck_assert_str_eq(a, b)                                                                               \
	do {                                                                                                 \
		const char *check_a = (a), *check_b = (b);                                                   \
		ck_assert_msg(check_a != NULL && check_b != NULL && strcmp(check_a, check_b) == 0,           \
		    "%s == %s: '%s' and '%s'", #a, #b, check_a, check_b);                                    \
	} while (0)

#endif
