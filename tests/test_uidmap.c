#include "src/uidmap.h"
#include "tests/unit.h"

static const struct {
	const char *map;
	bool complete;
} maps[] = {
    {"         0          0 4294967295\n", true},
    {"         0          0          1\n", false},
    {"         0     100000      65536\n", false},
    {"      1000       1000          1\n", false},
    {"         1          1 4294967294\n", false},
    {"         0       1000          1\n         1     100000      65536\n", false},
    {"", false},
};

START_TEST(a_map_of_all_users_is_complete)
{
	ck_assert(uidmap_is_complete(maps[_i].map) == maps[_i].complete);
}
END_TEST

START_TEST(other_numbers_always_identify)
{
	ck_assert(uidmap_identifies(0));
	ck_assert(uidmap_identifies(1000));
	ck_assert(uidmap_identifies(100000));
}
END_TEST

static bool can_enter_user_namespace(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* As long as it has no map, everything is unmapped. */
START_TEST(the_overflow_number_does_not_in_a_user_namespace)
{
	ck_assert_int_eq(unshare(CLONE_NEWUSER), 0);
	ck_assert_uint_eq(geteuid(), UIDMAP_OVERFLOW);
	ck_assert(!uidmap_identifies(UIDMAP_OVERFLOW));
	ck_assert(uidmap_identifies(1000));
}
END_TEST

static bool is_in_first_user_namespace(void)
{
	struct stat st;

	/* PROC_USER_INIT_INO, include/linux/proc_ns.h */
	return stat("/proc/self/ns/user", &st) == 0 && st.st_ino == 0xEFFFFFFDu;
}

START_TEST(nobody_is_a_user_outside)
{
	ck_assert(uidmap_identifies(UIDMAP_OVERFLOW));
}
END_TEST

static Suite *uidmap_suite(void)
{
	Suite *suite = suite_create("uidmap");
	TCase *tcase = unit_case(suite, "uidmap");

	tcase_add_loop_test(tcase, a_map_of_all_users_is_complete, 0, UNIT_COUNT(maps));
	tcase_add_test(tcase, other_numbers_always_identify);
	unit_add_if(tcase, the_overflow_number_does_not_in_a_user_namespace, can_enter_user_namespace(),
	    "no user namespace can be created");
	unit_add_if(tcase, nobody_is_a_user_outside, is_in_first_user_namespace(), "in a user namespace");
	return suite;
}

int main(void)
{
	return unit_main(uidmap_suite);
}
