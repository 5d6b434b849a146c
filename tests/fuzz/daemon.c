/*
 * The whole core of the daemon with four clients of three users, and the loop turned by hand. What a client
 * sends, reads and closes, which marker comes and goes, and which process ends, a script says. Each reply is
 * one that was requested; no process is called ready that had no marker; nothing is left when all clients
 * have gone.
 */
/* The functions that connect the modules are static. */
#include "daemon/server.c" /* NOLINT(bugprone-suspicious-include) */

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "src/process.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/inotify.h"

/* The linker prescribes these names. NOLINTBEGIN(bugprone-reserved-identifier) */
DIR *__wrap_opendir(const char *name);
DIR *__real_opendir(const char *name);
/* NOLINTEND(bugprone-reserved-identifier) */

#define CLIENTS	  4
#define PROCESSES 4
#define MAX_WAITS 5
/* That a client keeps. */
#define GATES 16
/* Above the largest possible pid_max. */
#define UNUSED_PID 0x7ffffffe
/* In bytes of a script, these and those that follow stand for the pid and for the start of a process. */
#define PID_BYTE   0xf0
#define START_BYTE 0xf4

/* Two children that live unless a script ends them, one that has ended, and one that never was. */
static struct subject {
	pid_t pid;
	uint64_t start;
	bool lives, was_marked;
	bool had_link; /* under its marker's name: of one that came and went, no event says what it was */
} subjects[PROCESSES];

static struct client {
	int fd; /* -1: not connected */
	bool half_closed;
	char said[8192], heard[65536];
	size_t said_len, heard_len;
	bool lost_track; /* more was said or heard than fits, or a line too long */
	unsigned replies[WIRE_REPLY_ERROR + 1];
	unsigned gates; /* descriptors that came */
	int gate_fds[GATES];
	const struct subject *gate_subjects[GATES]; /* of the lines that came; NULL: of another process */
} clients[CLIENTS];

static struct server_config config;
static struct server *server;
static int listening; /* left to the exit by the daemon */
static socklen_t address_len;
static struct sockaddr_un address;

/* Few inputs walk the real one: it would take most of the time, and what it finds is not in an input. */
static bool sees_proc;

DIR *__wrap_opendir(const char *name)
{
	return __real_opendir(sees_proc || strcmp(name, "/proc") != 0 ? name : "/proc/self/ns");
}

static pid_t start_child(bool lives)
{
	const pid_t parent = getpid(), pid = fork();

	fuzz_check(pid >= 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (lives && getppid() == parent)
		pause();
	_exit(3);
}

/* libFuzzer has a timer with a signal. */
static void await_end(pid_t pid, int flags)
{
	siginfo_t info;
	int result;

	do
		result = waitid(P_PID, (id_t)pid, &info, WEXITED | flags);
	while (result != 0 && errno == EINTR);
	fuzz_check(result == 0);
}

static void start_subject(struct subject *subject, bool lives)
{
	subject->pid = start_child(lives);
	subject->lives = lives;
	fuzz_check(process_start_of(subject->pid, &subject->start));
	if (!lives)
		await_end(subject->pid, WNOWAIT);
}

static void begin(void)
{
	config = (struct server_config){
	    .ready_fd = -1, .inherited = -1, .spawner = -1, .max_clients = 8, .max_waits = MAX_WAITS};
	fuzz_check(marker_place_init(&config.place, fuzz_dir(), "r-") == 0);
	log_set_level(LOG_LEVEL_ERROR);
	loop_prepare();
	start_subject(&subjects[0], true);
	start_subject(&subjects[1], true);
	start_subject(&subjects[2], false);
	subjects[3] = (struct subject){.pid = UNUSED_PID, .start = 1};
	for (int i = 0; i < CLIENTS; i++)
		clients[i].fd = -1;
}

static void end_subject(struct subject *subject)
{
	if (!subject->lives)
		return;
	kill(subject->pid, SIGKILL);
	await_end(subject->pid, WNOWAIT);
	subject->lives = false;
}

/* For the next input. */
static void revive_subjects(void)
{
	for (int i = 0; i < 2; i++) {
		if (subjects[i].lives)
			continue;
		await_end(subjects[i].pid, 0);
		start_subject(&subjects[i], true);
	}
}

/* Like a service manager's: the kernel chooses the name. */
static int listen_somewhere(void)
{
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	address = (struct sockaddr_un){.sun_family = AF_UNIX};
	address_len = sizeof(address);
	fuzz_check(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) == 0);
	(void)sock_refuse_fds(fd);
	fuzz_check(getsockname(fd, (struct sockaddr *)&address, &address_len) == 0 && listen(fd, 8) == 0);
	return fd;
}

