#include "config.h"

#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/rights.h"

/* A set of capabilities is two words of 32 bits (capget(2)). */
typedef struct __user_cap_data_struct words[_LINUX_CAPABILITY_U32S_3];

static int get(words caps)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

	return (int)syscall(SYS_capget, &header, caps);
}

static int set(words caps)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

	return (int)syscall(SYS_capset, &header, caps);
}

/* Fails with EPERM without CAP_SETPCAP, and with EINVAL beyond the last capability. */
static void empty_bounding_set(void)
{
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

static int change_group(gid_t gid)
{
	return setresgid(gid, gid, gid);
}

static int change_user(const struct account *account)
{
	const bool has_other = account->group != NULL;

	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || setgroups(has_other ? 1 : 0, &account->gid) != 0 ||
	    change_group(has_other ? *account->group : account->gid) != 0 ||
	    setresuid(account->uid, account->uid, account->uid) != 0)
		return -1;
	return prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
}

static int keep_only(uint64_t keep)
{
	words caps;

	if (get(caps) != 0)
		return -1;
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		caps[i].permitted &= (uint32_t)(keep >> 32 * i);
		caps[i].effective = caps[i].permitted;
		caps[i].inheritable = 0;
	}
	return set(caps);
}

int rights_reduce(uint64_t keep, const struct account *account)
{
	/* Only kernels before Linux 3.5 do not know it. */
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	empty_bounding_set();
	if (account->name != NULL && change_user(account) != 0)
		return -1;
	if (account->name == NULL && account->group != NULL && change_group(*account->group) != 0)
		return -1;
	return keep_only(keep);
}

static uint64_t effective(void)
{
	words caps = {{0}};

	(void)get(caps);
	return (uint64_t)caps[1].effective << 32 | caps[0].effective;
}

const char *rights_words(char *buf, size_t size)
{
	const uint64_t rights = effective();

	if (rights == 0)
		snprintf(buf, size, "none");
	else if (rights == RIGHTS_OF_LOOP)
		snprintf(buf, size, "sys_ptrace");
	else
		snprintf(buf, size, "0x%llx", (unsigned long long)rights);
	return buf;
}
