#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/loop.h"
#include "daemon/memory.h"
#include "daemon/session.h"
#include "src/sock.h"
#include "src/wire.h"

static void on_read(evutil_socket_t fd, short what, void *arg);
static void on_write(evutil_socket_t fd, short what, void *arg);
static void on_again(evutil_socket_t fd, short what, void *arg);

void session_pool_init(struct session_pool *pool, struct event_base *base, const struct session_hooks *hooks,
    void *context, size_t unsent_limit)
{
	memset(pool, 0, sizeof(*pool));
	pool->base = base;
	pool->hooks = *hooks;
	pool->context = context;
	pool->unsent_limit = unsent_limit;
	TAILQ_INIT(&pool->all);
}

static void session_free(struct session *session)
{
	struct session_pool *pool = session->pool;

	pool->hooks.closing(session, pool->context);
	TAILQ_REMOVE(&pool->all, session, link);
	pool->count--;
	event_free(session->read);
	if (session->write != NULL)
		event_free(session->write);
	if (session->again != NULL)
		event_free(session->again);
	close(session->fd);
	memory_free(session->tail);
	memory_free(session->unsent);
	memory_free(session);
}

void session_pool_fini(struct session_pool *pool)
{
	while (!TAILQ_EMPTY(&pool->all))
		session_free(TAILQ_FIRST(&pool->all));
}

/* One client too many for the kernel (fs.epoll.max_user_watches) is no reason to stop for all. */
static void read_on(struct session *session)
{
	if (event_add(session->read, NULL) != 0)
		session_end(session);
}

struct session *session_new(struct session_pool *pool, int fd)
{
	struct session *session = memory_alloc(sizeof(*session));

	session->pool = pool;
	session->fd = fd;
	LIST_INIT(&session->waits);
	session->read = event_new(pool->base, fd, EV_READ | EV_PERSIST, on_read, session);
	read_on(session);
	TAILQ_INSERT_TAIL(&pool->all, session, link);
	pool->count++;
	return session;
}

static void flush(struct session_pool *pool);

/* Not at once: whoever is telling many sessions something must not find one of them freed. */
void session_end(struct session *session)
{
	if (session == session->pool->current)
		flush(session->pool);
	session->doomed = true;
	event_active(session->read, EV_READ, 0);
}

/* With output stuck, no more is read from the client until it reads. */
static void hold_back(struct session *session, const char *data, size_t len)
{
	session->unsent = memory_resize(session->unsent, session->unsent_len + len);
	memcpy(session->unsent + session->unsent_len, data, len);
	session->unsent_len += len;
	if (session->write == NULL)
		session->write =
		    event_new(session->pool->base, session->fd, EV_WRITE | EV_PERSIST, on_write, session);
	loop_add(session->write, NULL);
	event_del(session->read);
}

/* What the socket does not take now is held back. */
static void send_or_hold(struct session *session, const char *data, size_t len)
{
	ssize_t n = 0;

	if (session->doomed || len == 0)
		return;
	if (session->unsent_len == 0)
		n = send(session->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		session_end(session);
		return;
	}
	if (n < 0)
		n = 0;
	if ((size_t)n < len)
		hold_back(session, data + n, len - (size_t)n);
}

static void flush(struct session_pool *pool)
{
	size_t len = pool->out_len;

	pool->out_len = 0;
	send_or_hold(pool->current, pool->out, len);
}

/* Only what comes unasked can pile up: while an answer is stuck, no more requests are taken. */
static void drop_if_slow(struct session *session)
{
	if (session->unsent_len <= session->pool->unsent_limit || session->doomed)
		return;
	session->pool->dropped++;
	session_end(session);
}

void session_put(struct session *session, const char *data, size_t len)
{
	struct session_pool *pool = session->pool;

	if (session != pool->current) {
		send_or_hold(session, data, len);
		drop_if_slow(session);
	} else {
		if (len > sizeof(pool->out) - pool->out_len)
			flush(pool);
		memcpy(pool->out + pool->out_len, data, len);
		pool->out_len += len;
	}
	/* Perhaps this was the last that the client was staying for. */
	if (session->eof)
		event_active(session->read, EV_READ, 0);
}

int session_put_fd(struct session *session, const char *data, size_t len, int fd)
{
	if (session == session->pool->current)
		flush(session->pool);
	/* A line this short is taken whole or not at all. */
	if (session->doomed || session->unsent_len > 0)
		return -1;
	return sock_send_fd(session->fd, data, len, fd) == (ssize_t)len ? 0 : -1;
}

