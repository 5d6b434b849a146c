/* Whether a uid identifies the owner of a file or process, in our user namespace (user_namespaces(7)). */
#ifndef SRC_UIDMAP_H
#define SRC_UIDMAP_H

#include <stdbool.h>
#include <sys/types.h>

/* The kernel shows all users that our user namespace does not map by this number, which may also be a real
 * user's. The number itself can be changed (/proc/sys/kernel/overflowuid), which is not done in practice. */
#define UIDMAP_OVERFLOW 65534

/* False if the uid may stand for any of several users. No system call for other numbers than UIDMAP_OVERFLOW.
 */
bool uidmap_identifies(uid_t uid);

/* Whether a namespace with this map (the text of /proc/PID/uid_map) shows each user by a number of its own.
 */
bool uidmap_is_complete(const char *map);

#endif
