/*
 * The library's connection to a daemon (client/lib/daemon_conn.h): what is sent and when, what the daemon
 * sends and with which descriptors, and how the time passes, a script says.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/daemon_conn.h"
#include "src/sock.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/peer.h"

static struct peer peer;
static struct settings settings;

/* What one input is about. */
static struct daemon_conn conn;
static int64_t now;

static void begin(void)
{
	struct readyd_options options = READYD_OPTIONS_INIT;

	peer_begin(&peer, fuzz_dir());
	unsetenv("READYD_BACKEND");
	unsetenv("READYD_TRUST_UID");
	options.socket = peer.socket;
	options.dir = fuzz_dir();
	options.prefix = "r-";
	fuzz_check(settings_init(&settings, &options) == 0);
}

static void check_event(const struct daemon_event *event)
{
	switch (event->kind) {
	case DAEMON_GATE:
		fuzz_check(event->fd >= 0 && event->answer.pid > 0);
		sock_close(event->fd);
		break;
	case DAEMON_ANSWER:
	case DAEMON_ENTRY:
		fuzz_check(event->answer.pid > 0);
		break;
	case DAEMON_STATS:
		fuzz_check(event->text != NULL && event->text_len < WIRE_REPLY_MAX);
		break;
	case DAEMON_LOST:
	case DAEMON_ABSENT:
		fuzz_check(event->error != 0 && (conn.io.fd == -1 || conn.state == DAEMON_LATE));
		break;
	case DAEMON_REFUSED:
		fuzz_check(event->refusal != WIRE_OK);
		break;
	case DAEMON_ANSWERED:
		fuzz_check(!conn.in_flight);
		break;
	case DAEMON_CHANGE:
		fuzz_check(readyd_change_name(event->change.change) != NULL);
		break;
	case DAEMON_NOTHING:
	case DAEMON_END:
	case DAEMON_SLOW:
	case DAEMON_STOPPED:
		break;
	}
}

/* What is requested has a deadline, and what has expired is not polled for. */
static void check_deadline(void)
{
	const int64_t at = daemon_conn_deadline(&conn, true);

	fuzz_check(at >= 0);
	fuzz_check(!conn.in_flight || conn.state == DAEMON_LATE || at > 0);
}

static void ask(struct fuzz_input *input)
{
	static const enum wire_verb verbs[] = {WIRE_QUERY, WIRE_WAIT, WIRE_GATE, WIRE_CANCEL, WIRE_LIST,
	    WIRE_STATS, WIRE_PING, WIRE_HELLO, WIRE_END};
	const unsigned how = fuzz_byte(input);
	struct wire_request request = {.verb = WIRE_PING};
	struct daemon_event event;

	if (!daemon_conn_may_ask(&conn, now, how % 2 == 0))
		return;
	if (!daemon_conn_begin(&conn, now, how % 4 < 2, &event)) {
		check_event(&event);
		return;
	}
	conn.pid = 0; /* so that no test depends on the CPU time of this process */
	for (unsigned count = how / 4 % 4; count > 0; count--) {
		const struct peer_process *process = &peer.processes[fuzz_below(input, PEER_PROCESSES)];

		request.verb = verbs[fuzz_below(input, sizeof(verbs) / sizeof(verbs[0]))];
		request.pid = process->pid;
		request.start = process->start;
		daemon_conn_put(&conn, &request);
	}
	if (!daemon_conn_commit(&conn, now, how % 8 < 6, &event))
		check_event(&event);
}

/* Every byte that came gives one event at most. */
static void take(unsigned most)
{
	struct daemon_event event;

	for (; most > 0 && daemon_conn_next(&conn, now, &event); most--)
		check_event(&event);
}

static void expire(void)
{
	struct daemon_event event;
	int count = 0;

	while (daemon_conn_expire(&conn, now, &event)) {
		check_event(&event);
		fuzz_check(++count < 8);
	}
	if (conn.io.fd >= 0)
		fuzz_check(
		    daemon_conn_deadline(&conn, false) == 0 || daemon_conn_deadline(&conn, false) > now);
}

static void command(unsigned which)
{
	struct daemon_event event;

	switch (which) {
	case 0:
		errno = EPIPE;
		daemon_conn_fail(&conn, now, &event);
		check_event(&event);
		break;
	case 1:
		daemon_conn_back_off(&conn, now, EXDEV, &event);
		check_event(&event);
		break;
	case 2:
	case 3:
		daemon_conn_expect(&conn, now, which == 2);
		break;
	case 4:
		daemon_conn_hold(&conn, now);
		break;
	case 5:
		daemon_conn_refuse(&conn, now);
		break;
	case 6:
	case 7:
		daemon_conn_rest(&conn, which == 6);
		break;
	}
}

static void act(struct fuzz_input *input)
{
	switch (fuzz_below(input, 8)) {
	case 0:
		ask(input);
		break;
	case 1:
	case 2:
	case 3:
		peer_act(&peer, input);
		break;
	case 4:
		take(fuzz_byte(input) + 1);
		break;
	case 5:
		now += fuzz_byte(input) * 20;
		expire();
		break;
	case 6:
		command(fuzz_below(input, 8));
		break;
	case 7:
		peer_accept(&peer);
		break;
	}
	check_deadline();
}

static void one(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};

	now = 1000000;
	settings.backend = fuzz_byte(&input) % 2 == 0 ? READYD_BACKEND_AUTO : READYD_BACKEND_DAEMON;
	if (fuzz_byte(&input) % 4 == 0)
		daemon_conn_init_question(&conn, &settings, fuzz_byte(&input) % 2 == 0);
	else
		daemon_conn_init(&conn, &settings);
	peer_reset(&peer);
	while (input.left > 0)
		act(&input);
	take((unsigned)sizeof(peer.told));
	daemon_conn_close(&conn);
	peer_reset(&peer);
}

const struct fuzz_target fuzz_target = {.name = "connection", .begin = begin, .one = one};