static void start_server(void)
{
	struct listener_config where = {"@fuzz", 0666, NULL, -1};

	where.inherited = listening = listen_somewhere();
	server = xalloc_new(sizeof(*server));
	server->config = &config;
	server->loop = loop_new();
	fuzz_check(server->loop != NULL);
	wire_up(server);
	server->listener = listener_new(server->loop, &where, on_accepted, server);
	fuzz_check(server->listener != NULL);
}

static void close_gates(struct client *client)
{
	for (unsigned i = 0; i < client->gates; i++)
		close(client->gate_fds[i]);
	client->gates = 0;
}

/* The first two come through the listener, and are the daemon's own user; the others are of other users. */
static void connect_client(unsigned which)
{
	struct client *client = &clients[which];
	struct connection *connection;
	int ends[2];

	if (client->fd >= 0)
		return;
	close_gates(client);
	memset(client, 0, sizeof(*client));
	client->fd = -1;
	if (which < 2) {
		client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (connect(client->fd, (struct sockaddr *)&address, address_len) != 0) {
			close(client->fd);
			client->fd = -1;
		}
		return;
	}
	fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
	(void)sock_refuse_fds(ends[0]);
	connection = connection_new(&server->connections, ends[0], 1000 + which);
	if (connection == NULL) {
		close(ends[0]);
		close(ends[1]);
		return;
	}
	connection->is_trusted = which == 3;
	client->fd = ends[1];
}

static void turn(void)
{
	for (int i = 0; i < 4; i++)
		loop_settle(server->loop);
}

static struct subject *subject_of(pid_t pid)
{
	for (int i = 0; i < PROCESSES; i++)
		if (subjects[i].pid == pid)
			return &subjects[i];
	return NULL;
}

/* What is said of a process that no script knows is not checked: it is any process of this machine. */
static void check_verdict(const struct readyd_answer *answer)
{
	const struct subject *subject = subject_of(answer->pid);
	const bool is_latched =
	    (answer->flags & READYD_FLAG_LATCHED) != 0 || answer->verdict == READYD_EXITED;

	if (subject == NULL)
		return;
	if (answer->verdict == READYD_READY || answer->verdict == READYD_EXITED)
		fuzz_check(subject->was_marked || (subject->had_link && is_latched));
	if (answer->verdict == READYD_DIED || answer->verdict == READYD_EXITED)
		fuzz_check(!subject->lives || answer->reason == READYD_REASON_PID_REUSED ||
			   answer->start != subject->start);
}

/* The descriptors come in the order of their lines, with them or before. */
static void keep_gate(struct client *client, int fd)
{
	if (client->gates == GATES) {
		client->lost_track = true;
		close(fd);
		return;
	}
	client->gate_fds[client->gates++] = fd;
}

/* Closed once its process has ended; with a byte only if that was ready. */
static void check_gate(int fd, const struct subject *subject)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	fuzz_check(poll(&poll_fd, 1, 0) >= 0 && (poll_fd.revents & POLLNVAL) == 0);
	if (subject == NULL)
		return;
	fuzz_check((poll_fd.revents & POLLIN) == 0 || subject->was_marked || subject->had_link);
	fuzz_check(subject->lives || (poll_fd.revents & POLLHUP) != 0);
}

