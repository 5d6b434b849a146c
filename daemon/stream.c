#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/reserve.h"
#include "daemon/stream.h"
#include "daemon/xalloc.h"
#include "src/sock.h"
#include "src/wire.h"

/* Between two attempts to open it; each delay is twice the last one. */
#define AGAIN_LEAST_MS 10
#define AGAIN_MOST_MS  1000

#define GREETING "HELLO"

struct stream {
	struct loop *loop;
	const char *path;
	void (*on_session)(int fd, void *context);
	void *context;
	int fd;		/* of the stream, -1: it is not open */
	bool outlasts;	/* its other side may close and open again */
	int session;	/* our end of the socket pair, -1: none */
	bool in_a_line; /* a part of the line that comes next has been copied */
	struct loop_fd *readable, *writable, *session_readable, *session_writable;
	struct loop_timer *again;
	int64_t delay;	/* of again, the last one */
	int last_error; /* to log a lasting state only once */
	size_t in_len, out_len;
	char in[4096], out[4096]; /* not copied yet: to the session, to the stream */
};

static void end_session(struct stream *stream)
{
	loop_fd_free(stream->session_readable);
	loop_fd_free(stream->session_writable);
	stream->session_readable = stream->session_writable = NULL;
	if (stream->session >= 0)
		close(stream->session);
	stream->session = -1;
}

static void close_stream(struct stream *stream)
{
	loop_fd_free(stream->readable);
	loop_fd_free(stream->writable);
	stream->readable = stream->writable = NULL;
	if (stream->fd >= 0)
		close(stream->fd);
	stream->fd = -1;
}

/* The device of a port may come later under the name, so it is tried again whatever it is. */
static const char *describe(int error)
{
	if (error == ENODEV || error == EPERM)
		return "it is neither a character device that has events nor a socket";
	return strerror(error);
}

/* error 0: its other side has closed it. */
static void try_again(struct stream *stream, int error)
{
	close_stream(stream);
	if (error != 0 && error != stream->last_error)
		log_warning("the stream %s cannot be used: %s; trying again", stream->path, describe(error));
	if (error != 0)
		stream->last_error = error;
	stream->delay = stream->delay == 0 ? AGAIN_LEAST_MS : 2 * stream->delay;
	if (stream->delay > AGAIN_MOST_MS)
		stream->delay = AGAIN_MOST_MS;
	loop_timer_start(stream->again, stream->delay);
}

/* The port of a virtual machine is readable as long as its other side is closed, and tells by an event when
 * it is opened. Anything else does not come back. */
static void hang_up(struct stream *stream, int error)
{
	end_session(stream);
	stream->in_len = stream->out_len = 0;
	stream->in_a_line = false;
	loop_fd_stop(stream->writable);
	if (error != 0 || !stream->outlasts)
		try_again(stream, error);
	else
		loop_fd_start(stream->readable);
}

static void flush(struct stream *stream)
{
	const ssize_t n = write(stream->fd, stream->out, stream->out_len);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		hang_up(stream, errno);
		return;
	}
	if (n > 0) {
		stream->out_len -= (size_t)n;
		memmove(stream->out, stream->out + n, stream->out_len);
	}
	if (stream->out_len > 0)
		loop_fd_start(stream->writable);
	else
		loop_fd_stop(stream->writable);
	if (stream->session < 0)
		return;
	if (stream->out_len > 0)
		loop_fd_stop(stream->session_readable);
	else
		loop_fd_start(stream->session_readable);
}

static void on_writable(int fd, void *context)
{
	(void)fd;
	flush(context);
}

static void copy_in(struct stream *stream);

/* Only while there is nothing to flush. The daemon ends a session that it has no room for, or whose client
 * does not read; what it has said until then is still sent. */
static void on_session_readable(int fd, void *context)
{
	struct stream *stream = context;
	const ssize_t n =
	    recv(fd, stream->out + stream->out_len, sizeof(stream->out) - stream->out_len, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end_session(stream);
		loop_fd_start(stream->readable);
		copy_in(stream);
		return;
	}
	stream->out_len += (size_t)n;
	flush(stream);
}

static void on_session_writable(int fd, void *context)
{
	struct stream *stream = context;

	(void)fd;
	loop_fd_stop(stream->session_writable);
	loop_fd_start(stream->readable);
	copy_in(stream);
}

