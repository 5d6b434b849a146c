#include <errno.h>
#include <limits.h>

#include "readyd/marker.h"
#include "src/marker.h"
#include "tests/unit.h"

#define PID 1234

/* A string of len times c, with first in front. */
static const char *long_text(char first, char c, size_t len)
{
	static char text[2048];

	memset(text, c, len);
	text[0] = first;
	text[len] = '\0';
	return text;
}

static const struct {
	const char *dir, *prefix;
	int error; /* 0: accepted */
} places[] = {
    {"/", "x", 0},
    {"/a dir", "100% ready-", 0},
    {"/tmp/", "x", 0},
    {"", "x", EINVAL},
    {"tmp", "x", EINVAL},
    {"./tmp", "x", EINVAL},
    {" /tmp", "x", EINVAL},
    {"/tmp", "", EINVAL},
    {"/tmp", "/", EINVAL},
    {"/tmp", "a/b", EINVAL},
    {"/tmp", "../x", EINVAL},
    {"/tmp", "x/", EINVAL},
};

START_TEST(place_is_checked)
{
	struct marker_place place;

	errno = 0;
	ck_assert_int_eq(
	    marker_place_init(&place, places[_i].dir, places[_i].prefix), places[_i].error != 0 ? -1 : 0);
	ck_assert_int_eq(errno, places[_i].error);
	if (places[_i].error != 0)
		return;
	ck_assert_str_eq(place.dir, places[_i].dir);
	ck_assert_str_eq(place.prefix, places[_i].prefix);
}
END_TEST

START_TEST(place_defaults_to_the_contract)
{
	struct marker_place place;

	ck_assert_int_eq(marker_place_init(&place, NULL, NULL), 0);
	ck_assert_str_eq(place.dir, "/tmp");
	ck_assert_str_eq(place.prefix, "ktstr-worker-ready-");
	ck_assert_int_eq(marker_place_init(&place, "/x", NULL), 0);
	ck_assert_str_eq(place.prefix, "ktstr-worker-ready-");
	ck_assert_int_eq(marker_place_init(&place, NULL, "x"), 0);
	ck_assert_str_eq(place.dir, "/tmp");
}
END_TEST

START_TEST(place_has_limits)
{
	struct marker_place place;

	ck_assert_int_eq(marker_place_init(&place, long_text('/', 'd', MARKER_DIR_SIZE - 1), NULL), 0);
	ck_assert_uint_eq(strlen(place.dir), MARKER_DIR_SIZE - 1);
	ck_assert_int_eq(marker_place_init(&place, NULL, long_text('p', 'p', MARKER_PREFIX_SIZE - 1)), 0);
	ck_assert_uint_eq(strlen(place.prefix), MARKER_PREFIX_SIZE - 1);
	ck_assert_int_eq(marker_place_init(&place, long_text('/', 'd', MARKER_DIR_SIZE), NULL), -1);
	ck_assert_int_eq(errno, ENAMETOOLONG);
	errno = 0;
	ck_assert_int_eq(marker_place_init(&place, NULL, long_text('p', 'p', MARKER_PREFIX_SIZE)), -1);
	ck_assert_int_eq(errno, ENAMETOOLONG);
}
END_TEST

static const struct {
	const char *name;
	pid_t pid;
} names[] = {
    {"ktstr-worker-ready-1", 1},
    {"ktstr-worker-ready-10", 10},
    {"ktstr-worker-ready-4194304", 4194304},
    {"ktstr-worker-ready-2147483647", INT_MAX},
    {"ktstr-worker-ready-2147483648", 0},
    {"ktstr-worker-ready-4294967297", 0},
    {"ktstr-worker-ready-18446744073709551617", 0},
    {"ktstr-worker-ready-99999999999999999999999", 0},
    {"ktstr-worker-ready-0", 0},
    {"ktstr-worker-ready-01", 0},
    {"ktstr-worker-ready-001", 0},
    {"ktstr-worker-ready--1", 0},
    {"ktstr-worker-ready-+1", 0},
    {"ktstr-worker-ready- 1", 0},
    {"ktstr-worker-ready-1 ", 0},
    {"ktstr-worker-ready-1\n", 0},
    {"ktstr-worker-ready-1.tmp", 0},
    {"ktstr-worker-ready-1~", 0},
    {"ktstr-worker-ready-1-2", 0},
    {"ktstr-worker-ready-0x1", 0},
    {"ktstr-worker-ready-1e1", 0},
    {"ktstr-worker-ready-self", 0},
    {"ktstr-worker-ready-\xd9\xa1", 0},
    {"ktstr-worker-ready-", 0},
    {"ktstr-worker-ready", 0},
    {"ktstr-worker-ready1", 0},
    {"ktstr-worker-read", 0},
    {"KTSTR-worker-ready-1", 0},
    {"xktstr-worker-ready-1", 0},
    {".ktstr-worker-ready-1", 0},
    {"worker-ready-1", 0},
    {"1", 0},
    {".", 0},
    {"..", 0},
    {"", 0},
};

