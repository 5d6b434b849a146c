#include <errno.h>
#include <limits.h>

#include "readyd/marker.h"
#include "src/marker.h"
#include "tests/unit.h"

#define PID 1234

/* A string of the given length: the character first, then c. */
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

START_TEST(place_is_validated)
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

START_TEST(place_length_is_limited)
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

START_TEST(names_are_parsed_strictly)
{
	struct marker_place place;

	ck_assert_int_eq(marker_place_init(&place, NULL, NULL), 0);
	ck_assert_int_eq(marker_pid(&place, names[_i].name), names[_i].pid);
}
END_TEST

/* The pid begins right after the prefix, even if that ends in a digit. */
START_TEST(prefix_may_end_in_digits)
{
	struct marker_place place;

	ck_assert_int_eq(marker_place_init(&place, NULL, "v2"), 0);
	ck_assert_int_eq(marker_pid(&place, "v212"), 12);
	ck_assert_int_eq(marker_pid(&place, "v2"), 0);
	ck_assert_int_eq(marker_pid(&place, "v202"), 0);
}
END_TEST

START_TEST(pid_is_parsed_from_contract_path)
{
	char path[READYD_MARKER_PATH_SIZE];
	struct marker_place place;
	uint64_t seed = 1;
	pid_t pid;

	ck_assert_int_eq(marker_place_init(&place, NULL, NULL), 0);
	for (int i = 0; i < 10000; i++) {
		pid = (pid_t)(unit_random_below(&seed, INT_MAX) >> unit_random_below(&seed, 31)) + 1;
		ck_assert_int_gt(readyd_marker_path(path, sizeof(path), (uint32_t)pid), 0);
		ck_assert_int_eq(marker_pid(&place, path + sizeof(READYD_MARKER_DIR)), pid);
	}
}
END_TEST

