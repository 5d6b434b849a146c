/* Derives what a waiter needs from the states of its targets. */
#ifndef CLIENT_LIB_PLAN_H
#define CLIENT_LIB_PLAN_H

#include <stdbool.h>

#include "client/lib/target_set.h"
#include "readyd/readyd.h"

struct plan {
	bool ask;    /* send requests: for targets without a subscription, and about unconfirmed ones */
	bool urgent; /* do so even if the daemon was not available a moment ago */
	bool expect; /* an answer of the daemon about unconfirmed targets is due */
	bool trust;  /* the own check of unconfirmed targets, since there is no daemon to ask */
	bool watch;  /* watch the directory */
	bool rest;   /* nothing is needed from the daemon */
	bool close;  /* ... and the connection is not needed */
};

/* absent: no daemon is available for now. watching: the directory is being watched already. */
struct plan plan_make(const struct target_set *set, enum readyd_backend backend, bool absent, bool watching);

#endif
