#include "src/hanging_mounts.h"
#include "tests/unit.h"

static char table[2 * UNIT_PATH_SIZE], dir[UNIT_PATH_SIZE], path[2 * UNIT_PATH_SIZE];

static const char *below(const char *name)
{
	snprintf(path, sizeof(path), "%s%s", dir, name);
	return path;
}

/* The table has a mount of the type at the point, besides others. */
static bool cross(const char *point, const char *type, const char *where)
{
	char text[4 * UNIT_PATH_SIZE];

	snprintf(text, sizeof(text),
	    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
	    "23 22 0:21 / /proc rw,nosuid shared:2 master:1 - proc proc rw\n"
	    "30 22 0:40 / %s rw,relatime - %s some:/thing rw,a=b\n"
	    "31 22 0:41 /sub /srv rw - tmpfs nfs rw\n",
	    point, type);
	unit_write(table, text);
	return hanging_mounts_cross(table, where);
}

static void set_up(void)
{
	unit_dir(dir);
	snprintf(table, sizeof(table), "%s/table", dir);
}

static const struct {
	const char *type;
	bool can_hang;
} types[] = {{"nfs", true}, {"nfs4", true}, {"cifs", true}, {"smb3", true}, {"9p", true}, {"virtiofs", true},
    {"fuse", true}, {"fuse.sshfs", true}, {"fuseblk", true}, {"autofs", true}, {"ceph", true}, {"afs", true},
    {"ext4", false}, {"tmpfs", false}, {"overlay", false}, {"fusectl", false}, {"nfsd", false}};

START_TEST(the_type_counts)
{
	ck_assert(cross("/data", types[_i].type, NULL) == types[_i].can_hang);
	ck_assert(cross("/data", types[_i].type, "/data") == types[_i].can_hang);
	ck_assert(!cross("/data", types[_i].type, "/tmp"));
}
END_TEST

static const struct {
	const char *point, *dir;
	bool crosses;
} paths[] = {{"/", "/tmp", true}, {"/tmp", "/tmp", true}, {"/tmp", "/tmp/m", true}, {"/tmp/m", "/tmp", false},
    {"/tm", "/tmp", false}, {"/with\\040space", "/with space/m", true},
    {"/back\\134slash", "/back\\slash", true}, {"/none", "/tmp/..", true}};

START_TEST(the_path_counts)
{
	ck_assert(cross(paths[_i].point, "nfs", paths[_i].dir) == paths[_i].crosses);
}
END_TEST

START_TEST(a_link_may_lead_to_any_mount)
{
	ck_assert_int_eq(mkdir(below("/real"), 0755), 0);
	ck_assert(!cross("/none", "nfs", below("/real")));
	ck_assert_int_eq(symlink("/none", below("/link")), 0);
	ck_assert(cross("/none", "nfs", below("/link")));
	ck_assert(cross("/none", "nfs", below("/link/m")));
	ck_assert(!cross("/none", "ext4", below("/link")));
	ck_assert(!cross("/none", "nfs", below("/missing/m")));
}
END_TEST

/* An overlay at /m, over a mount of another type at /slow or over another overlay. */
static const struct {
	const char *options;
	bool crosses;
} overlays[] = {
    {"rw,lowerdir=/slow,upperdir=/u,workdir=/w", true},
    {"rw,lowerdir=/a:/slow/deep:/b,upperdir=/u,workdir=/w", true},
    {"rw,lowerdir=/a,upperdir=/slow/u,workdir=/slow/w", true},
    {"rw,lowerdir+=/a,lowerdir+=/slow/x", true},
    {"rw,lowerdir=/inner", true},
    {"rw,lowerdir=some/where", true},
    {"rw,lowerdir=/a:/slower,upperdir=/u,workdir=/w", false},
    {"rw,xino=/slow", false},
    {"rw", false},
};

START_TEST(the_layers_of_an_overlay_count)
{
	char text[4 * UNIT_PATH_SIZE];

	snprintf(text, sizeof(text),
	    "30 22 0:40 / /slow rw,relatime - fuse.slow slow rw\n"
	    "31 22 0:41 / /inner rw - overlay overlay rw,lowerdir=/slow/y\n"
	    "32 22 0:42 / /m rw - overlay overlay %s\n",
	    overlays[_i].options);
	unit_write(table, text);
	ck_assert(hanging_mounts_cross(table, "/m") == overlays[_i].crosses);
	ck_assert(hanging_mounts_cross(table, "/m/n") == overlays[_i].crosses);
	ck_assert(!hanging_mounts_cross(table, "/other"));
}
END_TEST

/* mount(2) takes an empty name. */
START_TEST(the_name_of_what_is_mounted_may_be_empty)
{
	unit_write(table, "30 22 0:40 / /slow rw,relatime - fuse.slow  rw\n"
			  "31 22 0:41 / /m rw - overlay  rw,lowerdir=/slow\n");
	ck_assert(hanging_mounts_cross(table, "/slow"));
	ck_assert(hanging_mounts_cross(table, "/m"));
	ck_assert(!hanging_mounts_cross(table, "/other"));
}
END_TEST

/* More than is read at once. */
START_TEST(the_table_may_be_long)
{
	char text[20000];
	int len = 0;

	for (int i = 0; i < 200; i++)
		len += sprintf(text + len,
		    "%d 22 0:%d / /some/where/%d rw,relatime shared:%d - tmpfs tmpfs rw\n", i, i, i, i);
	snprintf(text + len, sizeof(text) - (size_t)len, "30 22 0:40 / /slow rw,relatime - nfs a:/b rw\n");
	unit_write(table, text);
	ck_assert(hanging_mounts_cross(table, "/slow/m"));
	ck_assert(!hanging_mounts_cross(table, "/some/where/3"));
}
END_TEST

START_TEST(an_overlay_over_itself_has_an_end)
{
	unit_write(table, "32 22 0:42 / /m rw - overlay overlay rw,lowerdir=/m\n");
	ck_assert(!hanging_mounts_cross(table, "/m"));
}
END_TEST

START_TEST(no_table_is_no_mount)
{
	ck_assert(!hanging_mounts_cross(below("/missing"), NULL));
	unit_write(table, "22 1 8:1 / /\n\n- nfs\nnonsense - \n");
	ck_assert(!hanging_mounts_cross(table, NULL));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("hanging_mounts");
	TCase *tcase = unit_case(s, "hanging_mounts");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_loop_test(tcase, the_type_counts, 0, UNIT_COUNT(types));
	tcase_add_loop_test(tcase, the_path_counts, 0, UNIT_COUNT(paths));
	tcase_add_test(tcase, a_link_may_lead_to_any_mount);
	tcase_add_loop_test(tcase, the_layers_of_an_overlay_count, 0, UNIT_COUNT(overlays));
	tcase_add_test(tcase, the_name_of_what_is_mounted_may_be_empty);
	tcase_add_test(tcase, the_table_may_be_long);
	tcase_add_test(tcase, an_overlay_over_itself_has_an_end);
	tcase_add_test(tcase, no_table_is_no_mount);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
