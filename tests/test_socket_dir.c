/* Which directories a socket may lie in: those where no other user can replace it. */
#include "daemon/socket_dir.h"
#include "tests/unit.h"

#define OTHER 12345

static char dir[UNIT_PATH_SIZE], path[UNIT_PATH_SIZE + 16], why[1024];

static void set_up(void)
{
	unit_dir(dir);
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(mkdir("d", 0755), 0);
	snprintf(path, sizeof(path), "%s/d/s", dir);
	why[0] = '\0';
}

static void expect_refusal(const char *word)
{
	ck_assert_int_eq(socket_dir_check(path, why, sizeof(why)), word == NULL ? 0 : -1);
	ck_assert_msg(word == NULL || strstr(why, word) != NULL, "%s", why);
}

static const struct {
	mode_t mode;
	const char *word;
} modes[] = {
    {0755, NULL},
    {0700, NULL},
    {01777, NULL},
    {01770, NULL},
    {0777, "other users may write"},
    {0775, "other users may write"},
    {0757, "other users may write"},
};

START_TEST(directory_that_others_may_write_to)
{
	ck_assert_int_eq(chmod("d", modes[_i].mode), 0);
	expect_refusal(modes[_i].word);
	ck_assert_int_eq(symlink("d", "link"), 0);
	snprintf(path, sizeof(path), "%s/link/s", dir);
	expect_refusal(modes[_i].word);
	ck_assert_int_eq(chdir("d"), 0);
	strcpy(path, "s");
	expect_refusal(modes[_i].word);
}
END_TEST

/* The link itself, and a directory above. */
START_TEST(directory_of_another_user)
{
	ck_assert_int_eq(symlink("d", "link"), 0);
	ck_assert_int_eq(lchown("link", OTHER, OTHER), 0);
	expect_refusal(NULL);
	snprintf(path, sizeof(path), "%s/link/s", dir);
	expect_refusal("belongs to user 12345");
	snprintf(path, sizeof(path), "%s/d/below/s", dir);
	ck_assert_int_eq(mkdir("d/below", 0755), 0);
	expect_refusal(NULL);
	ck_assert_int_eq(chown("d", OTHER, OTHER), 0);
	expect_refusal("belongs to user 12345");
}
END_TEST

/* That is reported when the socket cannot be bound. */
START_TEST(directory_that_is_missing)
{
	ck_assert_int_eq(rmdir("d"), 0);
	expect_refusal(NULL);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("socket_dir");
	TCase *tcase = unit_case(s, "socket_dir");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_loop_test(tcase, directory_that_others_may_write_to, 0, UNIT_COUNT(modes));
	unit_add_if(tcase, directory_of_another_user, geteuid() == 0, "not root");
	tcase_add_test(tcase, directory_that_is_missing);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
