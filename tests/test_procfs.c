#include "src/process.h"
#include "src/procfs.h"
#include "tests/unit.h"

#include <grp.h>
#include <sys/mount.h>

#define GROUPS_MOST 5000

static void join_groups(unsigned count)
{
	static gid_t groups[GROUPS_MOST];

	for (unsigned i = 0; i < count; i++)
		groups[i] = 1000000001 + i;
	ck_assert_int_eq(setgroups(count, groups), 0);
}

static void check_own_status(void)
{
	struct procfs_status status;

	unit_check(procfs_read_status(getpid(), &status) == 0);
	unit_check(status.ns_pid == getpid() && status.ns_pids == 1);
	unit_check(status.has_uids && status.real == getuid() && status.effective == geteuid() &&
		   status.fs == geteuid());
}

START_TEST(status_of_own_process)
{
	struct procfs_status status;

	check_own_status();
	ck_assert_int_eq(procfs_read_status(UNIT_UNUSED_PID, &status), -1);
}
END_TEST

/* The lines that are used lie across the end of a read at each of their bytes, and a line may be longer than
 * all that is read at once. */
START_TEST(status_with_any_number_of_groups)
{
	for (unsigned count = 0; count < 400; count++) {
		join_groups(count);
		check_own_status();
	}
	join_groups(GROUPS_MOST);
	check_own_status();
}
END_TEST

static int moved[2];

#define WORD_SIZE 16

static void mount_nothing(void)
{
	char word[WORD_SIZE] = "";

	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", "/proc", "tmpfs", 0, NULL) != 0)
		_exit(1);
	snprintf(word, sizeof(word), "%s", procfs_word());
	if (write(moved[1], word, sizeof(word)) != sizeof(word))
		_exit(1);
}

START_TEST(no_proc_is_missing)
{
	char word[WORD_SIZE];
	pid_t child;

	ck_assert_int_eq(pipe(moved), 0);
	child = unit_spawn(mount_nothing);
	ck_assert_int_eq(read(moved[0], word, sizeof(word)), sizeof(word));
	ck_assert_str_eq(word, "missing");
	unit_kill(child);
}
END_TEST

/* The parent has found its own; a child in a pid namespace of its own sees that of its parent. */
START_TEST(child_of_other_namespace_sees_a_foreign_proc)
{
	struct procfs_status status;
	int wait_status;
	char buf[64];
	pid_t child;

	const uint64_t ours = process_own_namespace("pid");

	ck_assert_int_eq(procfs_state(), PROCFS_OURS);
	ck_assert_uint_ne(ours, 0);
	child = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);
	ck_assert_int_ge(child, 0);
	if (child == 0)
		_exit(procfs_state() == PROCFS_FOREIGN && !procfs_is_ours() &&
			      procfs_read(getpid(), "stat", buf, sizeof(buf)) != 0 &&
			      procfs_read_status(getpid(), &status) != 0 &&
			      process_own_namespace("pid") != ours
			  ? 0
			  : 1);
	ck_assert_int_eq(waitpid(child, &wait_status, 0), child);
	ck_assert_int_eq(wait_status, 0);
	ck_assert_str_eq(procfs_word(), "ok");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("procfs");
	TCase *tcase = unit_case(s, "procfs");

	tcase_add_test(tcase, status_of_own_process);
	unit_add_if(tcase, status_with_any_number_of_groups, geteuid() == 0, "needs root");
	unit_add_if(tcase, no_proc_is_missing, geteuid() == 0, "needs root");
	unit_add_if(tcase, child_of_other_namespace_sees_a_foreign_proc,
	    geteuid() == 0 && unit_can_create_pid_ns(), "needs root");
	return s;
}

int main(void)
{
	return unit_main(suite);
}
