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

const struct connection_work connection_idle;

void connection_pool_init(struct connection_pool *pool, struct loop *loop,
    const struct connection_hooks *hooks, void *context, struct quota *quota, size_t output_limit)
{
	memset(pool, 0, offsetof(struct connection_pool, in));
	pool->loop = loop;
	pool->hooks = *hooks;
	pool->context = context;
	pool->quota = quota;
	pool->output_limit = output_limit;
	turns_init(&pool->turns);
	pool->turn = loop_timer_new(loop, on_turn, pool);
	TAILQ_INIT(&pool->all);
}

static struct loop_fd *read_of(const struct connection *connection)
{
	return loop_fd_of((void *)connection);
}

int connection_fd(const struct connection *connection)
{
	return loop_fd_number(read_of(connection));
}

struct connection_work *connection_busy(struct connection *connection)
{
	if (connection->work == NULL) {
		connection->work = xalloc_new(sizeof(*connection->work));
		connection->work->connection = connection;
	}
	return connection->work;
}

static void free_work(struct connection *connection)
{
	struct connection_work *work = connection->work;

	connection->work = NULL;
	turns_cancel(&connection->pool->turns, &work->turn);
	loop_fd_free(work->write);
	xalloc_free(work->input);
	xalloc_free(work->output);
	xalloc_free(work);
}

static void close_socket(const struct connection *connection)
{
	const int fd = connection_fd(connection);

	if (connection->refuses_fds)
		close(fd);
	else if (connection->pool->ending)
		(void)shutdown(fd, SHUT_RDWR);
	else
		discard_unread(connection->pool->loop, fd);
}

static void connection_free(struct connection *connection)
{
	struct connection_pool *pool = connection->pool;

	pool->hooks.on_close(connection, pool->context);
	TAILQ_REMOVE(&pool->all, connection, link);
	pool->count--;
	quota_release(pool->quota, connection->user, QUOTA_OUTPUT, connection_work(connection)->output_len);
	if (connection->work != NULL)
		free_work(connection);
	loop_fd_stop(read_of(connection));
	close_socket(connection);
	quota_release(pool->quota, connection->user, QUOTA_CONNECTIONS, 1);
	loop_fd_free(read_of(connection));
}

void connection_pool_fini(struct connection_pool *pool)
{
	pool->ending = true;
	while (!TAILQ_EMPTY(&pool->all))
		connection_free(TAILQ_FIRST(&pool->all));
	loop_timer_free(pool->turn);
	pool->turn = NULL;
}

static bool is_idle(const struct connection_work *work)
{
	return work->turn.user == NULL && work->list == NULL && work->monitor == NULL &&
	       work->input_len == 0 && work->output_len == 0;
}

/* Failure to register one client (fs.epoll.max_user_watches) must not stop the daemon. */
static void read_on(struct connection *connection)
{
	if (connection->work != NULL && is_idle(connection->work))
		free_work(connection);
	if (loop_fd_try_start(read_of(connection)) != 0)
		connection_end(connection);
}

/* Leaves the user. */
static struct connection *new_of(struct connection_pool *pool, int fd, struct quota_user *user)
{
	const bool charged = quota_charge(pool->quota, user, QUOTA_CONNECTIONS, 1);
	struct connection *connection;

	quota_leave(pool->quota, user);
	if (!charged)
		return NULL;
	connection = loop_fd_new_with(pool->loop, fd, LOOP_READ, on_read, sizeof(*connection));
	connection->pool = pool;
	connection->user = user;
	connection->refuses_fds = sock_refuses_fds(fd);
	LIST_INIT(&connection->waits);
	read_on(connection);
	TAILQ_INSERT_TAIL(&pool->all, connection, link);
	pool->count++;
	return connection;
}

struct connection *connection_new(struct connection_pool *pool, int fd, uid_t uid)
{
	return new_of(pool, fd, quota_enter(pool->quota, uid));
}

