#include "config.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/sandbox.h"

static bool is_on;

const char *sandbox_word(void)
{
	return is_on ? "on" : "off";
}

#if defined(WITHOUT_SANDBOX)

/* Only in builds for tests. The leak checker traces the process; gcc's counters are written by what the
 * compiler adds. */
const char *sandbox_start(void)
{
	return NULL;
}

#elif !defined(__x86_64__) && !defined(__aarch64__)

const char *sandbox_start(void)
{
	return "no list of system calls for this architecture";
}

#else

#ifdef __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#else
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

/* Linux 6.17. The calls of the x32 interface have numbers above it. */
#define NEWEST 469

/* Newer than the headers of some systems that this is built on; the same numbers on all architectures. */
enum {
	NR_IO_URING_SETUP = 425,
	NR_IO_URING_ENTER,
	NR_IO_URING_REGISTER,
	NR_OPEN_TREE,
	NR_MOVE_MOUNT,
	NR_FSOPEN,
	NR_FSCONFIG,
	NR_FSMOUNT,
	NR_FSPICK,
	NR_PIDFD_GETFD = 438,
	NR_MOUNT_SETATTR = 442,
	NR_QUOTACTL_FD,
	NR_FCHMODAT2 = 452,
	NR_SETXATTRAT = 463,
	NR_REMOVEXATTRAT = 466,
	NR_OPEN_TREE_ATTR,
	NR_FILE_SETATTR = 469
};

static const uint16_t forbidden[] = {
    /* other programs, and the memory and descriptors of other processes */
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    NR_PIDFD_GETFD,
    /* other rights */
    SYS_setuid,
    SYS_setgid,
    SYS_setreuid,
    SYS_setregid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setgroups,
    SYS_setfsuid,
    SYS_setfsgid,
    SYS_capset,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    /* namespaces and mounts */
    SYS_unshare,
    SYS_setns,
    SYS_chroot,
    SYS_pivot_root,
    SYS_mount,
    SYS_umount2,
    SYS_swapon,
    SYS_swapoff,
    NR_OPEN_TREE,
    NR_OPEN_TREE_ATTR,
    NR_MOVE_MOUNT,
    NR_FSOPEN,
    NR_FSCONFIG,
    NR_FSMOUNT,
    NR_FSPICK,
    NR_MOUNT_SETATTR,
    /* owner and mode of files: the daemon sets the umask instead */
    SYS_fchmod,
    SYS_fchmodat,
    NR_FCHMODAT2,
    SYS_fchown,
    SYS_fchownat,
    SYS_setxattr,
    SYS_lsetxattr,
    SYS_fsetxattr,
    SYS_removexattr,
    SYS_lremovexattr,
    SYS_fremovexattr,
    NR_SETXATTRAT,
    NR_REMOVEXATTRAT,
    NR_FILE_SETATTR,
    SYS_mknodat,
    SYS_open_by_handle_at,
    SYS_quotactl,
    NR_QUOTACTL_FD,
    /* the kernel */
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_syslog,
    SYS_acct,
    NR_IO_URING_SETUP,
    NR_IO_URING_ENTER,
    NR_IO_URING_REGISTER,
    /* the machine's clock and names */
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_sethostname,
    SYS_setdomainname,
#ifdef SYS_kexec_file_load
    SYS_kexec_file_load,
#endif
#ifdef __x86_64__
    SYS_chmod,
    SYS_chown,
    SYS_lchown,
    SYS_mknod,
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
#endif
};
#define FORBIDDEN (sizeof(forbidden) / sizeof(forbidden[0]))

#define LOAD(member)                                                                                         \
	(struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define RETURN(action) (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, (action))
/* The instruction after it is skipped unless the comparison holds. */
#define UNLESS_SKIP(operator, value)                                                                         \
	(struct sock_filter) BPF_JUMP(BPF_JMP | (operator) | BPF_K, (value), 0, 1)

/* Numbers mean other calls in another architecture, as in that of 32-bit programs. */
static unsigned short compile(struct sock_filter *code)
{
	const struct sock_filter *first = code;

	*code++ = LOAD(arch);
	*code++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
	*code++ = RETURN(SECCOMP_RET_KILL_PROCESS);
	*code++ = LOAD(nr);
	*code++ = UNLESS_SKIP(BPF_JGT, NEWEST);
	*code++ = RETURN(SECCOMP_RET_ERRNO | ENOSYS);
	for (size_t i = 0; i < FORBIDDEN; i++) {
		*code++ = UNLESS_SKIP(BPF_JEQ, forbidden[i]);
		*code++ = RETURN(SECCOMP_RET_KILL_PROCESS);
	}
	*code++ = RETURN(SECCOMP_RET_ALLOW);
	return (unsigned short)(code - first);
}

/* Before Linux 5.16, a filter also slows down loads of the whole process as a protection from Spectre, which
 * is for programs that run foreign code. Kernels before 4.17 do not know the flag. */
static int install(const struct sock_fprog *program)
{
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, program) == 0)
		return 0;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0);
}

const char *sandbox_start(void)
{
	struct sock_filter code[7 + 2 * FORBIDDEN];
	const struct sock_fprog program = {.len = compile(code), .filter = code};

	is_on = install(&program) == 0;
	return is_on ? NULL : strerror(errno);
}

#endif
