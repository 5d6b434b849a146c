#include "config.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "client/lib/ask.h"
#include "client/lib/waiter.h"
#include "src/clock.h"
#include "src/hot.h"
#include "src/sock.h"
#include "src/verdict.h"

/* A daemon that has not answered by then is taken for frozen: the fallback starts, and what it answers
 * later is still welcome. Not sooner: when thousands ask at once it is only busy, and thousands of private
 * watches are what it is there to avoid. Somebody who insists on the daemon is more patient. */
#define LATE_MS	       1000
#define LATE_FORCED_MS 5000
/* How soon an own look that settles a target counts when the daemon, which may remember more, is stopped:
 * that is what the news of a death is then late by. A daemon that works is waited for, with ever longer
 * intervals. */
#define CONFIRM_MS	50
#define CONFIRM_MOST_MS 1000
/* A daemon that works but has not replied for so long is not waited for any longer. */
#define PATIENCE_MS 30000
/* How soon to try a daemon again that is not there, that was there just now, that is crowded. */
#define RETRY_MS	  1000
#define RECONNECT_MS	  20
#define BACKLOG_FULL_MS	  20
#define BACKLOG_FULL_MOST 10
/* Up to this many processes a gate each, and the connection is given up; beyond, one connection for all. */
#define GATES_MOST 8

static bool forced(const struct readyd_waiter *w)
{
	return w->settings.backend == READYD_BACKEND_DAEMON;
}

/* Whether the daemon does anything: however slow the machine and however many others it serves, it will
 * answer. */
static bool is_active(struct readyd_waiter *w)
{
	return w->daemon_pid > 0 && clock_ms() - w->heard_at < PATIENCE_MS &&
	       process_is_active(w->daemon_pid, &w->daemon_cpu);
}

static void retry_in(struct readyd_waiter *w, int64_t ms)
{
	w->retry_at = waiter_earlier(w->retry_at, clock_ms() + clock_jitter(ms));
}

/* Keeps what the link is polled for up to date. */
static void poll_conn(struct readyd_waiter *w)
{
	bool want = daemon_conn_wants_write(&w->conn);

	if (w->conn_state != CONN_CLOSED && want != w->conn_polls_write)
		poll_change_conn(w, want);
}

static void close_conn(struct readyd_waiter *w)
{
	struct target *t, *next;

	daemon_conn_close(&w->conn);
	w->conn_state = CONN_CLOSED;
	w->conn_polls_write = false;
	w->pings_in_flight = 0;
	w->reply_by = 0;
	TARGETS_EACH (w, t, next) {
		t->asked = false;
		if (!t->done && t->subscription == SUBSCRIPTION_WAIT)
			target_set_subscription(w, t, SUBSCRIPTION_NONE);
	}
}

/* No daemon to be had for now: go on alone. */
static int do_without(struct readyd_waiter *w, int error)
{
	if (forced(w)) {
		errno = error;
		return -1;
	}
	retry_in(w, RETRY_MS);
	targets_trust_own_look(w);
	if (w->subscription_count[SUBSCRIPTION_NONE] > 0)
		file_start(w);
	return 0;
}

/* The daemon that was there is gone, perhaps only restarted. Try again soon, not all at once. One that goes
 * before it has answered may do that each time. */
static int lose_conn(struct readyd_waiter *w)
{
	int error = errno;
	bool answered = w->conn_state == CONN_OPEN && w->pings_in_flight == 0;

	close_conn(w);
	if (!answered || forced(w))
		return do_without(w, error);
	waiter_look_all(w);
	retry_in(w, RECONNECT_MS);
	return 0;
}

static int send_ask(struct readyd_waiter *w, struct target *t)
{
	struct wire_request request = {.pid = t->process.pid, .start = t->process.start};

	request.verb = w->waiting <= GATES_MOST && !t->no_gate ? WIRE_GATE : WIRE_WAIT;
	t->asked = true;
	return daemon_conn_put(&w->conn, &request);
}

/* Asks for every target that is not covered, and with a PING for the moment when all is answered. */
static int ask_all(struct readyd_waiter *w)
{
	struct wire_request ping = {.verb = WIRE_PING};
	struct target *t, *next;

	TARGETS_EACH (w, t, next) {
		if (!t->done && !t->not_started && t->subscription == SUBSCRIPTION_NONE && !t->asked &&
		    send_ask(w, t) != 0)
			return lose_conn(w);
	}
	if (daemon_conn_send(&w->conn, &ping) != 0)
		return lose_conn(w);
	if (w->pings_in_flight++ == 0)
		w->heard_at = clock_ms();
	w->reply_by = clock_ms() + (forced(w) ? LATE_FORCED_MS : LATE_MS);
	poll_conn(w);
	return 0;
}

