#include <errno.h>
#include <linux/magic.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include "src/clock.h"
#include "src/shortage.h"
#include "src/stamp.h"
#include "tests/unit.h"

#define MS 1000000LL
#define S  1000000000LL

static const struct timespec fine = {1000, 1}, whole = {1000, 0};

static const struct {
	uint32_t f_type;
	enum stamp_clock clock;
	const struct timespec *stamp;
	int64_t grain, margin;
} assumed[] = {
    {TMPFS_MAGIC, STAMP_CLOCK_KERNEL, &fine, STAMP_GRAIN_NS, 0},
    {TMPFS_MAGIC, STAMP_CLOCK_KERNEL, &whole, 1 * S, 0},
    {RAMFS_MAGIC, STAMP_CLOCK_KERNEL, &fine, STAMP_GRAIN_NS, 0},
    {EXT4_SUPER_MAGIC, STAMP_CLOCK_KERNEL, &fine, STAMP_GRAIN_NS, 0},
    {EXT4_SUPER_MAGIC, STAMP_CLOCK_KERNEL, &whole, 1 * S, 0},
    {XFS_SUPER_MAGIC, STAMP_CLOCK_KERNEL, &fine, STAMP_GRAIN_NS, 0},
    {BTRFS_SUPER_MAGIC, STAMP_CLOCK_KERNEL, &fine, STAMP_GRAIN_NS, 0},
    {MSDOS_SUPER_MAGIC, STAMP_CLOCK_KERNEL, &fine, STAMP_GRAIN_NS, 0},
    {MSDOS_SUPER_MAGIC, STAMP_CLOCK_KERNEL, &whole, 2 * S, 0},
    {OVERLAYFS_SUPER_MAGIC, STAMP_CLOCK_LAYER, &fine, STAMP_GRAIN_NS, STAMP_MARGIN_NS},
    {OVERLAYFS_SUPER_MAGIC, STAMP_CLOCK_LAYER, &whole, 1 * S, STAMP_MARGIN_NS},
    {NFS_SUPER_MAGIC, STAMP_CLOCK_OTHER, &fine, STAMP_GRAIN_NS, STAMP_MARGIN_NS},
    {V9FS_MAGIC, STAMP_CLOCK_OTHER, &whole, 1 * S, STAMP_MARGIN_NS},
    {FUSE_SUPER_MAGIC, STAMP_CLOCK_OTHER, &fine, STAMP_GRAIN_NS, STAMP_MARGIN_NS}, /* virtiofs too */
    {0xff534d42, STAMP_CLOCK_OTHER, &fine, STAMP_GRAIN_NS, STAMP_MARGIN_NS},	   /* CIFS */
    {0xfe534d42, STAMP_CLOCK_OTHER, &fine, STAMP_GRAIN_NS, STAMP_MARGIN_NS},	   /* SMB2 */
    {0x12345678, STAMP_CLOCK_OTHER, &fine, STAMP_GRAIN_NS, STAMP_MARGIN_NS},
    {0, STAMP_CLOCK_OTHER, &fine, STAMP_GRAIN_NS, STAMP_MARGIN_NS},
};

START_TEST(a_type_says_how_far_stamps_are_trusted)
{
	struct stamp_trust trust;

	stamp_trust_assume(assumed[_i].f_type, assumed[_i].stamp, &trust);
	ck_assert_int_eq(stamp_clock_of(assumed[_i].f_type), assumed[_i].clock);
	ck_assert_int_eq(trust.grain_ns, assumed[_i].grain);
	ck_assert_int_eq(trust.margin_ns, assumed[_i].margin);
	ck_assert_int_eq(trust.skew_ns, 0);
	ck_assert(!trust.measured);
}
END_TEST

