#include "config.h"

#include "daemon/secrecy.h"
#include "src/uidmap.h"

struct owner secrecy_owner(const struct process *p)
{
	return (struct owner){.is_known = p->uids_known, .real = p->uids[0], .effective = p->uids[1]};
}

bool secrecy_may_know(const struct asker *asker, const struct owner *owner, uid_t own)
{
	if (asker->is_trusted)
		return true;
	if (!uidmap_identifies(asker->uid))
		return false;
	if (asker->uid == 0 || asker->uid == own)
		return true;
	return owner->is_known && (asker->uid == owner->real || asker->uid == owner->effective);
}

void secrecy_strip_status(struct readyd_answer *answer)
{
	if (answer->wait_status < 0)
		return;
	answer->wait_status = -1;
	answer->flags |= READYD_FLAG_STATUS_HIDDEN;
}

void secrecy_strip(struct readyd_answer *answer)
{
	if (answer->start == 0 && answer->wait_status < 0)
		return;
	answer->start = 0;
	answer->wait_status = -1;
	answer->flags |= READYD_FLAG_STATUS_HIDDEN;
}