static void check_gates(const struct client *client)
{
	for (unsigned i = 0; i < client->gates; i++)
		if (i < client->replies[WIRE_REPLY_GATE])
			check_gate(client->gate_fds[i], client->gate_subjects[i]);
}

static void check_all_gates(void)
{
	for (int i = 0; i < CLIENTS; i++) {
		check_gates(&clients[i]);
		close_gates(&clients[i]);
	}
}

static void take_line(struct client *client, const char *line, size_t len)
{
	struct wire_reply reply;

	fuzz_check(wire_parse_reply(line, len, &reply) == 0);
	if (reply.kind == WIRE_REPLY_GATE && client->replies[WIRE_REPLY_GATE] < GATES)
		client->gate_subjects[client->replies[WIRE_REPLY_GATE]] = subject_of(reply.answer.pid);
	client->replies[reply.kind]++;
	if (reply.kind == WIRE_REPLY_ANSWER || reply.kind == WIRE_REPLY_LIST)
		check_verdict(&reply.answer);
}

/* Returns whether anything came. */
static bool read_some(struct client *client, size_t most)
{
	size_t room = sizeof(client->heard) - client->heard_len, len;
	ssize_t n;
	int fd;

	if (client->fd < 0)
		return false;
	n = sock_recv_fd(client->fd, client->heard + client->heard_len, most < room ? most : room, &fd);
	if (fd >= 0)
		keep_gate(client, fd);
	if (n <= 0)
		return false;
	client->heard_len += (size_t)n;
	for (char *at = client->heard; (len = wire_line(at, client->heard_len)) > 0;) {
		take_line(client, at, len);
		client->heard_len -= len;
		memmove(at, at + len, client->heard_len);
	}
	fuzz_check(client->heard_len < WIRE_REPLY_MAX);
	return true;
}

/* A line that was sent in part is no request. */
static void note(struct client *client, const char *bytes, size_t len)
{
	if (client->said_len + len > sizeof(client->said)) {
		client->lost_track = true;
		return;
	}
	memcpy(client->said + client->said_len, bytes, len);
	client->said_len += len;
}

static void say(struct client *client, const char *bytes, size_t len)
{
	const ssize_t n = client->fd < 0 || client->half_closed ? 0 : sock_send(client->fd, bytes, len);

	if (n > 0)
		note(client, bytes, (size_t)n);
	client->lost_track |= n < 0;
}

static void request(struct client *client, struct fuzz_input *input)
{
	const unsigned what = fuzz_byte(input), who = fuzz_byte(input);
	const struct subject *subject = &subjects[who % PROCESSES];
	struct wire_request request = {
	    .verb = (enum wire_verb)(what % (WIRE_PING + 1)), .version = WIRE_VERSION};
	char line[WIRE_REQUEST_MAX];

	if (request.verb == WIRE_WAIT && (who & 64) != 0)
		request.verb = WIRE_END;
	if (request.verb == WIRE_QUERY || request.verb == WIRE_WAIT || request.verb == WIRE_GATE ||
	    request.verb == WIRE_CANCEL || request.verb == WIRE_END)
		request.pid = subject->pid;
	if (request.verb != WIRE_CANCEL && request.pid != 0 && (who & 4) != 0)
		request.start = (who & 8) != 0 ? 1 : subject->start;
	request.has_ms = request.verb == WIRE_WAIT && (who & 16) != 0;
	request.ms = (who & 32) != 0 ? 100000 : 0;
	say(client, line, wire_write_request(line, sizeof(line), &request));
}