/* A file that is created at 100 s by our clock; the marker before it had a stamp with that grain. */
static const struct {
	enum stamp_clock clock;
	int64_t grain, shown, took;
	int64_t least_skew, most_skew, grain_then; /* what the file system's clock may be ahead */
} samples[] = {
    {STAMP_CLOCK_KERNEL, STAMP_GRAIN_NS, 100 * S - 3 * MS, MS, 0, 0, STAMP_GRAIN_NS},
    {STAMP_CLOCK_KERNEL, STAMP_GRAIN_NS, 100 * S + MS, MS, 0, 0, STAMP_GRAIN_NS},
    {STAMP_CLOCK_KERNEL, STAMP_GRAIN_NS, 100 * S, MS, 0, 0, 1 * S},
    {STAMP_CLOCK_KERNEL, 1 * S, 100 * S - 3 * MS, MS, 0, 0, 1 * S},
    {STAMP_CLOCK_KERNEL, 2 * S, 99 * S, MS, 0, 0, 2 * S},
    /* a late tick is not another clock */
    {STAMP_CLOCK_KERNEL, STAMP_GRAIN_NS, 100 * S - 90 * MS, MS, 0, 0, STAMP_GRAIN_NS},
    {STAMP_CLOCK_LAYER, STAMP_GRAIN_NS, 100 * S - 3 * MS, MS, 0, 0, STAMP_GRAIN_NS},
    {STAMP_CLOCK_LAYER, STAMP_GRAIN_NS, 100 * S, MS, 0, 0, 1 * S},
    {STAMP_CLOCK_LAYER, STAMP_GRAIN_NS, 98 * S + MS, MS, -2 * S, -2 * S + 41 * MS, STAMP_GRAIN_NS},
    /* where the two clocks may just agree, and where they cannot */
    {STAMP_CLOCK_LAYER, STAMP_GRAIN_NS, 100 * S - 40 * MS, MS, 0, 0, STAMP_GRAIN_NS},
    {STAMP_CLOCK_LAYER, STAMP_GRAIN_NS, 100 * S - 40 * MS - 2, MS, -41 * MS - 2, -2, STAMP_GRAIN_NS},
    {STAMP_CLOCK_LAYER, STAMP_GRAIN_NS, 100 * S + MS, MS, 0, 0, STAMP_GRAIN_NS},
    {STAMP_CLOCK_LAYER, STAMP_GRAIN_NS, 100 * S + MS + 1, MS, 1, 41 * MS + 1, STAMP_GRAIN_NS},
    {STAMP_CLOCK_OTHER, STAMP_GRAIN_NS, 100 * S - 3 * MS, MS, -4 * MS, 37 * MS, STAMP_GRAIN_NS},
    {STAMP_CLOCK_OTHER, STAMP_GRAIN_NS, 100 * S - 60 * MS, MS, -61 * MS, -20 * MS, STAMP_GRAIN_NS},
    {STAMP_CLOCK_OTHER, STAMP_GRAIN_NS, 98 * S, MS, -2 * S - MS, -1 * S, 1 * S},
    {STAMP_CLOCK_OTHER, STAMP_GRAIN_NS, 107 * S + MS, 2 * S, 5 * S + MS, 7 * S + 41 * MS, STAMP_GRAIN_NS},
};

START_TEST(a_new_file_shows_the_clock)
{
	struct timespec stamp = {samples[_i].shown / S, samples[_i].shown % S};
	struct stamp_trust trust = {.grain_ns = samples[_i].grain,
	    .margin_ns = samples[_i].clock == STAMP_CLOCK_KERNEL ? 0 : STAMP_MARGIN_NS};

	ck_assert(stamp_trust_narrow(samples[_i].clock, 100 * S, &stamp, 100 * S + samples[_i].took, &trust));
	ck_assert(trust.measured);
	ck_assert_int_eq(trust.grain_ns, samples[_i].grain_then);
	ck_assert_int_eq(trust.skew_ns - trust.margin_ns, samples[_i].least_skew);
	ck_assert_int_eq(trust.skew_ns + trust.margin_ns, samples[_i].most_skew);
}
END_TEST

