/* Memory is zeroed, and a lack of it ends the process. */
#include "daemon/xalloc.h"
#include "tests/unit.h"

/* See test_rights.c. */
extern void __gcov_exit(void) __attribute__((weak)); /* NOLINT(bugprone-reserved-identifier) */

/* AddressSanitizer ends the process by itself. */
extern void __asan_init(void) __attribute__((weak)); /* NOLINT(bugprone-reserved-identifier) */

void _exit(int status)
{
	if (__gcov_exit != NULL)
		__gcov_exit();
	for (;;)
		syscall(SYS_exit_group, status);
}

/* More than there is, unknown to the compiler. */
static volatile size_t too_much = SIZE_MAX / 2;

static void allocate(void)
{
	(void)xalloc_new(too_much);
}

static void resize(void)
{
	(void)xalloc_resize(xalloc_new(1), too_much);
}

/* What a child says on its standard error before it ends with 71. */
static void expect_stop(void (*run)(void), bool has_stderr, const char *text)
{
	char said[256] = "";
	int ends[2], status;
	pid_t child;

	ck_assert_int_eq(pipe(ends), 0);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		dup2(ends[1], STDERR_FILENO);
		if (!has_stderr)
			close(STDERR_FILENO);
		run();
		_exit(0);
	}
	close(ends[1]);
	ck_assert_int_ge(read(ends[0], said, sizeof(said) - 1), 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 71);
	ck_assert_str_eq(said, text);
	close(ends[0]);
}

#define MESSAGE "readyd: out of memory, stopping; clients fall back to the marker files\n"

START_TEST(a_lack_of_memory_ends_the_process)
{
	expect_stop(allocate, true, MESSAGE);
	expect_stop(resize, true, MESSAGE);
	expect_stop(allocate, false, "");
}
END_TEST

START_TEST(memory_is_zeroed_and_can_be_empty)
{
	static const char zeros[1000];
	char *block = xalloc_new(sizeof(zeros));

	ck_assert_mem_eq(block, zeros, sizeof(zeros));
	xalloc_free(block);
	block = xalloc_new(0);
	ck_assert_ptr_nonnull(block);
	block = xalloc_resize(block, 0);
	ck_assert_ptr_nonnull(block);
	block = xalloc_resize(block, 10);
	memset(block, 1, 10);
	xalloc_free(block);
	xalloc_free(NULL);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("xalloc");
	TCase *tcase = unit_case(s, "xalloc");

	unit_add_if(tcase, a_lack_of_memory_ends_the_process, __asan_init == NULL, "not with sanitizers");
	tcase_add_test(tcase, memory_is_zeroed_and_can_be_empty);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