/* False: no descriptor is left. */
static bool open_pair(int ends[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
		return false;
	if (reserve_allows(ends[0]) && reserve_allows(ends[1]))
		return true;
	close(ends[0]);
	close(ends[1]);
	return false;
}

static void begin_session(struct stream *stream)
{
	int ends[2];

	end_session(stream);
	stream->out[0] = '\n';
	stream->out_len = 1;
	if (!open_pair(ends))
		return;
	stream->session = ends[0];
	stream->session_readable =
	    loop_fd_new(stream->loop, stream->session, LOOP_READ, on_session_readable, stream);
	stream->session_writable =
	    loop_fd_new(stream->loop, stream->session, LOOP_WRITE, on_session_writable, stream);
	loop_fd_start(stream->session_readable);
	stream->on_session(ends[1], stream->context);
}

/* The length of what can be copied now: a line, or a part of one that is too long, or of which a part was
 * copied before. */
static size_t next_piece(const struct stream *stream)
{
	const size_t line = wire_line(stream->in, stream->in_len);

	if (line > 0)
		return line;
	return stream->in_a_line || stream->in_len >= WIRE_REQUEST_MAX ? stream->in_len : 0;
}

static bool is_greeting(const struct stream *stream, size_t len)
{
	return !stream->in_a_line && len > strlen(GREETING) &&
	       memcmp(stream->in, GREETING, strlen(GREETING)) == 0;
}

/* How many bytes the session, or nothing, has taken; 0: it takes none now. One that the daemon has ended may
 * still be read, so it ends when that is done. */
static size_t give(struct stream *stream, size_t len)
{
	ssize_t n = stream->session < 0 ? (ssize_t)len : sock_send(stream->session, stream->in, len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return n < 0 ? len : (size_t)n;
}

/* False: the session takes nothing more now. */
static bool copy_lines(struct stream *stream)
{
	size_t len, taken;

	while ((len = next_piece(stream)) > 0) {
		if (is_greeting(stream, len))
			begin_session(stream);
		taken = give(stream, len);
		if (taken == 0)
			return false;
		stream->in_a_line = stream->in[taken - 1] != '\n';
		stream->in_len -= taken;
		memmove(stream->in, stream->in + taken, stream->in_len);
	}
	return true;
}

/* The event comes once for each change, so all is read that is there. */
static void copy_in(struct stream *stream)
{
	ssize_t n;

	while (copy_lines(stream)) {
		if (stream->fd < 0)
			return;
		n = read(stream->fd, stream->in + stream->in_len, sizeof(stream->in) - stream->in_len);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n == 0 || (n < 0 && errno != EINTR)) {
			hang_up(stream, n == 0 ? 0 : errno);
			return;
		}
		stream->delay = 0;
		stream->in_len += n < 0 ? 0 : (size_t)n;
	}
	loop_fd_stop(stream->readable);
	loop_fd_start(stream->session_writable);
}

static void on_readable(int fd, void *context)
{
	(void)fd;
	copy_in(context);
}

/* A terminal would echo what it gets, and wait for whole lines. */
static bool make_raw(int fd)
{
	struct termios settings;

	if (tcgetattr(fd, &settings) != 0)
		return false;
	cfmakeraw(&settings);
	settings.c_cflag |= CLOCAL | CREAD;
	(void)tcsetattr(fd, TCSANOW, &settings);
	return true;
}

/* A FIFO would give us back what we write. */
static int open_device(struct stream *stream)
{
	const int fd = open(stream->path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	stream->outlasts = false;
	if (fd < 0)
		return errno == ENXIO ? sock_connect(stream->path) : -1;
	if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode)) {
		stream->outlasts = !make_raw(fd) && loop_has_edges(stream->loop);
		return fd;
	}
	close(fd);
	errno = ENODEV;
	return -1;
}

static void open_stream(struct stream *stream)
{
	const unsigned edge = loop_has_edges(stream->loop) ? LOOP_EDGE : 0;

	stream->fd = open_device(stream);
	if (stream->fd < 0) {
		try_again(stream, errno);
		return;
	}
	stream->readable = loop_fd_new(stream->loop, stream->fd, LOOP_READ | edge, on_readable, stream);
	stream->writable = loop_fd_new(stream->loop, stream->fd, LOOP_WRITE | edge, on_writable, stream);
	if (loop_fd_try_start(stream->readable) != 0) {
		try_again(stream, errno);
		return;
	}
	if (stream->last_error != 0)
		log_info("the stream %s can be used", stream->path);
	stream->last_error = 0;
}

static void on_again(void *context)
{
	open_stream(context);
}

struct stream *stream_new(
    struct loop *loop, const char *path, void (*on_session)(int fd, void *context), void *context)
{
	struct stream *stream = xalloc_new(sizeof(*stream));

	stream->loop = loop;
	stream->path = path;
	stream->on_session = on_session;
	stream->context = context;
	stream->fd = stream->session = -1;
	stream->again = loop_timer_new(loop, on_again, stream);
	open_stream(stream);
	return stream;
}

void stream_free(struct stream *stream)
{
	if (stream == NULL)
		return;
	end_session(stream);
	close_stream(stream);
	loop_timer_free(stream->again);
	xalloc_free(stream);
}