START_TEST(names_are_read_strictly)
{
	struct marker_place place;

	ck_assert_int_eq(marker_place_init(&place, NULL, NULL), 0);
	ck_assert_int_eq(marker_pid(&place, names[_i].name), names[_i].pid);
}
END_TEST

/* A prefix that ends in digits leaves no doubt where the pid begins. */
START_TEST(prefix_may_end_in_digits)
{
	struct marker_place place;

	ck_assert_int_eq(marker_place_init(&place, NULL, "v2"), 0);
	ck_assert_int_eq(marker_pid(&place, "v212"), 12);
	ck_assert_int_eq(marker_pid(&place, "v2"), 0);
	ck_assert_int_eq(marker_pid(&place, "v202"), 0);
}
END_TEST

START_TEST(every_pid_has_its_name)
{
	char path[READYD_MARKER_PATH_SIZE];
	struct marker_place place;
	uint64_t seed = 1;
	pid_t pid;

	ck_assert_int_eq(marker_place_init(&place, NULL, NULL), 0);
	for (int i = 0; i < 10000; i++) {
		pid = (pid_t)(unit_below(&seed, INT_MAX) >> unit_below(&seed, 31)) + 1;
		ck_assert_int_gt(readyd_marker_path(path, sizeof(path), (uint32_t)pid), 0);
		ck_assert_int_eq(marker_pid(&place, path + sizeof(READYD_MARKER_DIR)), pid);
	}
}
END_TEST

/* A private directory and, in path, the marker of PID in it. */
static void make_place(struct marker_place *place, char path[UNIT_PATH_SIZE])
{
	char dir[UNIT_PATH_SIZE];

	unit_dir(dir);
	ck_assert_int_eq(marker_place_init(place, dir, "ready-%n%s-"), 0);
	/* From here on the place is created, closed and removed: it had better be ours. */
	ck_assert_str_eq(place->dir, dir);
	ck_assert_int_lt(snprintf(path, UNIT_PATH_SIZE, "%.400s/ready-%%n%%s-%d", dir, PID), UNIT_PATH_SIZE);
}

static void make_nothing(const char *path)
{
	(void)path;
}

static void make_file(const char *path)
{
	unit_write(path, READYD_MARKER_CONTENT);
}

static void make_empty(const char *path)
{
	unit_write(path, "");
}

static void make_unreadable(const char *path)
{
	make_file(path);
	ck_assert_int_eq(chmod(path, 0), 0);
}

static void make_by_contract(const char *path)
{
	ck_assert_int_eq(readyd_marker_write(path), 0);
}

static void make_symlink(const char *path)
{
	char target[UNIT_PATH_SIZE + 8];

	snprintf(target, sizeof(target), "%s.target", path);
	make_file(target);
	ck_assert_int_eq(symlink(target, path), 0);
}

static void make_dangling(const char *path)
{
	ck_assert_int_eq(symlink("nowhere", path), 0);
}