struct connection *connection_new_remote(
    struct connection_pool *pool, int fd, enum quota_peer kind, uint32_t number)
{
	struct connection *connection = new_of(pool, fd, quota_enter_peer(pool->quota, kind, number));

	if (connection != NULL)
		connection->is_remote = connection->refuses_fds = true;
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
	loop_fd_raise(read_of(connection));
}

static void drop(struct connection *connection)
{
	connection->pool->dropped++;
	connection_end(connection);
}

/* While output is stuck, nothing more is read from the client. */
static void hold_back(struct connection *connection, const char *data, size_t len)
{
	struct connection_work *work;

	if (!quota_charge(connection->pool->quota, connection->user, QUOTA_OUTPUT, len)) {
		drop(connection);
		return;
	}
	work = connection_busy(connection);
	work->output = xalloc_resize(work->output, work->output_len + len);
	memcpy(work->output + work->output_len, data, len);
	work->output_len += len;
	if (work->write == NULL)
		work->write = loop_fd_new(
		    connection->pool->loop, connection_fd(connection), LOOP_WRITE, on_write, connection);
	loop_fd_start(work->write);
	loop_fd_stop(read_of(connection));
}

/* Keeps what the socket does not accept now. */
static void send_or_hold(struct connection *connection, const char *data, size_t len)
{
	ssize_t n = 0;

	if (connection->closing || len == 0)
		return;
	if (connection_work(connection)->output_len == 0)
		n = send(connection_fd(connection), data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
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
	if (connection_work(connection)->output_len > connection->pool->output_limit && !connection->closing)
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
		loop_fd_raise(read_of(connection));
}

int connection_put_fd(struct connection *connection, const char *data, size_t len, int fd)
{
	if (connection == connection->pool->current)
		flush(connection->pool);
	/* A line this short is sent whole or not at all. */
	if (connection_is_stuck(connection))
		return -1;
	return sock_send_fd(connection_fd(connection), data, len, fd) == (ssize_t)len ? 0 : -1;
}

static void keep_input(struct connection *connection, const char *data, size_t len)
{
	/* data may point into the old input. */
	char *tail = len > 0 ? memcpy(xalloc_new(len), data, len) : NULL;
	struct connection_work *work;

	if (tail == NULL && connection->work == NULL)
		return;
	work = connection_busy(connection);
	xalloc_free(work->input);
	work->input = tail;
	work->input_len = len;
	work->batch = connection->pool->batch;
}

bool connection_is_stuck(const struct connection *connection)
{
	return connection->closing || connection_work(connection)->output_len > 0;
}

/* Also reached when the line is too long. */
static bool has_line(const char *data, size_t len)
{
	return len >= WIRE_REQUEST_MAX || (len > 0 && wire_line(data, len) > 0);
}

static bool has_input_line(const struct connection *connection)
{
	const struct connection_work *work = connection_work(connection);

	return has_line(work->input, work->input_len);
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

	while (connection_budget(connection) > 0 && connection_work(connection)->list == NULL &&
	       !connection_is_stuck(connection) && has_line(data + at, len - at)) {
		connection_spend(connection, TURNS_LINE);
		at += handle_line(connection, data + at, len - at);
	}
	return at;
}

static void await_turn(struct connection *connection)
{
	struct connection_pool *pool = connection->pool;

	turns_queue(&pool->turns, &connection->user->turns, &connection_busy(connection)->turn);
	loop_soon(pool->turn);
}

/* Input that comes meanwhile would be reported in each pass. */
static void await_turn_silently(struct connection *connection)
{
	loop_fd_stop(read_of(connection));
	await_turn(connection);
}

/* Schedules the next step: the next turn for input that is already here, else more reading. Stuck output
 * goes first. Most clients send nothing more before they have their answers, so the descriptor stays in the
 * loop meanwhile. */
static void go_on(struct connection *connection)
{
	if (connection_is_stuck(connection))
		return;
	if (connection_work(connection)->list == NULL && !has_input_line(connection)) {
		read_on(connection);
		return;
	}
	await_turn(connection);
}

static void take_turn(struct connection *connection, const char *data, size_t len, uint64_t batch)
{
	struct connection_pool *pool = connection->pool;
	size_t at;

	pool->current = connection;
	pool->batch = batch;
	if (connection_work(connection)->list != NULL) {
		pool->hooks.resume(connection, pool->context);
		if (connection_work(connection)->list != NULL)
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
	struct pollfd poll_fd = {.fd = connection_fd(connection), .events = 0};

	return poll(&poll_fd, 1, 0) > 0;
}

static bool finished(const struct connection *connection)
{
	const struct connection_work *work = connection_work(connection);

	if (connection->closing)
		return true;
	return connection->eof &&
	       ((connection->wait_count == 0 && work->monitor == NULL && work->output_len == 0) ||
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
	loop_fd_change(read_of(connection), LOOP_READ | LOOP_EDGE);
	loop_fd_start(read_of(connection));
}

/* Many waits take several turns, in which the connection is as good as closed. */
static void finish(struct connection *connection)
{
	connection->closing = true;
	if (connection->pool->hooks.close_some(connection, connection->pool->context)) {
		connection_free(connection);
		return;
	}
	if (connection_work(connection)->write != NULL)
		loop_fd_stop(connection->work->write);
	await_turn_silently(connection);
}

static void receive(struct connection *connection)
{
	struct connection_pool *pool = connection->pool;
	const struct connection_work *work = connection_work(connection);
	const int fd = connection_fd(connection);
	size_t len = work->input_len;
	ssize_t n;

	if (len > 0)
		memcpy(pool->in, work->input, len);
	n = connection->refuses_fds ? recv(fd, pool->in + len, sizeof(pool->in) - len, MSG_DONTWAIT)
				    : sock_recv_bytes(fd, pool->in + len, sizeof(pool->in) - len);
	if (n > 0) {
		take_turn(connection, pool->in, len + (size_t)n, ++pool->batches);
	} else if (n == 0) {
		take_eof(connection);
	} else if (errno == EAGAIN || errno == EINTR) {
		read_on(connection);
	} else {
		connection->closing = true;
	}
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
		await_turn_silently(connection);
}

static void on_write(int fd, void *context)
{
	struct connection *connection = context;
	struct connection_work *work = connection->work;
	ssize_t n = send(fd, work->output, work->output_len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 || connection->closing) {
		finish(connection);
		return;
	}
	work->output_len -= (size_t)n;
	quota_release(connection->pool->quota, connection->user, QUOTA_OUTPUT, (size_t)n);
	memmove(work->output, work->output + n, work->output_len);
	if (work->output_len > 0)
		return;
	xalloc_free(work->output);
	work->output = NULL;
	loop_fd_stop(work->write);
	/* The lines that are left may have waited for the client for long. */
	work->batch = ++connection->pool->batches;
	if (work->monitor != NULL)
		connection->pool->hooks.drained(connection, connection->pool->context);
	go_on(connection);
	if (finished(connection))
		finish(connection);
}

/* A verdict pushed in the meantime may have filled the output. */
static void serve(struct connection *connection)
{
	const struct connection_work *work = connection->work;

	if (work->list == NULL && !connection_is_stuck(connection) && !has_input_line(connection)) {
		receive(connection);
		return;
	}
	if (!connection_is_stuck(connection))
		take_turn(connection, work->input, work->input_len, work->batch);
	if (finished(connection))
		finish(connection);
}

static void on_turn(void *context)
{
	struct connection_pool *pool = context;
	const uint64_t pass = loop_pass_number(pool->loop);
	struct turns_client *client;

	while ((client = turns_next(&pool->turns, pass)) != NULL)
		serve(((struct connection_work *)client)->connection);
	if (pool->turns.count > 0)
		loop_soon(pool->turn);
}
