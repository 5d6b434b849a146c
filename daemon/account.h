/* The user that the daemon changes to (--user), its group (--socket-group), and the group that it trusts
 * (--trusted-group). */
#ifndef DAEMON_ACCOUNT_H
#define DAEMON_ACCOUNT_H

#include <stdbool.h>
#include <sys/types.h>

struct account {
	const char *name; /* as it was given, for messages; NULL: the user stays */
	uid_t uid;
	gid_t gid;
	/* The group of what the process creates, also where the user stays; NULL: gid. */
	const gid_t *group;
};

/* Fills in *account from a name in /etc/passwd, or from UID[:GID], which needs no file; without GID, it is
 * the number UID. The file itself is read: the name service switch would load shared libraries, also into a
 * static program. -1 with errno; EINVAL: there is no such user. name must outlive the account. */
int account_find(const char *name, struct account *account);

/* The same for the number of a group, from a name in /etc/group or a number. 65534 is none: it stands for
 * all groups that the user namespace does not map. */
int account_find_group(const char *name, gid_t *gid);

/* Whether the peer of a unix socket was a member when it connected. */
bool account_peer_has_group(int sock, gid_t gid);

#endif