/* Numbers of processes cannot be in a corpus. */
static void say_bytes(struct client *client, struct fuzz_input *input)
{
	const unsigned most = fuzz_byte(input);
	char text[2048];
	size_t len, count = 0;
	const char *bytes = fuzz_bytes(input, most, &len);

	for (size_t i = 0; i < len && count + 24 < sizeof(text); i++) {
		const unsigned c = (unsigned char)bytes[i];
		const struct subject *subject = &subjects[c % PROCESSES];

		if (c >= START_BYTE && c < START_BYTE + PROCESSES)
			count += (size_t)snprintf(text + count, 24, "%" PRIu64, subject->start);
		else if (c >= PID_BYTE && c < PID_BYTE + PROCESSES)
			count += (size_t)snprintf(text + count, 24, "%ld", (long)subject->pid);
		else
			text[count++] = bytes[i];
	}
	say(client, text, count);
}

static void say_with_descriptor(struct client *client, struct fuzz_input *input)
{
	const int fd = fuzz_descriptor(fuzz_byte(input));

	if (client->fd >= 0 && !client->half_closed && sock_refuses_fds(client->fd))
		client->lost_track |= !fuzz_send(client->fd, "PING\n", 5, &fd, 1);
	else
		close(fd);
}

static void marker_name(const struct subject *subject, char path[128])
{
	snprintf(path, 128, "%s/r-%ld", fuzz_dir(), (long)subject->pid);
}

