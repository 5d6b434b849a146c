#include "config.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/loop.h"
#include "daemon/xalloc.h"
#include "daemon/connection.h"
#include "daemon/discard.h"
#include "daemon/quota.h"
#include "src/sock.h"
#include "src/wire.h"

static void on_read(int fd, void *context);
static void on_write(int fd, void *context);
static void on_turn(void *context);

void connection_pool_init(struct connection_pool *pool, struct loop *loop,
    const struct connection_hooks *hooks, void *context, struct quota *quota, size_t output_limit)
{
	memset(pool, 0, sizeof(*pool));
	pool->loop = loop;
	pool->hooks = *hooks;
	pool->context = context;
	pool->quota = quota;
	pool->output_limit = output_limit;
	turns_init(&pool->turns);
	pool->turn = loop_timer_new(loop, on_turn, pool);
	TAILQ_INIT(&pool->all);
}

static void close_socket(const struct connection *connection)
{
	if (connection->refuses_fds)
		close(connection->fd);
	else if (connection->pool->ending)
		(void)shutdown(connection->fd, SHUT_RDWR);
	else
		discard_unread(connection->pool->loop, connection->fd);
}

static void connection_free(struct connection *connection)
{
	struct connection_pool *pool = connection->pool;

	pool->hooks.on_close(connection, pool->context);
	turns_cancel(&pool->turns, &connection->turn);
	TAILQ_REMOVE(&pool->all, connection, link);
	pool->count--;
	loop_fd_free(connection->read);
	loop_fd_free(connection->write);
	close_socket(connection);
	quota_release(pool->quota, connection->user, QUOTA_OUTPUT, connection->output_len);
	quota_release(pool->quota, connection->user, QUOTA_CONNECTIONS, 1);
	xalloc_free(connection->input);
	xalloc_free(connection->output);
	xalloc_free(connection);
}

void connection_pool_fini(struct connection_pool *pool)
{
	pool->ending = true;
	while (!TAILQ_EMPTY(&pool->all))
		connection_free(TAILQ_FIRST(&pool->all));
	loop_timer_free(pool->turn);
	pool->turn = NULL;
}

/* Failure to register one client (fs.epoll.max_user_watches) must not stop the daemon. */
static void read_on(struct connection *connection)
{
	if (loop_fd_try_start(connection->read) != 0)
		connection_end(connection);
}

static struct quota_user *charge(struct quota *quota, uid_t uid)
{
	struct quota_user *user = quota_enter(quota, uid);
	bool charged = quota_charge(quota, user, QUOTA_CONNECTIONS, 1);

	quota_leave(quota, user);
	return charged ? user : NULL;
}

struct connection *connection_new(struct connection_pool *pool, int fd, uid_t uid)
{
	struct quota_user *user = charge(pool->quota, uid);
	struct connection *connection;

	if (user == NULL)
		return NULL;
	connection = xalloc_new(sizeof(*connection));
	connection->pool = pool;
	connection->user = user;
	connection->fd = fd;
	connection->refuses_fds = sock_refuses_fds(fd);
	TAILQ_INIT(&connection->waits);
	connection->read = loop_fd_new(pool->loop, fd, LOOP_READ, on_read, connection);
	read_on(connection);
	TAILQ_INSERT_TAIL(&pool->all, connection, link);
	pool->count++;
	return connection;
}

unsigned connection_budget(const struct connection *connection)
{
	return turns_budget(&connection->user->turns, loop_pass_number(connection->pool->loop));
}

void connection_spend(const struct connection *connection, unsigned cost)
{
	turns_spend(&connection->user->turns, cost);
}

static void flush(struct connection_pool *pool);

/* Not freed at once: the caller may be iterating over the connections. */
void connection_end(struct connection *connection)
{
	if (connection == connection->pool->current)
		flush(connection->pool);
	connection->closing = true;
	loop_fd_raise(connection->read);
}

static void drop(struct connection *connection)
{
	connection->pool->dropped++;
	connection_end(connection);
}