static void keep_tail(struct session *session, const char *data, size_t len)
{
	/* data may lie in the old tail. */
	char *tail = len > 0 ? memcpy(memory_alloc(len), data, len) : NULL;

	memory_free(session->tail);
	session->tail = tail;
	session->tail_len = len;
}

static bool is_stuck(const struct session *session)
{
	return session->doomed || session->unsent_len > 0;
}

/* Also when the line is too long to be one. */
static bool has_line(const char *data, size_t len)
{
	return len >= WIRE_REQUEST_MAX || (len > 0 && wire_line(data, len) > 0);
}

static size_t handle_line(struct session *session, const char *data, size_t len)
{
	struct session_pool *pool = session->pool;
	size_t line = wire_line(data, len);
	bool too_long = line == 0 || line > WIRE_REQUEST_MAX;

	pool->hooks.line(session, data, too_long ? 0 : line, pool->context);
	if (too_long)
		session_end(session);
	return line;
}

/* At most so many as one turn has. */
static size_t handle_lines(struct session *session, const char *data, size_t len)
{
	size_t at = 0;

	for (unsigned n = 0;
	     n < SESSION_TURN && session->list == NULL && !is_stuck(session) && has_line(data + at, len - at);
	     n++)
		at += handle_line(session, data + at, len - at);
	return at;
}

/* What comes next: what is here already has its next turn, or more is read. Stuck output goes first. */
static void go_on(struct session *session)
{
	if (is_stuck(session))
		return;
	if (session->list == NULL && !has_line(session->tail, session->tail_len)) {
		read_on(session);
		return;
	}
	event_del(session->read);
	if (session->again == NULL)
		session->again = evtimer_new(session->pool->base, on_again, session);
	loop_soon(session->again);
}

static void take_turn(struct session *session, const char *data, size_t len)
{
	struct session_pool *pool = session->pool;
	size_t at;

	pool->current = session;
	pool->batch++;
	if (session->list != NULL) {
		pool->hooks.resume(session, pool->context);
	} else {
		at = handle_lines(session, data, len);
		keep_tail(session, data + at, len - at);
	}
	flush(pool);
	pool->current = NULL;
	go_on(session);
}

/*
 * The client has closed its sending half. Edge-triggered from now on, since end of file stays readable
 * for ever; the next edge is the client's closing the other half.
 */
static void take_eof(struct session *session)
{
	if (session->eof)
		return;
	session->eof = true;
	event_free(session->read);
	session->read =
	    event_new(session->pool->base, session->fd, EV_READ | EV_ET | EV_PERSIST, on_read, session);
	loop_add(session->read, NULL);
}

static bool hung_up(const struct session *session)
{
	struct pollfd poll_fd = {.fd = session->fd, .events = 0};

	return poll(&poll_fd, 1, 0) > 0;
}

static bool finished(const struct session *session)
{
	if (session->doomed)
		return true;
	return session->eof && (hung_up(session) || (session->wait_count == 0 && session->unsent_len == 0));
}

static void on_read(evutil_socket_t fd, short what, void *arg)
{
	struct session *session = arg;
	struct session_pool *pool = session->pool;
	size_t len = session->tail_len;
	ssize_t n;

	(void)what;
	if (session->doomed) {
		session_free(session);
		return;
	}
	if (len > 0)
		memcpy(pool->in, session->tail, len);
	n = recv((int)fd, pool->in + len, sizeof(pool->in) - len, MSG_DONTWAIT);
	if (n > 0)
		take_turn(session, pool->in, len + (size_t)n);
	else if (n == 0)
		take_eof(session);
	else if (errno != EAGAIN && errno != EINTR)
		session->doomed = true;
	if (finished(session))
		session_free(session);
}

static void on_write(evutil_socket_t fd, short what, void *arg)
{
	struct session *session = arg;
	ssize_t n = send((int)fd, session->unsent, session->unsent_len, MSG_DONTWAIT | MSG_NOSIGNAL);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 || session->doomed) {
		session_free(session);
		return;
	}
	session->unsent_len -= (size_t)n;
	memmove(session->unsent, session->unsent + n, session->unsent_len);
	if (session->unsent_len > 0)
		return;
	memory_free(session->unsent);
	session->unsent = NULL;
	event_del(session->write);
	go_on(session);
	if (finished(session))
		session_free(session);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	struct session *session = arg;

	(void)fd;
	(void)what;
	/* A verdict that was pushed meanwhile may have filled the output. */
	if (!is_stuck(session))
		take_turn(session, session->tail, session->tail_len);
	if (finished(session))
		session_free(session);
}
