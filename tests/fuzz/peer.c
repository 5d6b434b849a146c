#include "config.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "src/process.h"
#include "src/sock.h"
#include "src/wire.h"
#include "tests/fuzz/peer.h"

/* Above the largest possible pid_max. */
#define UNUSED_PID 0x7ffffffe
/* In bytes of a script, these and those that follow stand for the pid and for the start of a process. */
#define PID_BYTE   0xf0
#define START_BYTE 0xf4

static pid_t start_child(void)
{
	const pid_t parent = getpid(), pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == parent)
		pause();
	_exit(1);
}

static struct peer_process process_of(pid_t pid)
{
	struct peer_process process = {pid, 0};

	fuzz_check(process_start_of(pid, &process.start));
	return process;
}

static void listen_somewhere(struct peer *peer)
{
	struct sockaddr_un addr;
	socklen_t len;

	snprintf(peer->socket, sizeof(peer->socket), "@readyd-fuzz-%ld", (long)getpid());
	len = sock_address(&addr, peer->socket);
	peer->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	fuzz_check(bind(peer->listener, (struct sockaddr *)&addr, len) == 0);
	fuzz_check(listen(peer->listener, 2) == 0);
}

void peer_begin(struct peer *peer, const char *dir)
{
	memset(peer, 0, sizeof(*peer));
	peer->dir = dir;
	peer->server = -1;
	peer->processes[0] = process_of(getpid());
	peer->processes[1] = process_of(start_child());
	peer->processes[2] = (struct peer_process){UNUSED_PID, 1};
	peer->processes[3] = (struct peer_process){peer->processes[1].pid, 1};
	listen_somewhere(peer);
}

void peer_hang_up(struct peer *peer)
{
	sock_close(peer->server);
	peer->server = -1;
}

