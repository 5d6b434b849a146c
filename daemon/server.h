/* The server: creates the modules, connects them to one event loop, and runs it. It makes no decisions
 * itself. */
#ifndef DAEMON_SERVER_H
#define DAEMON_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/account.h"
#include "daemon/vsock_listener.h"
#include "src/marker.h"

struct server_config {
	struct marker_place place;
	const char *socket;
	mode_t socket_mode;
	struct account account; /* to run as; its group is socket_group, if there is one */
	gid_t socket_group;
	bool has_trusted_group; /* that may know what hidepid hides */
	gid_t trusted_group;
	int ready_fd;  /* -1: none */
	int inherited; /* listening socket from a supervisor, -1: none */
	int spawner;   /* starts scouts, see daemon/scout.h; -1: none */
	pid_t spawner_pid;
	struct vsock_listener_config vsock;
	const char *stream; /* to another kernel; NULL: none */
	size_t max_clients;
	size_t max_waits; /* for each client */
};

/* Serves until SIGTERM or SIGINT. 0, or -1 after the reason is logged. */
int server_run(const struct server_config *config);

#endif
