#include "config.h"

#include "client/lib/waiter.h"
#include "src/hot.h"

HOT int waiter_poll_conn(struct readyd_waiter *w)
{
	uint32_t bits = POLLIN | (daemon_io_wants_write(&w->conn.io) ? POLLOUT : 0);
	uint64_t tag = waiter_tag(SOURCE_CONN, 0);

	if (w->conn_fd != w->conn.io.fd) {
		if (w->conn_fd >= 0)
			poller_forget(&w->poller, w->conn_fd);
		w->conn_fd = w->conn.io.fd;
		w->conn_bits = bits;
		return w->conn_fd < 0 ? 0 : poller_add(&w->poller, w->conn_fd, bits, tag);
	}
	if (w->conn_fd >= 0 && bits != w->conn_bits) {
		w->conn_bits = bits;
		poller_change(&w->poller, w->conn_fd, bits, tag);
	}
	return 0;
}