static int connect_failed(struct readyd_waiter *w)
{
	if (errno == EAGAIN && w->backlog_full < BACKLOG_FULL_MOST) {
		w->backlog_full++;
		retry_in(w, BACKLOG_FULL_MS);
		return 0;
	}
	w->backlog_full = 0;
	return do_without(w, errno);
}

/* The requests go out with the greeting; if its answer shows that the daemon speaks of other things, the
 * others are not read. */
static int greet(struct readyd_waiter *w)
{
	struct wire_request hello = {.verb = WIRE_HELLO};

	if (daemon_conn_open(&w->conn, w->settings.socket) != 0)
		return connect_failed(w);
	w->backlog_full = 0;
	w->conn_state = CONN_GREETING;
	w->daemon_pid = sock_peer_pid(w->conn.fd);
	if (poll_add(w, w->conn.fd, POLLIN, SOURCE_CONN, 0) != 0 || daemon_conn_put(&w->conn, &hello) != 0)
		return lose_conn(w);
	return ask_all(w);
}

int daemon_ask(struct readyd_waiter *w)
{
	w->retry_at = 0;
	if (w->settings.backend == READYD_BACKEND_FILE) {
		targets_trust_own_look(w);
		if (w->waiting > 0)
			file_start(w);
		return 0;
	}
	if (w->subscription_count[SUBSCRIPTION_NONE] == w->not_started &&
	    w->unconfirmed_count == w->gate_unconfirmed_count)
		return 0;
	if (w->conn_state == CONN_CLOSED)
		return greet(w);
	/* Late, perhaps frozen: what it has been asked already is enough for when it thaws. */
	if (w->pings_in_flight > 0 && w->reply_by == 0) {
		retry_in(w, RETRY_MS);
		return 0;
	}
	return ask_all(w);
}

static void await_word(struct readyd_waiter *w, int64_t ms)
{
	w->confirm_ms = ms < CONFIRM_MOST_MS ? ms : CONFIRM_MOST_MS;
	w->confirm_by = clock_ms() + clock_jitter(w->confirm_ms);
}

/* A gate that is held is about to say what the daemon knows. One that stays open although the daemon works is
 * asked about. */
int daemon_on_unconfirmed(struct readyd_waiter *w)
{
	bool active = is_active(w);

	w->confirm_by = 0;
	if (!active || w->confirm_ms > CONFIRM_MS)
		targets_leave_gates(w);
	if (active)
		await_word(w, 2 * w->confirm_ms);
	else if (!forced(w))
		targets_trust_own_look(w);
	return 0;
}

int daemon_resolve(struct readyd_waiter *w)
{
	if (w->confirm_by == 0 && (w->gate_unconfirmed_count > 0 || !forced(w))) {
		w->heard_at = clock_ms();
		await_word(w, CONFIRM_MS);
	}
	if (w->unconfirmed_count == w->gate_unconfirmed_count)
		return 0;
	/* While its backlog is full, connecting is tried again in a while. */
	if (w->pings_in_flight == 0)
		return w->backlog_full > 0 ? 0 : daemon_ask(w);
	if (w->reply_by == 0)
		targets_trust_own_look(w);
	return 0;
}

/* Who insists on the daemon has its word. Else it counts where it knows more; what it cannot see (it may
 * have fewer rights) we watch ourselves. */
static void take_answer(struct readyd_waiter *w, struct readyd_answer *answer)
{
	struct target *t = target_find(w, answer->pid);

	if (t == NULL || t->done || answer->verdict == READYD_PENDING)
		return;
	/* It speaks of another holder of the pid: ours is gone, and our own look says how. */
	if (t->process.start != 0 && answer->start != 0 && answer->start != t->process.start) {
		target_look(w, t);
		return;
	}
	answer->backend = READYD_BACKEND_DAEMON;
	ask_complete(answer, &t->answer);
	t->history.confirmed |= answer->verdict == READYD_READY && answer->start == t->process.start;
	if (forced(w) ? !t->pending || verdict_ends_wait(answer) : ask_knows_more(&t->answer, answer)) {
		target_settle(w, t, answer);
		return;
	}
	t->asked = false;
	if (!t->unconfirmed)
		file_start(w);
}

/* A gate of another holder of the pid is of no use. */
static void take_gate(struct readyd_waiter *w, pid_t pid, uint64_t start, int fd)
{
	struct target *t = target_find(w, pid);

	if (t == NULL || t->done || t->subscription != SUBSCRIPTION_NONE ||
	    (start != t->process.start && t->process.start != 0) ||
	    poll_add(w, fd, POLLIN, SOURCE_GATE, pid) != 0) {
		close(fd);
		return;
	}
	t->gate = fd;
	target_set_subscription(w, t, SUBSCRIPTION_GATE);
	target_look(w, t);
}

