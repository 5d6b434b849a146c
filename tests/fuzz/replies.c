/*
 * The parser of replies: lines as a daemon may send them. What it accepts, it writes again and reads the
 * same; and bytes that come in pieces are read as those that come at once.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "client/lib/daemon_stream.h"
#include "src/wire.h"
#include "tests/fuzz/fuzz.h"

static bool is_same_answer(const struct readyd_answer *a, const struct readyd_answer *b)
{
	return a->pid == b->pid && a->verdict == b->verdict && a->reason == b->reason &&
	       a->flags == b->flags && a->wait_status == b->wait_status && a->start == b->start;
}

static bool is_same_hello(const struct wire_hello *a, const struct wire_hello *b)
{
	return a->epoch == b->epoch && a->pidns == b->pidns && a->timens == b->timens && a->dev == b->dev &&
	       a->ino == b->ino && strcmp(a->place.dir, b->place.dir) == 0 &&
	       strcmp(a->place.prefix, b->place.prefix) == 0;
}

static bool is_same_event(const struct readyd_event *a, const struct readyd_event *b)
{
	return a->change == b->change && a->epoch == b->epoch && a->seq == b->seq && a->pid == b->pid &&
	       a->start == b->start && a->verdict == b->verdict && a->reason == b->reason;
}

/* Whether both mean the same, as far as the writer of that line writes it. */
static bool is_same(const struct wire_reply *a, const struct wire_reply *b)
{
	const unsigned hidden = READYD_FLAG_STATUS_HIDDEN;

	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case WIRE_REPLY_HELLO:
		return is_same_hello(&a->hello, &b->hello);
	case WIRE_REPLY_ANSWER:
	case WIRE_REPLY_LIST:
		return is_same_answer(&a->answer, &b->answer);
	case WIRE_REPLY_GATE:
		return a->answer.pid == b->answer.pid && a->answer.start == b->answer.start &&
		       (a->answer.flags & hidden) == (b->answer.flags & hidden);
	case WIRE_REPLY_CANCELLED:
		return a->answer.pid == b->answer.pid && a->count == b->count;
	case WIRE_REPLY_END:
		return a->count == b->count;
	case WIRE_REPLY_STATS:
		return a->text_len == b->text_len && memcmp(a->text, b->text, a->text_len) == 0;
	case WIRE_REPLY_PONG:
		return true;
	case WIRE_REPLY_ERROR:
		return a->error == b->error && a->answer.pid == b->answer.pid;
	case WIRE_REPLY_EVENT:
		return is_same_event(&a->event, &b->event);
	}
	return false;
}

static size_t write_reply(char *line, const struct wire_reply *reply)
{
	char text[WIRE_REPLY_MAX];

	switch (reply->kind) {
	case WIRE_REPLY_HELLO:
		return wire_write_hello(line, WIRE_REPLY_MAX, &reply->hello);
	case WIRE_REPLY_ANSWER:
		return wire_write_answer(line, WIRE_REPLY_MAX, &reply->answer);
	case WIRE_REPLY_GATE:
		return wire_write_gate(line, WIRE_REPLY_MAX, &reply->answer);
	case WIRE_REPLY_CANCELLED:
		return wire_write_cancelled(line, WIRE_REPLY_MAX, reply->answer.pid, reply->count);
	case WIRE_REPLY_LIST:
		return wire_write_list(line, WIRE_REPLY_MAX, &reply->answer);
	case WIRE_REPLY_END:
		return wire_write_end(line, WIRE_REPLY_MAX, reply->count);
	case WIRE_REPLY_STATS:
		memcpy(text, reply->text, reply->text_len);
		text[reply->text_len] = '\0';
		return wire_write_stats(line, WIRE_REPLY_MAX, text);
	case WIRE_REPLY_PONG:
		return wire_write_pong(line, WIRE_REPLY_MAX);
	case WIRE_REPLY_ERROR:
		return wire_write_error(line, WIRE_REPLY_MAX, reply->error, reply->answer.pid);
	case WIRE_REPLY_EVENT:
		return wire_write_event(line, WIRE_REPLY_MAX, &reply->event);
	}
	return 0;
}

