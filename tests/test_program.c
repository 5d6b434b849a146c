#include "src/program.h"
#include "tests/refuse.h"
#include "tests/unit.h"

#include <errno.h>

/* Only the descriptors of check(3) are used above 2, and what the test opens. */
static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* What stands for a standard descriptor cannot be written to. */
static bool is_placeholder(int fd)
{
	return is_open(fd) && write(fd, "x", 1) == -1 && errno == EBADF;
}

START_TEST(standard_descriptors_are_filled)
{
	bool filled, more;

	close(0);
	close(2);
	program_fill_standard_descriptors();
	filled = is_placeholder(0) && is_open(1) && is_placeholder(2);
	more = is_open(100);
	ck_assert(filled);
	ck_assert(!more);
}
END_TEST

/* Nothing else gets the number. */
START_TEST(standard_descriptor_is_replaced)
{
	bool replaced;
	int fd = dup(1);

	program_close(0);
	replaced = is_placeholder(0);
	program_close(fd);
	ck_assert(replaced);
	ck_assert(!is_open(fd));
}
END_TEST

START_TEST(standard_descriptor_is_closed_where_nothing_can_replace_it)
{
	struct rlimit limit = unit_forbid_new_fds();

	program_close(0);
	unit_restore_fd_limit(&limit);
	ck_assert(!is_open(0));
}
END_TEST

static void expect_range_closed(void)
{
	int fds = unit_count_fds();

	for (int fd = 200; fd < 205; fd++)
		ck_assert_int_eq(dup2(1, fd), fd);
	program_close_range(201, 203);
	program_close_range(204, 203);
	ck_assert(is_open(200));
	ck_assert(is_open(204));
	ck_assert_int_eq(unit_count_fds(), fds + 2);
	program_close_range(200, 204);
	ck_assert_int_eq(unit_count_fds(), fds);
}

START_TEST(range_is_closed)
{
	expect_range_closed();
}
END_TEST

#ifdef SYS_close_range
START_TEST(range_is_closed_without_the_call)
{
	ck_assert_int_eq(refuse(SYS_close_range, ENOSYS), 0);
	expect_range_closed();
}
END_TEST
#endif

START_TEST(limit_is_raised)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max / 2;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(program_raise_descriptor_limit(), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_uint_eq(limit.rlim_cur, limit.rlim_max);
}
END_TEST

START_TEST(limit_cannot_be_read)
{
	ck_assert_int_eq(refuse(SYS_prlimit64, EPERM), 0);
	ck_assert_int_eq(program_raise_descriptor_limit(), -1);
	ck_assert_int_eq(errno, EPERM);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("program");
	TCase *tcase = unit_case(s, "program");

	tcase_add_test(tcase, standard_descriptors_are_filled);
	tcase_add_test(tcase, standard_descriptor_is_replaced);
	tcase_add_test(tcase, standard_descriptor_is_closed_where_nothing_can_replace_it);
	tcase_add_test(tcase, range_is_closed);
#ifdef SYS_close_range
	unit_add_if(tcase, range_is_closed_without_the_call, unit_can_refuse(), "no filters of system calls");
#endif
	tcase_add_test(tcase, limit_is_raised);
	unit_add_if(tcase, limit_cannot_be_read, unit_can_refuse(), "no filters of system calls");
	return s;
}

int main(void)
{
	return unit_main(suite);
}
