/* What an asker may know of another user's process where hidepid hides it, and whether it does. */
#include <sys/wait.h>

#include "daemon/hidepid.h"
#include "daemon/secrecy.h"
#include "src/uidmap.h"
#include "tests/unit.h"

enum { OWN = 100, USER = 1000, STRANGER = 1001 };

static const struct {
	struct asker asker;
	struct owner owner;
	bool may;
} rights[] = {
    {{USER, false}, {true, USER, USER}, true},
    {{USER, false}, {true, USER, 0}, true},
    {{USER, false}, {true, 0, USER}, true},
    {{STRANGER, false}, {true, USER, USER}, false},
    {{STRANGER, false}, {true, 0, 0}, false},
    {{STRANGER, true}, {true, USER, USER}, true},
    {{STRANGER, true}, {false, 0, 0}, true},
    {{0, false}, {true, USER, USER}, true},
    {{0, false}, {false, 0, 0}, true},
    {{OWN, false}, {true, USER, USER}, true},
    {{OWN, false}, {false, 0, 0}, true},
    /* Nothing is known of the owner. */
    {{USER, false}, {false, USER, USER}, false},
    {{(uid_t)-1, false}, {false, 0, 0}, false},
};

START_TEST(the_askers_right_decides)
{
	ck_assert_int_eq(secrecy_may_know(&rights[_i].asker, &rights[_i].owner, OWN), rights[_i].may);
}
END_TEST

/* It may stand for any unmapped user, on either side. */
START_TEST(the_overflow_uid_equals_nothing)
{
	const struct asker asker = {.uid = UIDMAP_OVERFLOW};
	const struct owner owner = {true, UIDMAP_OVERFLOW, UIDMAP_OVERFLOW};

	ck_assert_int_eq(
	    secrecy_may_know(&asker, &owner, UIDMAP_OVERFLOW), uidmap_identifies(UIDMAP_OVERFLOW));
}
END_TEST

START_TEST(start_and_status_are_taken_out)
{
	struct readyd_answer answer = {.pid = 5,
	    .verdict = READYD_EXITED,
	    .flags = READYD_FLAG_AGE_ASSUMED,
	    .start = 9,
	    .wait_status = W_EXITCODE(3, 0)};

	secrecy_strip(&answer);
	ck_assert_int_eq(answer.pid, 5);
	ck_assert_int_eq(answer.verdict, READYD_EXITED);
	ck_assert_uint_eq(answer.flags, READYD_FLAG_AGE_ASSUMED | READYD_FLAG_STATUS_HIDDEN);
	ck_assert_uint_eq(answer.start, 0);
	ck_assert_int_eq(answer.wait_status, -1);
}
END_TEST

START_TEST(what_holds_neither_hides_nothing)
{
	struct readyd_answer answer = {
	    .pid = 5, .verdict = READYD_DIED, .reason = READYD_REASON_NO_PROCESS, .wait_status = -1};

	secrecy_strip(&answer);
	ck_assert_uint_eq(answer.flags, 0);
}
END_TEST

#define ROOT_LINE "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
#define PROC_LINE "23 22 0:21 / /proc rw,nosuid shared:5 - proc proc "

static const struct {
	const char *mountinfo;
	bool hides;
} tables[] = {
    {ROOT_LINE PROC_LINE "rw\n", false},
    {PROC_LINE "rw,gid=7,hidepid=0\n", false},
    {PROC_LINE "rw,hidepid=off\n", false},
    {PROC_LINE "rw,hidepid=1\n", true},
    {PROC_LINE "rw,gid=7,hidepid=2,subset=pid\n", true},
    {PROC_LINE "rw,hidepid=invisible\n", true},
    {PROC_LINE "rw,hidepid=noaccess\n", true},
    {PROC_LINE "rw,hidepid=ptraceable\n", true},
    {PROC_LINE "rw\n" PROC_LINE "rw,hidepid=2\n", true},
    {PROC_LINE "rw,hidepid=2\n" PROC_LINE "rw\n", true},
    /* Of another place. */
    {PROC_LINE "rw\n24 22 0:22 / /jail/proc rw - proc proc rw,hidepid=2\n", false},
    {"24 22 0:22 / /proc rw - tmpfs none rw,hidepid=2\n" PROC_LINE "rw\n", false},
    /* There is no /proc, or it is cut off. */
    {ROOT_LINE, true},
    {"24 22 0:22 / /jail/proc rw - proc proc rw\n", true},
    {"23 22 0:21 / /proc rw - proc proc\n", true},
    {"", true},
};

START_TEST(options_of_proc)
{
	char dir[UNIT_PATH_SIZE], path[2 * UNIT_PATH_SIZE];

	unit_dir(dir);
	snprintf(path, sizeof(path), "%s/mountinfo", dir);
	unit_write(path, tables[_i].mountinfo);
	ck_assert_int_eq(hidepid_hides(path), tables[_i].hides);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert(hidepid_hides(path));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("secrecy");
	TCase *tcase = unit_case(s, "secrecy");

	tcase_add_loop_test(tcase, the_askers_right_decides, 0, UNIT_COUNT(rights));
	tcase_add_test(tcase, the_overflow_uid_equals_nothing);
	tcase_add_test(tcase, start_and_status_are_taken_out);
	tcase_add_test(tcase, what_holds_neither_hides_nothing);
	tcase_add_loop_test(tcase, options_of_proc, 0, UNIT_COUNT(tables));
	return s;
}

int main(void)
{
	return unit_main(suite);
}
