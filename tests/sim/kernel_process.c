/* What a program asks the kernel about itself and the clocks. */
#include "config.h"

#include "tests/sim/kernel_private.h"
#include "tests/sim/syscalls.h"

int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	*t = kernel_timespec(world.now + (id == CLOCK_REALTIME ? world.offset : 0));
	return 0;
}

long __wrap_sysconf(int name)
{
	return name == _SC_CLK_TCK ? 100 : world.current->limit;
}

int __wrap_getrlimit(__rlimit_resource_t resource, struct rlimit *limit)
{
	(void)resource;
	limit->rlim_cur = limit->rlim_max = world.current->limit;
	return 0;
}

pid_t __wrap_getpid(void)
{
	return world.current == NULL ? __real_getpid() : world.current->pid;
}

uid_t __wrap_geteuid(void)
{
	return world.current->uid;
}

ssize_t __wrap_getrandom(void *buffer, size_t size, unsigned flags)
{
	uint64_t random = dice();

	(void)flags;
	memcpy(buffer, &random, size);
	return (ssize_t)size;
}

int __wrap_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	(void)how;
	(void)set;
	(void)old;
	return 0;
}