/* The clock is measured where it could decide. */
START_TEST(a_stamp_near_the_start_is_tested)
{
	struct stamp_trust trust = {.grain_ns = 2 * MS, .margin_ns = 3 * MS};
	int64_t most = 5 * MS + clock_tick_ns();

	ck_assert(stamp_trust_is_tested(&trust, 0));
	ck_assert(stamp_trust_is_tested(&trust, most - 1));
	ck_assert(stamp_trust_is_tested(&trust, 1 - most));
	ck_assert(!stamp_trust_is_tested(&trust, most));
	ck_assert(!stamp_trust_is_tested(&trust, -most));
	trust.margin_ns = 1;
	ck_assert(stamp_trust_is_tested(&trust, 0));
	trust.margin_ns = 0;
	ck_assert(!stamp_trust_is_tested(&trust, 0));
}
END_TEST

START_TEST(a_clock_that_does_not_advance_meanwhile_shows_itself)
{
	struct stamp_trust trust = {.grain_ns = STAMP_GRAIN_NS, .margin_ns = STAMP_MARGIN_NS};

	ck_assert(stamp_trust_narrow(STAMP_CLOCK_OTHER, 100 * S, &fine, 100 * S, &trust));
	ck_assert(trust.measured);
}
END_TEST

START_TEST(a_clock_set_back_meanwhile_shows_nothing)
{
	struct stamp_trust trust = {.grain_ns = STAMP_GRAIN_NS, .margin_ns = STAMP_MARGIN_NS};

	ck_assert(!stamp_trust_narrow(STAMP_CLOCK_OTHER, 100 * S, &fine, 99 * S, &trust));
	ck_assert(!trust.measured);
	ck_assert_int_eq(trust.margin_ns, STAMP_MARGIN_NS);
}
END_TEST

/* No descriptor is left, nor a name, and the stamps of the directory are as before. */
static void measure_here(const char *dir, struct stamp_trust *trust)
{
	struct stat before, after;
	int fds = unit_count_fds();

	ck_assert_int_eq(stat(dir, &before), 0);
	stamp_trust_by_type(dir, &fine, trust);
	ck_assert_int_eq(trust->margin_ns, 0);
	ck_assert(!trust->measured);
	ck_assert(stamp_measure(dir, trust));
	ck_assert_int_eq(unit_count_fds(), fds);
	ck_assert_int_eq(stat(dir, &after), 0);
	ck_assert_int_eq(clock_to_ns(&before.st_mtim), clock_to_ns(&after.st_mtim));
	ck_assert_int_eq(clock_to_ns(&before.st_ctim), clock_to_ns(&after.st_ctim));
	ck_assert_int_eq(rmdir(dir), 0);
}

