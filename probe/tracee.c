#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

#include "probe/clock.h"
#include "probe/tracee.h"

#define STOP_LIMIT_NS (250 * 1000 * 1000LL)

/* Waits for SIGCHLD, which is blocked, until a time. */
static void await_child(int64_t end)
{
	const int64_t left = end - clock_ns();
	const struct timespec timeout = {left / CLOCK_NS_PER_S, left % CLOCK_NS_PER_S};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	if (left > 0)
		sigtimedwait(&set, NULL, &timeout);
}

/* The state of the thread that interrupting it has led to. -1 with errno, ETIMEDOUT after 250 ms. */
static int await_stop(pid_t tid, int *status)
{
	const int64_t end = clock_ns() + STOP_LIMIT_NS;
	pid_t got;

	while ((got = waitpid(tid, status, __WALL | WNOHANG)) == 0) {
		if (clock_ns() >= end) {
			errno = ETIMEDOUT;
			return -1;
		}
		await_child(end);
	}
	return got == tid ? 0 : -1;
}

#if defined(__x86_64__)

static int read_thread_pointer(pid_t tid, uint64_t *thread_pointer)
{
	struct user_regs_struct registers = {0};
	struct iovec iov = {&registers, sizeof(registers)};

	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &iov) != 0)
		return -1;
	if (iov.iov_len < sizeof(registers)) {
		errno = EIO;
		return -1;
	}
	*thread_pointer = registers.fs_base;
	return 0;
}

#elif defined(__aarch64__)

static int read_thread_pointer(pid_t tid, uint64_t *thread_pointer)
{
	struct iovec iov = {thread_pointer, sizeof(*thread_pointer)};

	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_ARM_TLS, &iov) != 0)
		return -1;
	if (iov.iov_len < sizeof(*thread_pointer)) {
		errno = EIO;
		return -1;
	}
	return 0;
}

#endif

/* The signal that stopped the thread before the interruption did, which must reach it. */
static int signal_of(int status)
{
	return status >> 16 == PTRACE_EVENT_STOP ? 0 : WSTOPSIG(status);
}

static enum reading_error stop(pid_t tid, int *signal)
{
	int status = 0;

	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0)
		return READING_PTRACE_SEIZE;
	if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) != 0)
		return READING_PTRACE_INTERRUPT;
	if (await_stop(tid, &status) != 0)
		return READING_WAITPID;
	if (!WIFSTOPPED(status)) {
		errno = ESRCH;
		return READING_WAITPID;
	}
	*signal = signal_of(status);
	return READING_OK;
}

enum reading_error tracee_stop(pid_t tid, uint64_t *thread_pointer, int *signal, char *text, size_t size)
{
	enum reading_error error = stop(tid, signal);

	if (error == READING_OK && read_thread_pointer(tid, thread_pointer) != 0) {
		error = READING_GET_REGSET;
		snprintf(text, size, "thread %ld: get-regset: %s", (long)tid, strerror(errno));
		tracee_release(tid, *signal);
	} else if (error != READING_OK) {
		snprintf(text, size, "thread %ld: %s: %s%s", (long)tid, reading_error_name(error),
		    strerror(errno),
		    error == READING_PTRACE_SEIZE && errno == EPERM
			? "; it is traced already, has ended, or the right to trace it is missing "
			  "(CAP_SYS_PTRACE, kernel.yama.ptrace_scope)"
			: "");
	}
	return error;
}

void tracee_release(pid_t tid, int signal)
{
	ptrace(PTRACE_DETACH, tid, NULL, (void *)(intptr_t)signal);
}
