#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/ctl/run_stream.h"

void run_stream_init(struct run_stream *s)
{
	*s = (struct run_stream){.from = -1, .into = -1, .to = -1};
}

/* An open file of its own, which does not block: the one that was inherited is shared, so it must not be
 * changed. A regular file does not block, and a second one would have another position. */
static int reopen(int fd, const struct stat *st)
{
	int flags = fcntl(fd, F_GETFL);
	char path[32];

	if (flags < 0 || (!S_ISFIFO(st->st_mode) && !S_ISCHR(st->st_mode)))
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, (flags & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

int run_stream_open(struct run_stream *s, int to)
{
	struct stat st = {0};
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	(void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
	s->from = ends[0];
	s->into = ends[1];
	(void)fstat(to, &st);
	s->is_socket = S_ISSOCK(st.st_mode);
	s->to = reopen(to, &st);
	s->own_to = s->to >= 0;
	if (!s->own_to)
		s->to = to;
	return 0;
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void run_stream_started(struct run_stream *s)
{
	close_end(&s->into);
}

void run_stream_close(struct run_stream *s)
{
	close_end(&s->from);
	close_end(&s->into);
	if (s->own_to)
		close_end(&s->to);
	s->count = 0;
}

void run_stream_poll(const struct run_stream *s, struct pollfd *fd)
{
	*fd = (struct pollfd){.fd = s->from, .events = POLLIN};
	if (s->count > 0)
		*fd = (struct pollfd){.fd = s->to, .events = POLLOUT};
}

/* So little that a pipe or terminal which can be written to takes it at once, where it could not be opened
 * again. */
static ssize_t put(const struct run_stream *s)
{
	size_t most = s->own_to || s->count < 512 ? s->count : 512;

	if (s->is_socket)
		return send(s->to, s->held + s->at, s->count, MSG_DONTWAIT | MSG_NOSIGNAL);
	return write(s->to, s->held + s->at, most);
}

/* Without a reader, the worker learns that from its own pipe. Any other error loses what the worker would
 * have failed to write itself. */
static void write_held(struct run_stream *s)
{
	ssize_t n = put(s);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 && errno == EPIPE)
		close_end(&s->from);
	if (n < 0)
		n = (ssize_t)s->count;
	s->at += (size_t)n;
	s->count -= (size_t)n;
}

static void read_more(struct run_stream *s)
{
	ssize_t n = read(s->from, s->held, sizeof(s->held));

	if (n > 0) {
		s->at = 0;
		s->count = (size_t)n;
		s->read += s->count;
		lines_feed(&s->lines, s->held, s->count);
	} else if (n == 0) {
		lines_end(&s->lines);
		close_end(&s->from);
	}
}

void run_stream_move(struct run_stream *s)
{
	struct pollfd out = {.fd = s->to, .events = POLLOUT};

	if (s->count == 0 && s->from >= 0)
		read_more(s);
	if (s->count > 0 && poll(&out, 1, 0) == 1)
		write_held(s);
}

uint64_t run_stream_target(const struct run_stream *s)
{
	int lies = 0;

	if (s->from >= 0)
		(void)ioctl(s->from, FIONREAD, &lies);
	return s->read + (uint64_t)lies;
}

bool run_stream_is_done(const struct run_stream *s, uint64_t target)
{
	return s->count == 0 && (s->from < 0 || s->read >= target);
}