/* Everything asked so far has been answered; a WAIT without an answer has been taken. */
static void take_pong(struct readyd_waiter *w)
{
	struct target *t, *next;

	if (w->pings_in_flight == 0 || --w->pings_in_flight > 0)
		return;
	w->reply_by = 0;
	TARGETS_EACH (w, t, next) {
		if (!t->done && t->asked) {
			target_set_subscription(w, t, SUBSCRIPTION_WAIT);
			target_look(w, t);
		}
	}
	targets_trust_own_look(w);
	/* Refused ones. */
	if (w->subscription_count[SUBSCRIPTION_NONE] > 0)
		retry_in(w, RETRY_MS);
}

static int take_error(struct readyd_waiter *w, const struct wire_reply *reply)
{
	struct target *t = reply->answer.pid > 0 ? target_find(w, reply->answer.pid) : NULL;

	if (reply->answer.pid == 0) {
		errno = reply->error == WIRE_TOO_MANY_CLIENTS ? EAGAIN : EPROTO;
		close_conn(w);
		return do_without(w, errno);
	}
	if (t == NULL || t->done)
		return 0;
	t->asked = false;
	if (reply->error == WIRE_NO_RESOURCES && !t->no_gate) {
		t->no_gate = true;
		w->retry_at = clock_ms();
		return 0;
	}
	if (forced(w)) {
		errno = EAGAIN;
		return -1;
	}
	file_start(w);
	return 0;
}

static int take_reply(struct readyd_waiter *w, struct wire_reply *reply, int fd)
{
	switch (reply->kind) {
	case WIRE_REPLY_HELLO:
		w->conn_state = CONN_OPEN;
		if (settings_agree(&w->settings, &reply->hello))
			return 0;
		close_conn(w);
		return do_without(w, EXDEV);
	case WIRE_REPLY_ANSWER:
		take_answer(w, &reply->answer);
		return 0;
	case WIRE_REPLY_GATE:
		take_gate(w, reply->answer.pid, reply->answer.start, fd);
		return 0;
	case WIRE_REPLY_PONG:
		take_pong(w);
		return 0;
	case WIRE_REPLY_ERROR:
		return take_error(w, reply);
	case WIRE_REPLY_CANCELLED:
	case WIRE_REPLY_LIST:
	case WIRE_REPLY_END:
	case WIRE_REPLY_STATS:
		return 0;
	}
	return 0;
}

int daemon_on_readable(struct readyd_waiter *w)
{
	struct wire_reply reply;
	int fd, more = 0;

	if (daemon_conn_flush(&w->conn) != 0)
		return lose_conn(w);
	while (w->conn_state != CONN_CLOSED && (more = daemon_conn_next(&w->conn, &reply, &fd)) == 1) {
		w->heard_at = clock_ms();
		if (w->confirm_by != 0)
			await_word(w, CONFIRM_MS);
		if (take_reply(w, &reply, fd) != 0)
			return -1;
	}
	if (w->conn_state != CONN_CLOSED && more < 0)
		return lose_conn(w);
	poll_conn(w);
	return 0;
}

int daemon_on_late(struct readyd_waiter *w)
{
	w->reply_by = 0;
	if (is_active(w)) {
		w->reply_by = clock_ms() + clock_jitter(LATE_MS);
		return 0;
	}
	return do_without(w, ETIMEDOUT);
}

/* The gate is closed: look, and ask again where the look does not settle it. A byte in it says that this very
 * process was seen ready, as the daemon would if each waiter asked again; whether it has exited since its
 * pidfd tells. */
HOT int daemon_on_gate(struct readyd_waiter *w, struct target *t, uint32_t events)
{
	t->history.latched |= (events & POLLIN) != 0;
	target_set_subscription(w, t, SUBSCRIPTION_NONE);
	target_look(w, t);
	if (!t->done)
		retry_in(w, RECONNECT_MS);
	return 0;
}

void daemon_cancel(struct readyd_waiter *w, const struct target *t)
{
	struct wire_request request = {.verb = WIRE_CANCEL, .pid = t->process.pid};

	/* A link that breaks here shows at the next event. */
	if (w->conn_state != CONN_CLOSED && (t->asked || t->subscription == SUBSCRIPTION_WAIT))
		(void)daemon_conn_send(&w->conn, &request);
}

void daemon_rest(struct readyd_waiter *w)
{
	if (w->subscription_count[SUBSCRIPTION_NONE] > 0)
		return;
	file_stop(w);
	if (w->unconfirmed_count > 0)
		return;
	w->retry_at = 0;
	if (w->subscription_count[SUBSCRIPTION_WAIT] == 0)
		close_conn(w);
}