/* Makes a private directory; path is that of the marker of PID in it. */
static void make_place(struct marker_place *place, char path[UNIT_PATH_SIZE])
{
	char dir[UNIT_PATH_SIZE];

	unit_dir(dir);
	ck_assert_int_eq(marker_place_init(place, dir, "ready-%n%s-"), 0);
	/* The tests create and remove this directory, so it must be the private one. */
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
} file_types[] = {
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

START_TEST(stat_reports_file_type)
{
	struct marker_place place;
	char path[UNIT_PATH_SIZE];
	struct marker_stat seen;

	make_place(&place, path);
	file_types[_i].make(path);
	memset(&seen, 0xff, sizeof(seen));
	marker_stat(&place, PID, &seen);
	ck_assert_int_eq(seen.kind, file_types[_i].kind);
	if (seen.kind == MARKER_FILE)
		ck_assert_int_eq(seen.size, file_types[_i].size);
	ck_assert(marker_is_absent(&place, PID) == (file_types[_i].kind == MARKER_ABSENT));
	marker_stat(&place, PID + 1, &seen);
	ck_assert_int_eq(seen.kind, MARKER_ABSENT);
	ck_assert(marker_is_absent(&place, PID + 1));
	marker_stat(&place, PID / 10, &seen);
	ck_assert_int_eq(seen.kind, MARKER_ABSENT);
}
END_TEST

START_TEST(stat_reports_identity_of_file)
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

/* Makes nested directories, up to the longest path allowed. */
static void make_longest_path(char dir[MARKER_DIR_SIZE])
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

START_TEST(longest_path_is_checked)
{
	char dir[MARKER_DIR_SIZE], path[MARKER_DIR_SIZE + MARKER_PREFIX_SIZE + 16];
	struct marker_place place;
	struct marker_stat seen;

	make_longest_path(dir);
	ck_assert_uint_eq(strlen(dir), MARKER_DIR_SIZE - 1);
	ck_assert_int_eq(marker_place_init(&place, dir, long_text('p', 'p', MARKER_PREFIX_SIZE - 1)), 0);
	snprintf(path, sizeof(path), "%s/%s%d", place.dir, place.prefix, INT_MAX);
	make_file(path);
	marker_stat(&place, INT_MAX, &seen);
	ck_assert_int_eq(seen.kind, MARKER_FILE);
}
END_TEST

/* What is made at a path; the marker directory is that path with the suffix. */
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

START_TEST(stat_reports_unusable_directory)
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

/* lstat(2) fails with ENAMETOOLONG. */
START_TEST(overlong_directory_name_does_not_exist)
{
	struct marker_place place;
	struct marker_stat seen;

	ck_assert_int_eq(marker_place_init(&place, long_text('/', 'd', 400), "x"), 0);
	marker_stat(&place, PID, &seen);
	ck_assert_int_eq(seen.kind, MARKER_NO_DIRECTORY);
}
END_TEST

/* Root may search every directory, so the test runs this call as another user. */
START_TEST(unsearchable_directory_is_denied)
{
	const uid_t unprivileged = 65534, self = geteuid();
	struct marker_place place;
	char path[UNIT_PATH_SIZE];
	struct marker_stat seen;

	make_place(&place, path);
	make_file(path);
	ck_assert_int_eq(chmod(place.dir, 0600), 0);
	if (self == 0)
		ck_assert_int_eq(seteuid(unprivileged), 0);
	marker_stat(&place, PID, &seen);
	if (self == 0)
		ck_assert_int_eq(seteuid(self), 0);
	ck_assert_int_eq(chmod(place.dir, 0700), 0);
	ck_assert_int_eq(seen.kind, MARKER_DENIED);
	marker_stat(&place, PID, &seen);
	ck_assert_int_eq(seen.kind, MARKER_FILE);
}
END_TEST

/* Each differs from the first in one property; same says whether it is still the same file. */
static const struct {
	struct marker_stat seen;
	bool same;
} variants[] = {
    {{MARKER_FILE, 1, 2, 0, 6, 1, {3, 4}, {5, 6}, 0}, true},
    /* Writing after the creation changes the size and, one clock tick later, the mtime. */
    {{MARKER_FILE, 1, 2, 0, 0, 1, {3, 4}, {5, 6}, 0}, true},
    /* A change of owner, mode or links changes the ctime only. */
    {{MARKER_FILE, 1, 2, 0, 6, 1, {3, 4}, {9, 9}, 0}, true},
    {{MARKER_OTHER, 1, 2, 0, 6, 1, {3, 4}, {5, 6}, 0}, false},
    {{MARKER_FILE, 9, 2, 0, 6, 1, {3, 4}, {5, 6}, 0}, false},
    {{MARKER_FILE, 1, 9, 0, 6, 1, {3, 4}, {5, 6}, 0}, false},
    {{MARKER_FILE, 1, 2, 0, 6, 1, {9, 4}, {5, 6}, 0}, false},
    {{MARKER_FILE, 1, 2, 0, 6, 1, {3, 9}, {5, 6}, 0}, false},
};

START_TEST(same_marker_is_told_by_its_identity)
{
	ck_assert(marker_same(&variants[0].seen, &variants[_i].seen) == variants[_i].same);
	ck_assert(marker_same(&variants[_i].seen, &variants[0].seen) == variants[_i].same);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("marker");
	TCase *tcase = unit_case(s, "place");

	tcase_add_loop_test(tcase, place_is_validated, 0, UNIT_COUNT(places));
	tcase_add_test(tcase, place_defaults_to_the_contract);
	tcase_add_test(tcase, place_length_is_limited);
	tcase = unit_case(s, "name");
	tcase_add_loop_test(tcase, names_are_parsed_strictly, 0, UNIT_COUNT(names));
	tcase_add_test(tcase, prefix_may_end_in_digits);
	tcase_add_test(tcase, pid_is_parsed_from_contract_path);
	tcase = unit_case(s, "stat");
	tcase_add_loop_test(tcase, stat_reports_file_type, 0, UNIT_COUNT(file_types));
	tcase_add_test(tcase, stat_reports_identity_of_file);
	tcase_add_test(tcase, longest_path_is_checked);
	tcase_add_loop_test(tcase, stat_reports_unusable_directory, 0, UNIT_COUNT(dirs));
	tcase_add_test(tcase, directory_may_be_a_symlink);
	tcase_add_test(tcase, overlong_directory_name_does_not_exist);
	tcase_add_test(tcase, unsearchable_directory_is_denied);
	tcase = unit_case(s, "same");
	tcase_add_loop_test(tcase, same_marker_is_told_by_its_identity, 0, UNIT_COUNT(variants));
	return s;
}

int main(void)
{
	return unit_main(suite);
}
