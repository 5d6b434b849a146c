#include "config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "daemon/acceptor.h"
#include "daemon/log.h"
#include "daemon/vsock_listener.h"
#include "daemon/xalloc.h"
#include "src/vsock.h"

struct vsock_listener {
	const struct vsock_listener_config *config;
	void (*on_accepted)(int fd, uint32_t cid, void *context);
	void *context;
	struct acceptor acceptor;
	int fd;
	bool has_refused; /* to log it only once */
};

static bool may_connect(const struct vsock_listener_config *config, uint32_t cid)
{
	for (size_t i = 0; i < config->cid_count; i++)
		if (config->cids[i] == cid)
			return true;
	return config->cid_count == 0;
}

static void on_client(int client, void *context)
{
	struct vsock_listener *listener = context;
	const uint32_t cid = vsock_peer(client);

	if (may_connect(listener->config, cid)) {
		listener->on_accepted(client, cid, listener->context);
		return;
	}
	if (!listener->has_refused)
		log_warning("refusing a client of CID %lu, and others that --vsock-cid does not name",
		    (unsigned long)cid);
	listener->has_refused = true;
	close(client);
}

static int start(struct vsock_listener *listener)
{
	const unsigned long port = listener->config->port;

	listener->fd = vsock_listen(listener->config->port);
	if (listener->fd >= 0) {
		acceptor_start(&listener->acceptor, listener->fd);
		return 0;
	}
	if (errno == EADDRINUSE)
		log_error("another process listens at vsock:%lu; stop it, or choose another port", port);
	else if (errno == EACCES)
		log_error("cannot listen at vsock:%lu: %s; a port below 1024 requires CAP_NET_BIND_SERVICE",
		    port, strerror(errno));
	else
		log_error("cannot listen at vsock:%lu: %s; does the kernel have vsock (module vsock)?", port,
		    strerror(errno));
	return -1;
}

struct vsock_listener *vsock_listener_new(struct loop *loop, const struct vsock_listener_config *config,
    void (*on_accepted)(int fd, uint32_t cid, void *context), void *context)
{
	struct vsock_listener *listener = xalloc_new(sizeof(*listener));

	*listener = (struct vsock_listener){
	    .config = config, .on_accepted = on_accepted, .context = context, .fd = -1};
	acceptor_init(&listener->acceptor, loop, on_client, listener);
	if (start(listener) == 0)
		return listener;
	vsock_listener_free(listener);
	return NULL;
}

void vsock_listener_free(struct vsock_listener *listener)
{
	if (listener == NULL)
		return;
	acceptor_fini(&listener->acceptor);
	if (listener->fd >= 0)
		close(listener->fd);
	xalloc_free(listener);
}
