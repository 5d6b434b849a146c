/* What is left of a process's rights, and of those of another user. Each case is a child, which cannot get
 * them back. */
#include "daemon/rights.h"
#include "tests/refuse.h"
#include "tests/unit.h"

#include <errno.h>
#include <grp.h>

enum { OTHER_UID = 12345, OTHER_GID = 23456 };

/* A child ends without the exit handlers of check(3), but what it has counted of its coverage is kept. The
 * function of libgcov is there in a build with coverage only. */
extern void __gcov_exit(void) __attribute__((weak)); /* NOLINT(bugprone-reserved-identifier) */

static void expect_in_child(bool (*holds)(void))
{
	pid_t child = fork();
	int status;

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		status = holds() ? 0 : 1;
		if (__gcov_exit != NULL)
			__gcov_exit();
		_exit(status);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}

static bool words_are(const char *words)
{
	char buf[32];

	return strcmp(rights_words(buf, sizeof(buf)), words) == 0;
}

static bool is_bounded(void)
{
	for (unsigned long cap = 0; cap < 32; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 0)
			return false;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}

static const struct account same = {0};
static const struct account other = {.name = "other", .uid = OTHER_UID, .gid = OTHER_GID};

static bool loop_keeps_its_right(void)
{
	return rights_reduce(RIGHTS_OF_LOOP, &same) == 0 && words_are("sys_ptrace") && is_bounded() &&
	       geteuid() == 0;
}

static bool scouts_keep_theirs(void)
{
	return rights_reduce(RIGHTS_OF_SCOUTS, &same) == 0 && words_are("0x80004") && is_bounded();
}

static bool none_is_kept(void)
{
	return rights_reduce(0, &same) == 0 && words_are("none");
}

/* What was given up is not given back, also not by becoming root again. */
static bool nothing_comes_back(void)
{
	return rights_reduce(0, &same) == 0 && rights_reduce(RIGHTS_OF_SCOUTS, &same) == 0 &&
	       words_are("none") && setresuid(0, 0, 0) == 0 && words_are("none");
}

static bool user_changes(void)
{
	uid_t uids[3];
	gid_t gids[3];

	if (setgroups(1, &(gid_t){7}) != 0 || rights_reduce(RIGHTS_OF_LOOP, &other) != 0 ||
	    getresuid(&uids[0], &uids[1], &uids[2]) != 0 || getresgid(&gids[0], &gids[1], &gids[2]) != 0)
		return false;
	for (int i = 0; i < 3; i++)
		if (uids[i] != OTHER_UID || gids[i] != OTHER_GID)
			return false;
	return getgroups(0, NULL) == 0 && words_are("sys_ptrace") && setuid(0) != 0;
}

/* Without the right to change, the user stays, and the caller learns it. */
static bool user_cannot_change(void)
{
	return setresuid(OTHER_UID + 1, OTHER_UID + 1, OTHER_UID + 1) == 0 &&
	       rights_reduce(RIGHTS_OF_LOOP, &other) == -1 && errno == EPERM && geteuid() == OTHER_UID + 1;
}

/* The bounding set takes CAP_SETPCAP to empty; without it, the rest is given up all the same. */
static bool has_nothing_to_give_up(void)
{
	return setresuid(OTHER_UID, OTHER_UID, OTHER_UID) == 0 && rights_reduce(RIGHTS_OF_LOOP, &same) == 0 &&
	       words_are("none") && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}

static const gid_t group = OTHER_GID;

/* The user stays, and its group changes. */
static bool group_changes(void)
{
	const struct account grouped = {.group = &group};

	return rights_reduce(0, &grouped) == 0 && getegid() == OTHER_GID && geteuid() == 0;
}

static const long calls[] = {SYS_setgroups, SYS_setresgid, SYS_setresuid, SYS_prctl, SYS_capget, SYS_capset};
static size_t refused;

/* Of another user, and of our own with another group. */
static bool refusal_is_an_error(void)
{
	const struct account grouped = {.group = &group};
	const bool for_both =
	    calls[refused] == SYS_setresgid || calls[refused] == SYS_capget || calls[refused] == SYS_capset;

	if (refuse_where(calls[refused], 0, ~0U, calls[refused] == SYS_prctl ? PR_SET_KEEPCAPS : 1, EPERM) !=
		0 ||
	    (calls[refused] != SYS_prctl && refuse(calls[refused], EPERM) != 0))
		return false;
	if (for_both && rights_reduce(RIGHTS_OF_LOOP, &grouped) != -1)
		return false;
	return rights_reduce(RIGHTS_OF_LOOP, &other) == -1 && errno == EPERM;
}

START_TEST(rights_cannot_be_given_up)
{
	refused = (size_t)_i;
	expect_in_child(refusal_is_an_error);
}
END_TEST

static bool (*const cases[])(void) = {loop_keeps_its_right, scouts_keep_theirs, none_is_kept,
    nothing_comes_back, user_changes, user_cannot_change, has_nothing_to_give_up, group_changes};

START_TEST(rights_are_given_up)
{
	expect_in_child(cases[_i]);
}
END_TEST

/* Whether root is the root of all rights here, as it is not in many containers. */
static bool has_rights(void)
{
	return geteuid() == 0 && prctl(PR_CAPBSET_READ, CAP_SYS_PTRACE, 0, 0, 0) == 1 &&
	       prctl(PR_CAPBSET_READ, CAP_DAC_READ_SEARCH, 0, 0, 0) == 1 &&
	       prctl(PR_CAPBSET_READ, CAP_SETPCAP, 0, 0, 0) == 1;
}

static Suite *suite(void)
{
	Suite *s = suite_create("rights");
	TCase *tcase = unit_case(s, "rights");

	if (has_rights())
		tcase_add_loop_test(tcase, rights_are_given_up, 0, (int)UNIT_COUNT(cases));
	if (has_rights() && unit_can_refuse())
		tcase_add_loop_test(tcase, rights_cannot_be_given_up, 0, (int)UNIT_COUNT(calls));
	if (!has_rights())
		puts("# skipped: rights_are_given_up: needs root with CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH "
		     "and CAP_SETPCAP");
	return s;
}

int main(void)
{
	return unit_main(suite);
}