/* While output is stuck, nothing more is read from the client. */
static void hold_back(struct connection *connection, const char *data, size_t len)
{
	if (!quota_charge(connection->pool->quota, connection->user, QUOTA_OUTPUT, len)) {
		drop(connection);
		return;
	}
	connection->output = xalloc_resize(connection->output, connection->output_len + len);
	memcpy(connection->output + connection->output_len, data, len);
	connection->output_len += len;
	if (connection->write == NULL)
		connection->write =
		    loop_fd_new(connection->pool->loop, connection->fd, LOOP_WRITE, on_write, connection);
	loop_fd_start(connection->write);
	loop_fd_stop(connection->read);
}

/* Keeps what the socket does not accept now. */
static void send_or_hold(struct connection *connection, const char *data, size_t len)
{
	ssize_t n = 0;

	if (connection->closing || len == 0)
		return;
	if (connection->output_len == 0)
		n = send(connection->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		connection_end(connection);
		return;
	}
	if (n < 0)
		n = 0;
	if ((size_t)n < len)
		hold_back(connection, data + n, len - (size_t)n);
}

static void flush(struct connection_pool *pool)
{
	size_t len = pool->out_len;

	pool->out_len = 0;
	send_or_hold(pool->current, pool->out, len);
}

/* Only pushed lines can pile up: while an answer is stuck, no more requests are read. */
static void drop_if_slow(struct connection *connection)
{
	if (connection->output_len > connection->pool->output_limit && !connection->closing)
		drop(connection);
}

void connection_put(struct connection *connection, const char *data, size_t len)
{
	struct connection_pool *pool = connection->pool;

	if (connection != pool->current) {
		send_or_hold(connection, data, len);
		drop_if_slow(connection);
	} else {
		if (len > sizeof(pool->out) - pool->out_len)
			flush(pool);
		memcpy(pool->out + pool->out_len, data, len);
		pool->out_len += len;
	}
	/* This may have been the last answer that the client stayed connected for. */
	if (connection->eof)
		loop_fd_raise(connection->read);
}

int connection_put_fd(struct connection *connection, const char *data, size_t len, int fd)
{
	if (connection == connection->pool->current)
		flush(connection->pool);
	/* A line this short is sent whole or not at all. */
	if (connection->closing || connection->output_len > 0)
		return -1;
	return sock_send_fd(connection->fd, data, len, fd) == (ssize_t)len ? 0 : -1;
}

static void keep_input(struct connection *connection, const char *data, size_t len)
{
	/* data may point into the old input. */
	char *tail = len > 0 ? memcpy(xalloc_new(len), data, len) : NULL;

	xalloc_free(connection->input);
	connection->input = tail;
	connection->input_len = len;
}

bool connection_is_stuck(const struct connection *connection)
{
	return connection->closing || connection->output_len > 0;
}

/* Also reached when the line is too long. */
static bool has_line(const char *data, size_t len)
{
	return len >= WIRE_REQUEST_MAX || (len > 0 && wire_line(data, len) > 0);
}

static size_t handle_line(struct connection *connection, const char *data, size_t len)
{
	struct connection_pool *pool = connection->pool;
	size_t line = wire_line(data, len);
	bool too_long = line == 0 || line > WIRE_REQUEST_MAX;

	pool->hooks.line(connection, data, too_long ? 0 : line, pool->context);
	if (too_long)
		connection_end(connection);
	return line;
}

static size_t handle_lines(struct connection *connection, const char *data, size_t len)
{
	size_t at = 0;

	while (connection_budget(connection) > 0 && connection->list == NULL &&
	       !connection_is_stuck(connection) && has_line(data + at, len - at)) {
		connection_spend(connection, TURNS_LINE);
		at += handle_line(connection, data + at, len - at);
	}
	return at;
}

static void await_turn(struct connection *connection)
{
	struct connection_pool *pool = connection->pool;

	loop_fd_stop(connection->read);
	turns_queue(&pool->turns, &connection->user->turns, &connection->turn);
	loop_soon(pool->turn);
}

/* Schedules the next step: the next turn for input that is already here, else more reading. Stuck output
 * goes first. */
static void go_on(struct connection *connection)
{
	if (connection_is_stuck(connection))
		return;
	if (connection->list == NULL && !has_line(connection->input, connection->input_len)) {
		read_on(connection);
		return;
	}
	await_turn(connection);
}

