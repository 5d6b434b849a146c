#include <limits.h>

#include "src/root.h"
#include "tests/unit.h"

static char root[UNIT_PATH_SIZE];

/* Creates a symbolic link below the root. */
static void make_link(const char *name, const char *target)
{
	char path[2 * UNIT_PATH_SIZE];

	snprintf(path, sizeof(path), "%s%s", root, name);
	ck_assert_int_eq(symlink(target, path), 0);
}

static void make_dir(const char *name)
{
	char path[2 * UNIT_PATH_SIZE];

	snprintf(path, sizeof(path), "%s%s", root, name);
	ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void make_root(void)
{
	unit_dir(root);
	make_dir("/run");
	make_dir("/run/m");
	make_dir("/var");
	make_link("/var/run", "/run");
	make_link("/var/here", "../run");
	make_link("/run/m/up", "..");
	make_link("/far", "/var/run/m");
	make_link("/out", "../../../../../..");
	make_link("/nowhere", "/none");
	make_link("/top", "/");
	make_link("/loop", "/loop");
	make_link("/run/chain", "/far/up/m");
}

static const struct {
	const char *dir, *path;
} ways[] = {
    {"/run/m", "/run/m"},
    {"/", ""},
    {"//run///m/", "/run/m"},
    {"/run/./m/.", "/run/m"},
    {"/run/../run/m", "/run/m"},
    {"/../../run", "/run"},
    {"/var/run/m", "/run/m"},
    {"/var/here/m", "/run/m"},
    {"/var/run", "/run"},
    {"/run/m/up", "/run"},
    {"/far", "/run/m"},
    {"/far/../m", "/run/m"},
    {"/out/run", "/run"},
    {"/top/top/run/m", "/run/m"},
    {"/run/chain", "/run/m"},
    {"/none/m", "/none/m"},
    {"/nowhere/m", "/none/m"},
    {"/loop/m", "/loop/m"},
};

START_TEST(links_lead_below_the_root)
{
	char path[2 * UNIT_PATH_SIZE], want[2 * UNIT_PATH_SIZE];

	make_root();
	snprintf(want, sizeof(want), "%s%s", root, ways[_i].path);
	ck_assert_int_eq(root_resolve(root, ways[_i].dir, path, sizeof(path)), 0);
	ck_assert_str_eq(path, want);
}
END_TEST

START_TEST(too_long_is_refused)
{
	char path[2 * UNIT_PATH_SIZE], dir[PATH_MAX + 2];
	size_t size;

	make_root();
	size = strlen(root) + sizeof("/var/run"); /* the longest intermediate path */
	ck_assert_int_eq(root_resolve(root, "/far", path, size), 0);
	ck_assert_int_eq(root_resolve(root, "/far", path, size - 1), -1);
	ck_assert_int_eq(root_resolve(root, "/", path, strlen(root)), -1);
	memset(dir, '/', sizeof(dir));
	dir[PATH_MAX] = '\0';
	ck_assert_int_eq(root_resolve(root, dir, path, sizeof(path)), -1);
	dir[PATH_MAX - 1] = '\0';
	ck_assert_int_eq(root_resolve(root, dir, path, sizeof(path)), 0);
	/* The target and the rest of the path are too long together. */
	snprintf(dir, sizeof(dir), "/top/%0*d", PATH_MAX - 8, 0);
	ck_assert_int_eq(root_resolve(root, dir, path, sizeof(path)), -1);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("root");
	TCase *tcase = unit_case(s, "resolve");

	tcase_add_loop_test(tcase, links_lead_below_the_root, 0, UNIT_COUNT(ways));
	tcase_add_test(tcase, too_long_is_refused);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
