/* The user that the daemon changes to (--user). */
#ifndef DAEMON_ACCOUNT_H
#define DAEMON_ACCOUNT_H

#include <sys/types.h>

struct account {
	const char *name; /* as it was given, for messages; NULL: the user stays */
	uid_t uid;
	gid_t gid;
};

/* Fills in *account from a name in /etc/passwd, or from UID[:GID], which needs no file; without GID, it is
 * the number UID. The file itself is read: the name service switch would load shared libraries, also into a
 * static program. -1 with errno; EINVAL: there is no such user. name must outlive the account. */
int account_find(const char *name, struct account *account);

#endif