static void take_turn(struct connection *connection, const char *data, size_t len)
{
	struct connection_pool *pool = connection->pool;
	size_t at;

	pool->current = connection;
	pool->batch++;
	if (connection->list != NULL) {
		pool->hooks.resume(connection, pool->context);
		if (connection->list != NULL)
			connection_spend(connection, TURNS_BUDGET);
	} else {
		at = handle_lines(connection, data, len);
		keep_input(connection, data + at, len - at);
	}
	flush(pool);
	pool->current = NULL;
	go_on(connection);
}

static bool hung_up(const struct connection *connection)
{
	struct pollfd poll_fd = {.fd = connection->fd, .events = 0};

	return poll(&poll_fd, 1, 0) > 0;
}

static bool finished(const struct connection *connection)
{
	if (connection->closing)
		return true;
	return connection->eof &&
	       ((connection->wait_count == 0 && connection->monitor == NULL && connection->output_len == 0) ||
		   hung_up(connection));
}

/*
 * The client has closed its sending half. Edge-triggered from now on, since end of file stays readable
 * forever; the next edge comes when the client closes the other half.
 */
static void take_eof(struct connection *connection)
{
	if (connection->eof)
		return;
	connection->eof = true;
	connection_spend(connection, TURNS_END);
	if (finished(connection))
		return;
	loop_fd_free(connection->read);
	connection->read =
	    loop_fd_new(connection->pool->loop, connection->fd, LOOP_READ | LOOP_EDGE, on_read, connection);
	loop_fd_start(connection->read);
}

/* Many waits take several turns, in which the connection is as good as closed. */
static void finish(struct connection *connection)
{
	connection->closing = true;
	if (connection->pool->hooks.close_some(connection, connection->pool->context)) {
		connection_free(connection);
		return;
	}
	if (connection->write != NULL)
		loop_fd_stop(connection->write);
	await_turn(connection);
}

static void receive(struct connection *connection)
{
	struct connection_pool *pool = connection->pool;
	size_t len = connection->input_len;
	ssize_t n;

	if (len > 0)
		memcpy(pool->in, connection->input, len);
	n = connection->refuses_fds
		? recv(connection->fd, pool->in + len, sizeof(pool->in) - len, MSG_DONTWAIT)
		: sock_recv_bytes(connection->fd, pool->in + len, sizeof(pool->in) - len);
	if (n > 0)
		take_turn(connection, pool->in, len + (size_t)n);
	else if (n == 0)
		take_eof(connection);
	else if (errno == EAGAIN || errno == EINTR)
		read_on(connection);
	else
		connection->closing = true;
	if (finished(connection))
		finish(connection);
}

static void on_read(int fd, void *context)
{
	struct connection *connection = context;
	struct connection_pool *pool = connection->pool;

	(void)fd;
	if (connection->closing)
		finish(connection);
	else if (connection->eof || turns_is_free(&connection->user->turns, loop_pass_number(pool->loop)))
		receive(connection);
	else
		await_turn(connection);
}

static void on_write(int fd, void *context)
{
	struct connection *connection = context;
	ssize_t n = send(fd, connection->output, connection->output_len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 || connection->closing) {
		finish(connection);
		return;
	}
	connection->output_len -= (size_t)n;
	quota_release(connection->pool->quota, connection->user, QUOTA_OUTPUT, (size_t)n);
	memmove(connection->output, connection->output + n, connection->output_len);
	if (connection->output_len > 0)
		return;
	xalloc_free(connection->output);
	connection->output = NULL;
	loop_fd_stop(connection->write);
	if (connection->monitor != NULL)
		connection->pool->hooks.drained(connection, connection->pool->context);
	go_on(connection);
	if (finished(connection))
		finish(connection);
}

/* A verdict pushed in the meantime may have filled the output. */
static void serve(struct connection *connection)
{
	if (connection->list == NULL && !connection_is_stuck(connection) &&
	    !has_line(connection->input, connection->input_len)) {
		receive(connection);
		return;
	}
	if (!connection_is_stuck(connection))
		take_turn(connection, connection->input, connection->input_len);
	if (finished(connection))
		finish(connection);
}

static void on_turn(void *context)
{
	struct connection_pool *pool = context;
	const uint64_t pass = loop_pass_number(pool->loop);
	struct turns_client *client;

	while ((client = turns_next(&pool->turns, pass)) != NULL)
		serve((struct connection *)client);
	if (pool->turns.count > 0)
		loop_soon(pool->turn);
}
