/* The settings of a call: the caller's options take precedence over the environment, and that over the
 * defaults.
 */
#ifndef CLIENT_SETTINGS_H
#define CLIENT_SETTINGS_H

#include <stdbool.h>
#include <sys/un.h>

#include "readyd/readyd.h"
#include "src/marker.h"
#include "src/vsock.h"
#include "src/wire.h"

struct settings {
	char socket[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* a path or "@name" ... */
	bool is_vsock;						  /* ... unless it is this one */
	struct vsock_address vsock;
	struct marker_place place;
	bool place_given; /* else the daemon's is used */
	enum readyd_backend backend;
	uid_t trust_uid;  /* READYD_TRUST_UID: its daemon is believed, too; TRUST_NO_UID: not set */
	bool await_start; /* READYD_OPTION_AWAIT_START */
	bool fail_stale;  /* READYD_OPTION_FAIL_STALE */
	bool strict_age;  /* READYD_OPTION_STRICT_AGE */
	bool await_end;	  /* READYD_OPTION_AWAIT_END; the daemon is remote */
};

/* options may be NULL. -1: EINVAL or ENAMETOOLONG. */
int settings_init(struct settings *settings, const struct readyd_options *options);

/* The daemon is that of another kernel: its answers alone count. */
static inline bool settings_is_remote(const struct settings *settings)
{
	return settings->backend == READYD_BACKEND_REMOTE;
}

/* The source of an answer that the daemon gives. */
static inline enum readyd_backend settings_daemon(const struct settings *settings)
{
	return settings_is_remote(settings) ? READYD_BACKEND_REMOTE : READYD_BACKEND_DAEMON;
}

/* Whether the daemon that sent this greeting means the same directory and the same pids. Adopts its place if
 * none was given. */
bool settings_agree(struct settings *settings, const struct wire_hello *hello);

#endif
