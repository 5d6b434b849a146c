#include "config.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl/disagreement.h"
#include "client/ctl/usage.h"
#include "src/clock.h"
#include "src/escape.h"
#include "src/process.h"
#include "src/sock.h"
#include "src/wire.h"

#define ANSWER_MS 1000

/* The length of the first line; 0: none has come. */
static size_t read_line(int fd, char *line, size_t size)
{
	const int64_t by = clock_ms() + ANSWER_MS;
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	size_t len = 0;
	int64_t left;
	ssize_t n;

	while (wire_line(line, len) == 0 && len < size && (left = by - clock_ms()) > 0) {
		if (poll(&poll_fd, 1, (int)left) <= 0)
			continue;
		n = sock_recv_bytes(fd, line + len, size - len);
		if (n <= 0)
			return 0;
		len += (size_t)n;
	}
	return wire_line(line, len);
}

static bool ask(const char *path, struct wire_reply *reply)
{
	const struct wire_request hello = {.verb = WIRE_HELLO};
	char line[WIRE_REPLY_MAX];
	size_t len = wire_write_request(line, sizeof(line), &hello);
	const int fd = sock_connect(path);
	bool answers;

	if (fd < 0)
		return false;
	answers = sock_send(fd, line, len) == (ssize_t)len && (len = read_line(fd, line, sizeof(line))) > 0 &&
		  wire_parse_reply(line, len, reply) == 0 && reply->kind == WIRE_REPLY_HELLO;
	sock_close(fd);
	return answers;
}

static bool is_another_namespace(uint64_t its, const char *kind)
{
	const uint64_t own = process_own_namespace(kind);

	return its != 0 && own != 0 && its != own;
}

/* In the order in which the library compares. */
static void compare(const struct command_line *line, const struct wire_hello *its, char *text, size_t size)
{
	const char *prefix = line->options.prefix, *variable = secure_getenv("READYD_DIR");
	const bool by_variable = line->options.dir == NULL && variable != NULL && variable[0] != '\0';
	const char *dir = by_variable ? variable : line->options.dir;
	char name[4 * MARKER_DIR_SIZE];

	escape_text(name, sizeof(name), its->place.dir);
	if (is_another_namespace(its->pidns, "pid"))
		snprintf(text, size,
		    "the daemon is in another pid namespace, where pids are those of other "
		    "processes; run readyctl there, or a daemon here");
	else if (is_another_namespace(its->timens, "time"))
		snprintf(text, size,
		    "the daemon is in another time namespace, where processes have other "
		    "starts; run readyctl there, or a daemon here");
	else if (prefix != NULL && strcmp(prefix, its->place.prefix) != 0)
		snprintf(text, size,
		    "the markers of the daemon have another prefix; omit --prefix, or see "
		    "--prefix in readyd(8)");
	else if (dir != NULL && strcmp(dir, its->place.dir) != 0)
		snprintf(text, size, "the daemon serves %s, not the directory of %s; %s", name,
		    by_variable ? "READYD_DIR" : "--dir", by_variable ? "unset it" : "omit it");
	else
		snprintf(text, size,
		    "%s is another directory for the daemon, which has another root or "
		    "other mounts; run readyctl where the daemon runs",
		    name);
}

void disagreement_describe(const struct command_line *line, char *text, size_t size)
{
	struct wire_reply reply;

	if (ask(sock_path(usage_socket(&line->options)), &reply))
		compare(line, &reply.hello, text, size);
	else
		snprintf(text, size,
		    "the daemon serves another directory, or is in another pid or time "
		    "namespace; see --dir");
}
