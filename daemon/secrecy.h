/*
 * What an asker may learn of a process where /proc is mounted with hidepid (proc(5)): the daemon reads what
 * the asker cannot, and start and exit status are for those that /proc would show them to. Only the verdict
 * is for all.
 */
#ifndef DAEMON_SECRECY_H
#define DAEMON_SECRECY_H

#include <stdbool.h>
#include <sys/types.h>

#include "readyd/readyd.h"
#include "src/process.h"

/* The users that a process belongs to. */
struct owner {
	bool is_known;
	uid_t real, effective; /* when it was opened */
};

struct owner secrecy_owner(const struct process *p);

struct asker {
	uid_t uid;
	bool is_trusted; /* a member of the group of --trusted-group */
};

/* Whether the asker may know start and exit status of an owner's process. own is the daemon's user. */
bool secrecy_may_know(const struct asker *asker, const struct owner *owner, uid_t own);

/* Takes the exit status out of an answer to a client of another kernel. */
void secrecy_strip_status(struct readyd_answer *answer);
/* Takes start and exit status out of the answer. One without either stays as it is. */
void secrecy_strip(struct readyd_answer *answer);

#endif