static bool is_measurable(const char *dir)
{
	int fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool is_memory(const char *dir)
{
	struct statfs fs;

	return statfs(dir, &fs) == 0 && fs.f_type == TMPFS_MAGIC && is_measurable(dir);
}

START_TEST(the_clock_of_a_file_system_in_memory_is_ours)
{
	struct stamp_trust trust;
	char dir[] = "/dev/shm/readyd-unit.XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(dir));
	measure_here(dir, &trust);
	ck_assert(trust.measured);
	ck_assert_int_eq(trust.grain_ns, STAMP_GRAIN_NS);
	ck_assert_int_eq(trust.margin_ns, 0);
	ck_assert_int_eq(trust.skew_ns, 0);
}
END_TEST

/* Mounts an overlay on dir, over a tmpfs, in a mount namespace of its own. */
static bool mount_layers(const char *dir)
{
	return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", dir, "tmpfs", 0, NULL) == 0 && chdir(dir) == 0 && mkdir("lower", 0755) == 0 &&
	       mkdir("upper", 0755) == 0 && mkdir("work", 0755) == 0 &&
	       mount("none", dir, "overlay", 0, "lowerdir=lower,upperdir=upper,workdir=work") == 0;
}

static bool can_mount_layers(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(mount_layers(unit_root) ? 0 : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* Before Linux 6.1 it has no O_TMPFILE, and is assumed to lie over a local file system. */
START_TEST(the_clock_of_an_overlay_over_memory_is_ours)
{
	struct stamp_trust trust;
	char dir[UNIT_PATH_SIZE];

	unit_dir(dir);
	ck_assert(mount_layers(dir));
	stamp_trust_by_type(dir, &fine, &trust);
	ck_assert_int_eq(trust.margin_ns, STAMP_MARGIN_NS);
	ck_assert(stamp_measure(dir, &trust) == trust.measured);
	ck_assert_int_eq(trust.grain_ns, STAMP_GRAIN_NS);
	ck_assert_int_eq(trust.margin_ns, 0);
	ck_assert_int_eq(trust.skew_ns, 0);
}
END_TEST

/* The watch sees what the daemon's and the waiters' ask for. */
START_TEST(a_measurement_is_silent)
{
	struct stamp_trust trust;
	char dir[UNIT_PATH_SIZE], event[512];
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	unit_dir(dir);
	ck_assert_int_ge(inotify_add_watch(fd, dir, IN_ALL_EVENTS & ~(IN_OPEN | IN_CLOSE)), 0);
	stamp_trust_by_type(dir, &fine, &trust);
	ck_assert(stamp_measure(dir, &trust));
	ck_assert_int_eq(read(fd, event, sizeof(event)), -1);
	close(fd);
}
END_TEST

START_TEST(what_cannot_be_measured_stays_assumed)
{
	struct stamp_trust trust;

	stamp_trust_by_type("/proc/self", &whole, &trust);
	ck_assert_int_eq(trust.grain_ns, 1 * S);
	ck_assert_int_eq(trust.margin_ns, STAMP_MARGIN_NS);
	ck_assert(!stamp_measure("/proc/self", &trust));
	ck_assert(!trust.measured);
	ck_assert(!is_shortage(errno));
	ck_assert_int_eq(trust.margin_ns, STAMP_MARGIN_NS);
}
END_TEST

START_TEST(a_missing_directory_is_of_no_known_type)
{
	struct stamp_trust trust;

	stamp_trust_by_type("/proc/self/missing", &fine, &trust);
	ck_assert_int_eq(trust.margin_ns, STAMP_MARGIN_NS);
	ck_assert(!stamp_measure("/proc/self/missing", &trust));
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(without_descriptors_nothing_is_measured)
{
	struct stamp_trust trust;
	char dir[UNIT_PATH_SIZE];
	struct rlimit limit;
	int error;

	unit_dir(dir);
	stamp_trust_by_type(dir, &fine, &trust);
	limit = unit_forbid_new_fds();
	errno = 0;
	ck_assert(!stamp_measure(dir, &trust));
	error = errno;
	unit_restore_fd_limit(&limit);
	ck_assert(is_shortage(error));
	ck_assert(!trust.measured);
}
END_TEST

static Suite *stamp_suite(void)
{
	Suite *suite = suite_create("stamp");
	TCase *rules = unit_case(suite, "rules"), *calls = unit_case(suite, "calls");

	tcase_add_loop_test(rules, a_type_says_how_far_stamps_are_trusted, 0, UNIT_COUNT(assumed));
	tcase_add_loop_test(rules, a_new_file_shows_the_clock, 0, UNIT_COUNT(samples));
	tcase_add_test(rules, a_stamp_near_the_start_is_tested);
	tcase_add_test(rules, a_clock_that_does_not_advance_meanwhile_shows_itself);
	tcase_add_test(rules, a_clock_set_back_meanwhile_shows_nothing);
	unit_add_if(calls, the_clock_of_a_file_system_in_memory_is_ours, is_memory("/dev/shm"),
	    "/dev/shm is not a tmpfs that can be written to");
	unit_add_if(calls, the_clock_of_an_overlay_over_memory_is_ours, can_mount_layers(),
	    "no overlay can be mounted");
	unit_add_if(calls, a_measurement_is_silent, is_measurable(unit_root), "no O_TMPFILE there");
	tcase_add_test(calls, what_cannot_be_measured_stays_assumed);
	tcase_add_test(calls, a_missing_directory_is_of_no_known_type);
	tcase_add_test(calls, without_descriptors_nothing_is_measured);
	return suite;
}

int main(void)
{
	return unit_main(stamp_suite);
}