static void mark(struct subject *subject, unsigned how)
{
	const struct timespec old[2] = {{1, 0}, {1, 0}};
	char path[128];
	int fd;

	marker_name(subject, path);
	if (how == 0) {
		(void)unlink(path);
		(void)rmdir(path);
		return;
	}
	if (how == 1) {
		(void)mkdir(path, 0700);
		return;
	}
	if (how == 2) {
		subject->had_link |= symlink("/", path) == 0;
		return;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return;
	if (how != 3)
		fuzz_check(write(fd, "r", 1) == 1);
	if (how == 4)
		fuzz_check(fchown(fd, 65533, 65533) == 0 || errno == EPERM);
	if (how == 5)
		(void)futimens(fd, old);
	close(fd);
	subject->was_marked = true;
}

static void unmark_all(void)
{
	for (int i = 0; i < PROCESSES; i++) {
		mark(&subjects[i], 0);
		subjects[i].was_marked = subjects[i].had_link = false;
	}
}

/* What the clock, the kernel or an administrator does. */
static void stir(unsigned what)
{
	switch (what) {
	case 0:
	case 1:
		on_tick(what == 0, server);
		break;
	case 2:
		on_rescan(server);
		break;
	case 3:
		on_hangup(SIGHUP, server);
		break;
	case 4:
		on_behind(server);
		break;
	case 5:
	case 6:
		on_late_view(subjects[what - 5].pid, server);
		break;
	case 7:
		on_hints_lost(server);
		break;
	}
}

static void leave(struct client *client, bool half)
{
	if (client->fd < 0)
		return;
	if (half) {
		shutdown(client->fd, SHUT_WR);
		client->half_closed = true;
		return;
	}
	close(client->fd);
	client->fd = -1;
}

static void act(struct fuzz_input *input)
{
	const unsigned what = fuzz_byte(input), which = what / 16 % CLIENTS;
	struct client *client = &clients[which];

	switch (what % 16) {
	case 0:
	case 1:
	case 2:
	case 3:
		connect_client(which);
		request(client, input);
		break;
	case 4:
		say_bytes(client, input);
		break;
	case 5:
		(void)read_some(client, fuzz_byte(input) * 16 + 1);
		break;
	case 6:
		leave(client, what >= 128);
		break;
	case 7:
		connect_client(which);
		break;
	case 8:
	case 9:
		mark(&subjects[which], fuzz_below(input, 8));
		break;
	case 10:
	case 11:
		loop_turn(server->loop, false);
		break;
	case 12:
		turn();
		break;
	case 13:
		stir(fuzz_below(input, 8));
		break;
	case 14:
		if (what >= 192)
			end_subject(&subjects[which]);
		break;
	case 15:
		say_with_descriptor(client, input);
		break;
	}
}

/* Reads all until nothing comes any more. */
static void drain(void)
{
	bool any;

	do {
		turn();
		any = false;
		for (int i = 0; i < CLIENTS; i++)
			any |= read_some(&clients[i], SIZE_MAX);
	} while (any);
}

/* The replies that the requests of this client have, by their kinds; for a WAIT, there may be one. */
static void check_replies(const struct client *client)
{
	unsigned due[WIRE_REPLY_ERROR + 1] = {0}, answered = 0, waits = 0;
	const unsigned *got = client->replies;
	struct wire_request request;
	const char *at = client->said;
	size_t left = client->said_len, len;

	for (; (len = wire_line(at, left)) > 0; at += len, left -= len) {
		if (len > WIRE_REQUEST_MAX)
			return;
		if (wire_parse_request(at, len, &request) != WIRE_OK || request.verb == WIRE_QUERY ||
		    request.verb == WIRE_GATE)
			answered++;
		else if (request.verb == WIRE_WAIT || request.verb == WIRE_END)
			waits++;
		else
			due[request.verb == WIRE_HELLO	  ? WIRE_REPLY_HELLO
			    : request.verb == WIRE_CANCEL ? WIRE_REPLY_CANCELLED
			    : request.verb == WIRE_LIST	  ? WIRE_REPLY_END
			    : request.verb == WIRE_STATS  ? WIRE_REPLY_STATS
							  : WIRE_REPLY_PONG]++;
	}
	if (left >= WIRE_REQUEST_MAX)
		return;
	fuzz_check(got[WIRE_REPLY_HELLO] == due[WIRE_REPLY_HELLO]);
	fuzz_check(got[WIRE_REPLY_CANCELLED] == due[WIRE_REPLY_CANCELLED]);
	fuzz_check(got[WIRE_REPLY_END] == due[WIRE_REPLY_END]);
	fuzz_check(got[WIRE_REPLY_STATS] == due[WIRE_REPLY_STATS]);
	fuzz_check(got[WIRE_REPLY_PONG] == due[WIRE_REPLY_PONG]);
	fuzz_check(client->gates == got[WIRE_REPLY_GATE]);
	answered -= got[WIRE_REPLY_ANSWER] + got[WIRE_REPLY_ERROR] + got[WIRE_REPLY_GATE];
	fuzz_check((int)answered <= 0 && (int)answered >= -(int)waits);
}

static void check_all_replies(void)
{
	for (int i = 0; i < CLIENTS; i++)
		if (clients[i].fd >= 0 && !clients[i].lost_track && server->connections.dropped == 0 &&
		    server->refused == 0)
			check_replies(&clients[i]);
}

static void check_nothing_is_left(void)
{
	struct registry_counts counts;

	for (int i = 0; i < CLIENTS; i++)
		leave(&clients[i], false);
	turn();
	registry_count(server->tracker.registry, &counts);
	fuzz_check(server->connections.count == 0);
	fuzz_check(counts.waits == server->gates.count);
}

static void one(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	const unsigned how = fuzz_byte(&input);
	sigset_t signals;

	sigprocmask(SIG_SETMASK, NULL, &signals);
	sees_proc = how / 2 % 16 == 1;
	inotify_begin(true);
	start_server();
	server->requests.hides = how % 2 == 1;
	while (input.left > 0)
		act(&input);
	drain();
	check_all_replies();
	check_all_gates();
	check_nothing_is_left();
	tear_down(server);
	sigprocmask(SIG_SETMASK, &signals, NULL);
	close(listening);
	fuzz_check(server->quota.users == NULL);
	xalloc_free(server);
	unmark_all();
	revive_subjects();
}

const struct fuzz_target fuzz_target = {.name = "daemon", .begin = begin, .one = one};
