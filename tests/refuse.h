/* System calls that fail in this process and its children from now on, by a seccomp filter: for errors that
 * no test can cause otherwise. */
#ifndef TESTS_REFUSE_H
#define TESTS_REFUSE_H

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The lower half of an argument. */
static inline unsigned refuse_offset(unsigned argument)
{
	const union {
		unsigned number;
		char byte;
	} order = {1};

	return (unsigned)(offsetof(struct seccomp_data, args) + argument * sizeof(__u64)) +
	       (order.byte == 1 ? 0 : (unsigned)sizeof(__u32));
}

/* Only calls with these bits of the mask in the argument. -1 and errno where filters are not permitted. */
static inline int refuse_where(long number, unsigned argument, unsigned mask, unsigned bits, int error)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 4),
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, refuse_offset(argument)),
	    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, bits, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static inline int refuse(long number, int error)
{
	return refuse_where(number, 0, 0, 0, error);
}

/* Whether filters are permitted here; qemu-user has none. Where all calls for sockets are one, they cannot be
 * told apart. */
static inline bool unit_can_refuse(void)
{
#ifdef SYS_socketcall
	return false;
#else
	const pid_t child = fork();
	int status = 1;

	if (child == 0)
		_exit(refuse(SYS_getsid, EPERM) == 0 && getsid(0) == -1 ? 0 : 1);
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
#endif
}

#endif
