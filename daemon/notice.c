#include "config.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/notice.h"
#include "src/program.h"
#include "src/sock.h"
#include "src/vsock.h"

/* Between two attempts while something else than room is missing; each delay is twice the last one. */
#define RETRY_LEAST_MS 10
#define RETRY_MOST_MS  1000
/* For a connection to the host, where there is no event loop any more to wait for it. */
#define CONNECT_MS 100

static void attempt(struct notice *notice);

static void stop_waiting(struct notice *notice)
{
	loop_fd_free(notice->room);
	notice->room = NULL;
}

static void finish(struct notice *notice)
{
	stop_waiting(notice);
	loop_timer_free(notice->retry);
	notice->retry = NULL;
	if (notice->fd >= 0)
		program_close(notice->fd);
	notice->fd = -1;
	notice->to = NULL;
}

void notice_fini(struct notice *notice)
{
	if (notice->to != NULL)
		finish(notice);
}

static void on_room(int fd, void *context)
{
	(void)fd;
	stop_waiting(context);
	attempt(context);
}

static void on_retry(void *context)
{
	attempt(context);
}

static int open_vsock(struct notice *notice, int kind)
{
	struct vsock_address address;

	errno = EINVAL;
	if (vsock_parse(notice->to, &address) != 0)
		return -1;
	notice->kind = kind;
	notice->fd = vsock_connect(&address, kind);
	return notice->fd < 0 ? -1 : 0;
}

/* It connects in the background: EINPROGRESS. A receiver of streams refuses packets. */
static int connect_vsock(struct notice *notice)
{
	struct pollfd ready = {.fd = notice->fd, .events = POLLOUT};

	if (notice->loop == NULL)
		(void)poll(&ready, 1, CONNECT_MS);
	if (sock_connected(notice->fd) == 0)
		return 0;
	if (errno == EINPROGRESS || notice->kind == SOCK_STREAM)
		return -1;
	stop_waiting(notice);
	close(notice->fd);
	if (open_vsock(notice, SOCK_STREAM) != 0)
		return -1;
	return connect_vsock(notice);
}

/* Connected, since only then the socket becomes writable when there is room in the receiver's queue. */
static int open_socket(struct notice *notice)
{
	struct sockaddr_un addr;
	const socklen_t len = sock_address(&addr, notice->to);
	int fd, error;

	if (vsock_is_address(notice->to))
		return open_vsock(notice, SOCK_SEQPACKET) == 0 ? 0 : open_vsock(notice, SOCK_STREAM);
	if (len == 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&addr, len) == 0) {
		notice->fd = fd;
		return 0;
	}
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* An inherited descriptor may block, and others may use it, so it is polled instead of changed. */
static bool has_room(int fd)
{
	struct pollfd room = {.fd = fd, .events = POLLOUT};

	return poll(&room, 1, 0) != 0;
}

/* In a stream, a message has to end before the next one. */
static int send_text(const struct notice *notice)
{
	if (write(notice->fd, notice->text, strlen(notice->text)) < 0)
		return -1;
	return notice->kind == SOCK_STREAM && write(notice->fd, "\n", 1) < 0 ? -1 : 0;
}

static int send_now(struct notice *notice)
{
	if (notice->fd < 0 && open_socket(notice) != 0)
		return -1;
	if (notice->kind != 0 && connect_vsock(notice) != 0)
		return -1;
	if (has_room(notice->fd))
		return send_text(notice);
	errno = EAGAIN;
	return -1;
}

static bool may_pass(int error)
{
	return error == EAGAIN || error == EINTR || error == EMFILE || error == ENFILE || error == ENOBUFS ||
	       error == ENOMEM;
}

static void retry_later(struct notice *notice)
{
	if (notice->retry == NULL)
		notice->retry = loop_timer_new(notice->loop, on_retry, notice);
	notice->delay = notice->delay == 0 ? RETRY_LEAST_MS : 2 * notice->delay;
	if (notice->delay > RETRY_MOST_MS)
		notice->delay = RETRY_MOST_MS;
	loop_timer_start(notice->retry, notice->delay);
}

/* A notification is not worth the end of the daemon where no epoll watch is left. */
static void wait_for_room(struct notice *notice)
{
	notice->room = loop_fd_new(notice->loop, notice->fd, LOOP_WRITE, on_room, notice);
	if (loop_fd_try_start(notice->room) == 0)
		return;
	stop_waiting(notice);
	retry_later(notice);
}

static void postpone(struct notice *notice, int error)
{
	if (!notice->is_delayed)
		log_warning("notification of %s is delayed: %s; trying again", notice->to, strerror(error));
	notice->is_delayed = true;
	if (error == EAGAIN)
		wait_for_room(notice);
	else
		retry_later(notice);
}

/* The datagrams of one socket arrive in their order. */
static int send_all(struct notice *notice)
{
	while (send_now(notice) == 0) {
		if (notice->next == NULL)
			return 0;
		notice->text = notice->next;
		notice->next = NULL;
	}
	return -1;
}

static void attempt(struct notice *notice)
{
	if (send_all(notice) == 0) {
		if (notice->is_delayed)
			log_info("notified %s", notice->to);
		finish(notice);
	} else if (notice->loop != NULL && errno == EINPROGRESS) {
		wait_for_room(notice);
	} else if (notice->loop != NULL && may_pass(errno)) {
		postpone(notice, errno);
	} else {
		log_warning("cannot notify %s: %s", notice->to, strerror(errno));
		finish(notice);
	}
}

void notice_send(struct notice *notice, struct loop *loop, const char *text, const char *address)
{
	notice_send_both(notice, loop, text, NULL, address);
}

void notice_send_both(
    struct notice *notice, struct loop *loop, const char *text, const char *next, const char *address)
{
	*notice = (struct notice){.loop = loop, .text = text, .next = next, .to = address, .fd = -1};
	attempt(notice);
}

void notice_write(struct notice *notice, struct loop *loop, const char *text, int fd, const char *to)
{
	*notice = (struct notice){.loop = loop, .text = text, .to = to, .fd = fd};
	attempt(notice);
}
