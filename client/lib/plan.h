/* What a waiter needs, from the states of its targets alone. */
#ifndef CLIENT_LIB_PLAN_H
#define CLIENT_LIB_PLAN_H

#include <stdbool.h>

#include "client/lib/target_set.h"
#include "readyd/readyd.h"

struct plan {
	bool ask;    /* the daemon, for those that have no subscription, or whether it remembers more */
	bool urgent; /* ... and that cannot wait */
	bool expect; /* the daemon is to say something about unconfirmed ones */
	bool trust;  /* the own look at the unconfirmed ones, since there is no daemon to ask */
	bool watch;  /* the directory */
	bool rest;   /* nothing is wanted of the daemon */
	bool close;  /* ... and the connection is not needed */
};

/* absent: no daemon can be asked for now. watching: the directory is watched already. */
struct plan plan_make(const struct target_set *set, enum readyd_backend backend, bool absent, bool watching);

#endif