/* A text with a NUL, a carriage return at its end or more than a line takes is not written by any daemon. */
static bool is_writable(const struct wire_reply *reply)
{
	if (reply->kind != WIRE_REPLY_STATS || reply->text_len == 0)
		return true;
	return reply->text_len < WIRE_REPLY_MAX - 16 && memchr(reply->text, '\0', reply->text_len) == NULL &&
	       reply->text[reply->text_len - 1] != '\r';
}

static bool has_key(const char *line, size_t len, const char *key)
{
	const size_t count = strlen(key);

	for (size_t i = 0; i + count <= len; i++)
		if (strncasecmp(line + i, key, count) == 0)
			return true;
	return false;
}

/* A process has exited with a status if the line says so, not by what else it says. */
static void check_status(const char *line, size_t len, int status)
{
	fuzz_check(status >= -1 && status <= 0xffff);
	fuzz_check(status < 0 || !WIFEXITED(status) || has_key(line, len, "status="));
	fuzz_check(status < 0 || !WIFSIGNALED(status) || has_key(line, len, "signal="));
}

static void check_reply(const char *line, size_t len, const struct wire_reply *reply)
{
	struct wire_reply again;
	char written[WIRE_REPLY_MAX];
	size_t count;

	if (reply->kind == WIRE_REPLY_ANSWER || reply->kind == WIRE_REPLY_LIST ||
	    reply->kind == WIRE_REPLY_GATE) {
		fuzz_check(reply->answer.pid > 0);
		check_status(line, len, reply->answer.wait_status);
	}
	if (!is_writable(reply))
		return;
	count = write_reply(written, reply);
	fuzz_check(count > 1 && count <= sizeof(written));
	fuzz_check(wire_line(written, count) == count);
	fuzz_check(wire_parse_reply(written, count, &again) == 0);
	fuzz_check(is_same(reply, &again));
}

/* Returns whether the line is a reply. */
static bool check_line(const char *bytes, size_t len)
{
	char *line = fuzz_copy(bytes, len);
	struct wire_reply reply;
	bool good;

	memset(&reply, 0xff, sizeof(reply));
	good = wire_parse_reply(line, len, &reply) == 0;
	if (good)
		check_reply(line, len, &reply);
	free(line);
	return good;
}

/* The replies up to the first line that is none. A GATE without a descriptor is none either, and where a line
 * is longer than a reply, it depends on the pieces when that is seen. */
static size_t count_replies(const char *at, size_t size)
{
	size_t count = 0, len;
	struct wire_reply reply;

	for (; (len = wire_line(at, size)) > 0; at += len, size -= len, count++)
		if (len > WIRE_REPLY_MAX || wire_parse_reply(at, len, &reply) != 0 ||
		    reply.kind == WIRE_REPLY_GATE)
			break;
	return count;
}

static size_t count_in_pieces(struct fuzz_input *input, size_t piece)
{
	char *buffer = malloc(DAEMON_STREAM_SIZE), *to;
	struct daemon_stream stream;
	struct wire_reply reply;
	size_t count = 0, room, n;
	const char *bytes;
	int got = 0, fd;

	daemon_stream_init(&stream, buffer);
	while (got == 0 && input->left > 0 && (room = daemon_stream_room(&stream, &to)) > 0) {
		bytes = fuzz_bytes(input, piece < room ? piece : room, &n);
		memcpy(to, bytes, n);
		fuzz_check(daemon_stream_feed(&stream, n, -1) == 0);
		while ((got = daemon_stream_next(&stream, &reply, &fd)) == 1) {
			fuzz_check(fd == -1);
			count++;
		}
	}
	free(buffer);
	return count;
}

static bool has_long_line(const char *at, size_t size)
{
	size_t len;

	for (; (len = wire_line(at, size)) > 0; at += len, size -= len)
		if (len > WIRE_REPLY_MAX)
			return true;
	return size >= WIRE_REPLY_MAX;
}

static void one(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	const size_t piece = fuzz_byte(&input) + 1;
	const char *at = (const char *)input.at, *all = at;
	size_t left = input.left, len;

	for (; left > 0; at += len, left -= len) {
		len = wire_line(at, left);
		len = len > 0 ? len : left;
		check_line(at, len);
	}
	if (!has_long_line(all, input.left))
		fuzz_check(count_replies(all, input.left) == count_in_pieces(&input, piece));
}

const struct fuzz_target fuzz_target = {.name = "replies", .one = one};