static void make_dir(const char *path)
{
	ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void make_fifo(const char *path)
{
	ck_assert_int_eq(mkfifo(path, 0600), 0);
}

static void make_socket(const char *path)
{
	ck_assert_int_eq(mknod(path, S_IFSOCK | 0600, 0), 0);
}

static const struct {
	void (*make)(const char *path);
	enum marker_kind kind;
	off_t size;
} seen_pairs[] = {
    {make_nothing, MARKER_ABSENT, 0},
    {make_file, MARKER_FILE, 6},
    {make_by_contract, MARKER_FILE, 6},
    {make_empty, MARKER_FILE, 0},
    {make_unreadable, MARKER_FILE, 6},
    {make_symlink, MARKER_OTHER, 0},
    {make_dangling, MARKER_OTHER, 0},
    {make_dir, MARKER_OTHER, 0},
    {make_fifo, MARKER_OTHER, 0},
    {make_socket, MARKER_OTHER, 0},
};

START_TEST(look_tells_what_has_the_name)
{
	struct marker_place place;
	char path[UNIT_PATH_SIZE];
	struct marker_stat seen;

	make_place(&place, path);
	seen_pairs[_i].make(path);
	memset(&seen, 0xff, sizeof(seen));
	marker_stat(&place, PID, &seen);
	ck_assert_int_eq(seen.kind, seen_pairs[_i].kind);
	if (seen.kind == MARKER_FILE)
		ck_assert_int_eq(seen.size, seen_pairs[_i].size);
	ck_assert(marker_is_absent(&place, PID) == (seen_pairs[_i].kind == MARKER_ABSENT));
	marker_stat(&place, PID + 1, &seen);
	ck_assert_int_eq(seen.kind, MARKER_ABSENT);
	ck_assert(marker_is_absent(&place, PID + 1));
	marker_stat(&place, PID / 10, &seen);
	ck_assert_int_eq(seen.kind, MARKER_ABSENT);
}
END_TEST

START_TEST(look_identifies_the_file)
{
	struct marker_place place;
	char path[UNIT_PATH_SIZE];
	struct marker_stat seen;
	struct stat st;

	make_place(&place, path);
	make_file(path);
	if (geteuid() == 0)
		ck_assert_int_eq(chown(path, 4321, (gid_t)-1), 0);
	marker_stat(&place, PID, &seen);
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert_uint_eq(seen.uid, st.st_uid);
	ck_assert_uint_eq(seen.dev, st.st_dev);
	ck_assert_uint_eq(seen.ino, st.st_ino);
	ck_assert_int_eq(seen.ctime.tv_sec, st.st_ctim.tv_sec);
	ck_assert_int_eq(seen.ctime.tv_nsec, st.st_ctim.tv_nsec);
}
END_TEST

/* Directories in directories, up to the longest path that a place may have. */
static void make_deep(char dir[MARKER_DIR_SIZE])
{
	char start[UNIT_PATH_SIZE];
	size_t len, part;

	unit_dir(start);
	len = (size_t)snprintf(dir, MARKER_DIR_SIZE, "%.300s", start);
	while (len < MARKER_DIR_SIZE - 1) {
		part = MARKER_DIR_SIZE - 1 - len;
		part = part > 100 ? 50 : part;
		memset(dir + len, 'd', part);
		dir[len] = '/';
		len += part;
		dir[len] = '\0';
		make_dir(dir);
	}
}

START_TEST(longest_place_is_looked_at)
{
	char dir[MARKER_DIR_SIZE], path[MARKER_REACH_SIZE + MARKER_PREFIX_SIZE + 16];
	struct marker_place place;
	struct marker_stat seen;

	make_deep(dir);
	ck_assert_uint_eq(strlen(dir), MARKER_DIR_SIZE - 1);
	ck_assert_int_eq(marker_place_init(&place, dir, long_text('p', 'p', MARKER_PREFIX_SIZE - 1)), 0);
	snprintf(path, sizeof(path), "%s/%s%d", place.dir, place.prefix, INT_MAX);
	make_file(path);
	marker_stat(&place, INT_MAX, &seen);
	ck_assert_int_eq(seen.kind, MARKER_FILE);
}
END_TEST

/* What is in the place of the directory: suffix is put behind a path that does not exist. */
static const struct {
	void (*make)(const char *path);
	const char *suffix;
	enum marker_kind kind;
} dirs[] = {
    {make_nothing, "", MARKER_NO_DIRECTORY},
    {make_nothing, "/deep/below", MARKER_NO_DIRECTORY},
    {make_file, "", MARKER_NO_DIRECTORY},
    {make_file, "/below", MARKER_NO_DIRECTORY},
    {make_dangling, "", MARKER_NO_DIRECTORY},
    {make_fifo, "", MARKER_NO_DIRECTORY},
    {make_dir, "", MARKER_ABSENT},
    {make_dir, "/", MARKER_ABSENT},
    {make_dir, "/below", MARKER_NO_DIRECTORY},
};

START_TEST(look_tells_what_the_directory_is)
{
	char dir[UNIT_PATH_SIZE], path[UNIT_PATH_SIZE + 16];
	struct marker_place place;
	struct marker_stat seen;

	make_place(&place, dir);
	dirs[_i].make(dir);
	snprintf(path, sizeof(path), "%s%s", dir, dirs[_i].suffix);
	ck_assert_int_eq(marker_place_init(&place, path, "x"), 0);
	marker_stat(&place, PID, &seen);
	ck_assert_int_eq(seen.kind, dirs[_i].kind);
}
END_TEST

START_TEST(directory_may_be_a_symlink)
{
	char path[UNIT_PATH_SIZE], link[UNIT_PATH_SIZE];
	struct marker_place place;
	struct marker_stat seen;

	make_place(&place, path);
	make_file(path);
	snprintf(link, sizeof(link), "%.400s/link", place.dir);
	ck_assert_int_eq(symlink(place.dir, link), 0);
	strcpy(place.dir, link);
	marker_stat(&place, PID, &seen);
	ck_assert_int_eq(seen.kind, MARKER_FILE);
	ck_assert_int_eq(unlink(link), 0);
	ck_assert_int_eq(symlink("link", link), 0);
	marker_stat(&place, PID, &seen);
	ck_assert_int_eq(seen.kind, MARKER_NO_DIRECTORY);
}
END_TEST

/* No directory can have a name this long. */
START_TEST(directory_name_that_cannot_be)
{
	struct marker_place place;
	struct marker_stat seen;

	ck_assert_int_eq(marker_place_init(&place, long_text('/', 'd', 400), "x"), 0);
	marker_stat(&place, PID, &seen);
	ck_assert_int_eq(seen.kind, MARKER_NO_DIRECTORY);
}
END_TEST

/* Root may search every directory: as root this looks with another's eyes. */
START_TEST(look_is_denied)
{
	const uid_t nobody = 65534, self = geteuid();
	struct marker_place place;
	char path[UNIT_PATH_SIZE];
	struct marker_stat seen;

	make_place(&place, path);
	make_file(path);
	ck_assert_int_eq(chmod(place.dir, 0600), 0);
	if (self == 0)
		ck_assert_int_eq(seteuid(nobody), 0);
	marker_stat(&place, PID, &seen);
	if (self == 0)
		ck_assert_int_eq(seteuid(self), 0);
	ck_assert_int_eq(chmod(place.dir, 0700), 0);
	ck_assert_int_eq(seen.kind, MARKER_DENIED);
	marker_stat(&place, PID, &seen);
	ck_assert_int_eq(seen.kind, MARKER_FILE);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("marker");
	TCase *tcase = unit_case(s, "place");

	tcase_add_loop_test(tcase, place_is_checked, 0, UNIT_COUNT(places));
	tcase_add_test(tcase, place_defaults_to_the_contract);
	tcase_add_test(tcase, place_has_limits);
	tcase = unit_case(s, "name");
	tcase_add_loop_test(tcase, names_are_read_strictly, 0, UNIT_COUNT(names));
	tcase_add_test(tcase, prefix_may_end_in_digits);
	tcase_add_test(tcase, every_pid_has_its_name);
	tcase = unit_case(s, "look");
	tcase_add_loop_test(tcase, look_tells_what_has_the_name, 0, UNIT_COUNT(seen_pairs));
	tcase_add_test(tcase, look_identifies_the_file);
	tcase_add_test(tcase, longest_place_is_looked_at);
	tcase_add_loop_test(tcase, look_tells_what_the_directory_is, 0, UNIT_COUNT(dirs));
	tcase_add_test(tcase, directory_may_be_a_symlink);
	tcase_add_test(tcase, directory_name_that_cannot_be);
	tcase_add_test(tcase, look_is_denied);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