void peer_accept(struct peer *peer)
{
	const int fd = accept4(peer->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	peer_hang_up(peer);
	peer->server = fd;
}

void peer_reset(struct peer *peer)
{
	int fd;

	while ((fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		close(fd);
	peer_hang_up(peer);
	peer->told_len = 0;
	peer->told[0] = '\0';
	peer->told_all = true;
	peer->sent_byte = false;
}

bool peer_may_have_told(const struct peer *peer, const char *word)
{
	return !peer->told_all || strcasestr(peer->told, word) != NULL;
}

/* A NUL would end the text that is searched. */
static void note(struct peer *peer, const char *bytes, size_t len)
{
	for (; len > 0; len--, bytes++) {
		if (peer->told_len + 1 == sizeof(peer->told))
			peer->told_all = false;
		else
			peer->told[peer->told_len++] = (char)(*bytes != '\0' ? *bytes : ' ');
	}
	peer->told[peer->told_len] = '\0';
}

static void send_all(struct peer *peer, const char *bytes, size_t len, const int *fds, size_t count)
{
	note(peer, bytes, len);
	(void)fuzz_send(peer->server, bytes, len, fds, count);
}

/* One to four descriptors, or none. */
static size_t take_fds(struct peer *peer, struct fuzz_input *input, unsigned most, int *fds)
{
	const size_t count = most == 0 ? 0 : fuzz_below(input, most) + 1;
	struct pollfd poll_fd = {.events = POLLIN};

	for (size_t i = 0; i < count; i++) {
		poll_fd.fd = fds[i] = fuzz_descriptor(fuzz_byte(input));
		peer->sent_byte |= poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & POLLIN) != 0;
	}
	return count;
}

/* Numbers of processes cannot be in a corpus. */
static size_t fill_in(const struct peer *peer, const char *bytes, size_t len, char *out, size_t size)
{
	const struct peer_process *process;
	size_t count = 0;

	for (size_t i = 0; i < len && count + 24 < size; i++) {
		const unsigned c = (unsigned char)bytes[i];

		process = &peer->processes[c % PEER_PROCESSES];
		if (c >= START_BYTE && c < START_BYTE + PEER_PROCESSES)
			count += (size_t)snprintf(out + count, 24, "%" PRIu64, process->start);
		else if (c >= PID_BYTE && c < PID_BYTE + PEER_PROCESSES)
			count += (size_t)snprintf(out + count, 24, "%ld", (long)process->pid);
		else
			out[count++] = bytes[i];
	}
	return count;
}

static void say_bytes(struct peer *peer, struct fuzz_input *input, unsigned most_fds)
{
	char text[4096];
	int fds[4];
	size_t count = take_fds(peer, input, most_fds, fds), len;
	const unsigned wanted = fuzz_byte(input);
	const char *bytes = fuzz_bytes(input, wanted, &len);

	len = fill_in(peer, bytes, len, text, sizeof(text));
	send_all(peer, text, len, fds, count);
}

static void say_hello(struct peer *peer, const char *dir)
{
	struct wire_hello hello = {.epoch = 1, .pidns = process_own_namespace("pid")};
	char line[WIRE_REPLY_MAX];
	struct stat st = {.st_ino = 0};

	(void)stat(dir, &st);
	hello.dev = st.st_dev;
	hello.ino = st.st_ino;
	if (marker_place_init(&hello.place, dir, "r-") == 0)
		send_all(peer, line, wire_write_hello(line, sizeof(line), &hello), NULL, 0);
}

static void say_answer(struct peer *peer, struct fuzz_input *input)
{
	const struct peer_process *process = &peer->processes[fuzz_below(input, PEER_PROCESSES)];
	struct readyd_answer answer = {.pid = process->pid, .start = process->start, .wait_status = -1};
	const unsigned verdict = fuzz_byte(input);
	char line[WIRE_REPLY_MAX];

	answer.verdict = (enum readyd_verdict)(verdict % (READYD_UNREACHABLE + 1));
	answer.flags = verdict / 16;
	answer.reason = (enum readyd_reason)fuzz_below(input, READYD_REASON_CAME_AND_WENT + 1);
	send_all(peer, line, wire_write_answer(line, sizeof(line), &answer), NULL, 0);
}

static void say_gate(struct peer *peer, struct fuzz_input *input, unsigned most_fds)
{
	const struct peer_process *process = &peer->processes[fuzz_below(input, PEER_PROCESSES)];
	const struct readyd_answer answer = {.pid = process->pid, .start = process->start};
	char line[WIRE_REPLY_MAX];
	int fds[4];
	const size_t count = take_fds(peer, input, most_fds, fds);

	send_all(peer, line, wire_write_gate(line, sizeof(line), &answer), fds, count);
}

static void say_error(struct peer *peer, struct fuzz_input *input)
{
	const enum wire_error error = (enum wire_error)(fuzz_below(input, WIRE_NO_RESOURCES) + 1);
	const unsigned which = fuzz_below(input, PEER_PROCESSES + 1);
	char line[WIRE_REPLY_MAX];

	send_all(peer, line,
	    wire_write_error(
		line, sizeof(line), error, which < PEER_PROCESSES ? peer->processes[which].pid : 0),
	    NULL, 0);
}

void peer_act(struct peer *peer, struct fuzz_input *input)
{
	const unsigned what = fuzz_below(input, 12);

	peer_accept(peer);
	if (peer->server < 0)
		return;
	switch (what) {
	case 0:
		say_hello(peer, peer->dir);
		break;
	case 1:
		say_hello(peer, "/");
		break;
	case 2:
	case 3:
		say_answer(peer, input);
		break;
	case 4:
	case 5:
		say_gate(peer, input, what == 4 ? 1 : 4 * (fuzz_byte(input) % 2));
		break;
	case 6:
		say_error(peer, input);
		break;
	case 7:
		send_all(peer, "PONG\n", 5, NULL, 0);
		break;
	case 8:
	case 9:
		say_bytes(peer, input, what == 8 ? 0 : 4);
		break;
	case 10:
		shutdown(peer->server, fuzz_byte(input) % 2 == 0 ? SHUT_WR : SHUT_RD);
		break;
	case 11:
		peer_hang_up(peer);
		break;
	}
}
