/* Users and groups by name and by number. The files are those of a mount namespace of the test. */
#include "daemon/account.h"
#include "tests/unit.h"

#include <errno.h>
#include <grp.h>
#include <sys/mount.h>

static void put_over(const char *path, const char *text)
{
	char dir[UNIT_PATH_SIZE], name[2 * UNIT_PATH_SIZE];

	unit_dir(dir);
	snprintf(name, sizeof(name), "%s/file", dir);
	unit_write(name, text);
	ck_assert_int_eq(mount(name, path, NULL, MS_BIND, NULL), 0);
}

static void set_up(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	put_over("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"
				"\n"
				"short\n"
				"shorter:x\n"
				"textual:x:one:two::/:/bin/sh\n"
				"huge:x:4294967295:0::/:/bin/sh\n"
				"worker:x:1234:2345:A worker:/:/bin/sh\n"
				"worker:x:1:1:a second one:/:/bin/sh\n"
				"ends:x:77:88");
	put_over("/etc/group", "root:x:0:\nshort\nshorter:x\ntextual:x:one:\nnobody:x:65534:\n"
			       "watchers:x:3456:worker\nends:x:99");
}

static void expect_user(const char *name, uid_t uid, gid_t gid)
{
	struct account account = {0};

	ck_assert_int_eq(account_find(name, &account), 0);
	ck_assert_str_eq(account.name, name);
	ck_assert_uint_eq(account.uid, uid);
	ck_assert_uint_eq(account.gid, gid);
}

static void expect_no_user(const char *name)
{
	struct account account = {0};

	errno = 0;
	ck_assert_msg(account_find(name, &account) == -1 && errno == EINVAL, "'%s' is a user", name);
}

START_TEST(a_name_is_looked_up)
{
	expect_user("root", 0, 0);
	expect_user("worker", 1234, 2345);
	expect_user("ends", 77, 88);
}
END_TEST

START_TEST(a_line_that_is_not_one_of_a_user_is_none)
{
	static const char *const names[] = {
	    "short", "shorter", "textual", "huge", "work", "workers", "no-one", ""};

	for (size_t i = 0; i < UNIT_COUNT(names); i++)
		expect_no_user(names[i]);
}
END_TEST

START_TEST(a_number_needs_no_file)
{
	put_over("/etc/passwd", "");
	expect_user("1234", 1234, 1234);
	expect_user("1234:5", 1234, 5);
	expect_user("4294967294", 4294967294, 4294967294);
	expect_no_user("4294967295");
	expect_no_user("12:");
	expect_no_user(":12");
	expect_no_user("12:x");
	expect_no_user("-1");
}
END_TEST

/* With the reason, for the message. */
START_TEST(a_file_that_cannot_be_read_is_no_missing_user)
{
	struct account account = {0};
	gid_t gid;

	ck_assert_int_eq(mount("none", "/etc", "tmpfs", 0, NULL), 0);
	errno = 0;
	ck_assert(account_find("worker", &account) == -1 && errno == ENOENT);
	errno = 0;
	ck_assert(account_find_group("watchers", &gid) == -1 && errno == ENOENT);
}
END_TEST

START_TEST(a_group_is_looked_up)
{
	static const char *const none[] = {
	    "short", "shorter", "textual", "nobody", "65534", "4294967295", "watch", ""};
	gid_t gid;

	ck_assert_int_eq(account_find_group("watchers", &gid), 0);
	ck_assert_uint_eq(gid, 3456);
	ck_assert_int_eq(account_find_group("ends", &gid), 0);
	ck_assert_uint_eq(gid, 99);
	ck_assert_int_eq(account_find_group("12", &gid), 0);
	ck_assert_uint_eq(gid, 12);
	for (size_t i = 0; i < UNIT_COUNT(none); i++)
		ck_assert_msg(account_find_group(none[i], &gid) == -1, "'%s' is a group", none[i]);
}
END_TEST

/* As of the moment of socketpair(2), like that of connect(2). */
static void expect_peer(const gid_t *groups, size_t count, gid_t gid, bool is_member)
{
	int pair[2];

	ck_assert_int_eq(setgroups(count, groups), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(account_peer_has_group(pair[0], gid), is_member);
	close(pair[0]);
	close(pair[1]);
}

START_TEST(a_peer_is_a_member_by_any_of_its_groups)
{
	static const gid_t groups[] = {7, 8, 9};

	expect_peer(groups, 3, getegid(), true);
	for (size_t i = 0; i < UNIT_COUNT(groups); i++)
		expect_peer(groups, 3, groups[i], true);
	expect_peer(groups, 3, 10, false);
	expect_peer(groups, 0, 8, false);
	ck_assert(!account_peer_has_group(-1, 0));
}
END_TEST

static Suite *suite(void)
{
	const char *why = "needs root, for files of its own in /etc";
	Suite *s = suite_create("account");
	TCase *tcase = unit_case(s, "account");
	const bool root = geteuid() == 0;

	if (root)
		tcase_add_checked_fixture(tcase, set_up, NULL);
	unit_add_if(tcase, a_name_is_looked_up, root, why);
	unit_add_if(tcase, a_line_that_is_not_one_of_a_user_is_none, root, why);
	unit_add_if(tcase, a_number_needs_no_file, root, why);
	unit_add_if(tcase, a_file_that_cannot_be_read_is_no_missing_user, root, why);
	unit_add_if(tcase, a_group_is_looked_up, root, why);
	unit_add_if(tcase, a_peer_is_a_member_by_any_of_its_groups, root, why);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
