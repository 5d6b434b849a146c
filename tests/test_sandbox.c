/* The filter of system calls. */
#include "config.h"

#include <errno.h>

#include "daemon/sandbox.h"
#include "tests/unit.h"

/* The status of a child that makes the call behind the filter; 0 if it failed with that error. */
static int status_of(long number, int error)
{
	pid_t child = fork();
	int status;

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (sandbox_start() != NULL)
			_exit(100);
		errno = 0;
		_exit(syscall(number, -1, NULL, NULL, -1, NULL, NULL) == -1 && errno == error ? 0 : 101);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return status;
}

static const long forbidden[] = {SYS_execve, SYS_ptrace, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_setns,
    SYS_unshare, SYS_bpf, SYS_init_module, SYS_kexec_load, SYS_process_vm_writev, SYS_setresuid, SYS_capset,
    SYS_fchmodat, SYS_fchownat, 425 /* io_uring_setup */, 438 /* pidfd_getfd */};

START_TEST(a_forbidden_call_kills)
{
	for (size_t i = 0; i < UNIT_COUNT(forbidden); i++) {
		const int status = status_of(forbidden[i], 0);

		ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "system call %ld: status %d",
		    forbidden[i], status);
	}
}
END_TEST

/* Above the newest one, and in the x32 interface. */
static const long unknown[] = {500, 0x40000000 + SYS_getpid};

START_TEST(an_unknown_call_is_missing)
{
	for (size_t i = 0; i < UNIT_COUNT(unknown); i++)
		ck_assert_int_eq(status_of(unknown[i], ENOSYS), 0);
}
END_TEST

START_TEST(another_call_is_made)
{
	ck_assert_int_eq(status_of(SYS_close, EBADF), 0);
	ck_assert_int_eq(status_of(SYS_openat, EFAULT), 0);
}
END_TEST

#ifdef __x86_64__
/* getpid(2) of 32-bit programs has the number 20. */
START_TEST(a_call_of_another_architecture_kills)
{
	pid_t child = fork();
	long result = 20;
	int status;

	if (child == 0) {
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (sandbox_start() != NULL)
			_exit(100);
		__asm__ volatile("int $0x80" : "+a"(result) : : "memory");
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status));
	/* SIGSEGV: the kernel does not run such programs. */
	ck_assert(WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV);
}
END_TEST
#endif

static bool is_built(void)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		(void)sandbox_start();
		_exit(strcmp(sandbox_word(), "on") == 0 ? 0 : 1);
	}
	return waitpid(child, &status, 0) == child && status == 0;
}

static Suite *suite(void)
{
	const char *why = "built without the filter";
	Suite *s = suite_create("sandbox");
	TCase *tcase = unit_case(s, "sandbox");
	const bool built = is_built();

	unit_add_if(tcase, a_forbidden_call_kills, built, why);
	unit_add_if(tcase, an_unknown_call_is_missing, built, why);
	unit_add_if(tcase, another_call_is_made, built, why);
#ifdef __x86_64__
	unit_add_if(tcase, a_call_of_another_architecture_kills, built, why);
#endif
	return s;
}

int main(void)
{
	return unit_main(suite);
}
