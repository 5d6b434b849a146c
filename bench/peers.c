#include "config.h"

#include <stdio.h>
#include <string.h>

#include "bench/peer.h"

static const struct peer *const peers[] = {
    &peer_gate,
    &peer_futex,
    &peer_inotify,
    &peer_poll,
    &peer_inotifywait,
    &peer_send,
    &peer_s6,
    &peer_redis,
    &peer_memcached,
    &peer_monitor,
    &peer_never_wakes,
    &peer_dies,
    &peer_loses_one,
    &peer_lies,
};

#define PEERS ((int)(sizeof(peers) / sizeof(peers[0])))
/* For whatever else the user and the bench watch. */
#define INSTANCES_SPARE 28

const struct peer *peer_find(const char *name)
{
	for (int i = 0; i < PEERS; i++)
		if (strcmp(peers[i]->name, name) == 0)
			return peers[i];
	return NULL;
}

const struct peer *peer_default(int i)
{
	return i < PEERS && !peers[i]->unasked ? peers[i] : NULL;
}

const char *peer_why_not(const struct peer *peer, int waiters)
{
	static char why[160];
	long instances = read_number("/proc/sys/fs/inotify/max_user_instances");

	if (peer->most > 0 && waiters > peer->most)
		return peer->why_most;
	if (peer->watches && waiters > instances - INSTANCES_SPARE) {
		snprintf(
		    why, sizeof(why), "fs.inotify.max_user_instances is %ld; root can raise it", instances);
		return why;
	}
	if ((long)waiters * (1 + peer->processes) > processes_most()) {
		snprintf(why, sizeof(why), "it takes more than %ld processes", processes_most());
		return why;
	}
	return NULL;
}
