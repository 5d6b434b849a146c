/*
 * What a process of the daemon may do: as little as its work takes.
 *
 * The loop keeps CAP_SYS_PTRACE where it has it. It reads the names of namespace and root of every process
 * that it is asked about, of which the kernel lets it read those of other users, and of other programs of
 * root, only with this right (PTRACE_MODE_READ in ptrace(2)). Without it, each of them would be unreachable,
 * or seem to have our root. No look of the loop leads below another root, so it does not need
 * CAP_DAC_READ_SEARCH: its sockets, its lock and the marker directory are what the permissions of its user
 * reach.
 *
 * A scout looks below other roots, through directories that may be closed to all but their user: it needs
 * both.
 */
#ifndef DAEMON_RIGHTS_H
#define DAEMON_RIGHTS_H

#include <linux/capability.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/account.h"

#define RIGHTS_BIT(capability) (UINT64_C(1) << (capability))
#define RIGHTS_OF_LOOP	       RIGHTS_BIT(CAP_SYS_PTRACE)
#define RIGHTS_OF_SCOUTS       (RIGHTS_BIT(CAP_SYS_PTRACE) | RIGHTS_BIT(CAP_DAC_READ_SEARCH))

/* Changes to the account, unless its name is NULL, without any other groups than its own, and to the
 * account's group, which the user then has beside it. Gives up all
 * capabilities but those of `keep` for good: no program that it runs gets more (no_new_privs), and the
 * bounding set is emptied where that is permitted. Call it before there are threads. -1 with errno: the user
 * is unchanged, or some right could not be given up. */
int rights_reduce(uint64_t keep, const struct account *account);

/* The effective capabilities: "none", "sys_ptrace", or the set in hexadecimal. Returns buf. */
const char *rights_words(char *buf, size_t size);

#endif
