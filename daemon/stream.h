/*
 * One stream to another kernel, as the port of a virtual machine (--stream): a character device, or a socket
 * that is connected to. It is opened as long as the daemon runs, and each client that comes through it has a
 * session, which the server sees as a connection of its own: a socket pair, between which and the stream this
 * module copies.
 *
 * Nothing in a stream says where one client ends and the next begins, so the lines do: one that begins with
 * HELLO begins a session and ends the one before. What comes before the first HELLO is dropped, and a
 * session's output begins with an empty line, which ends what the one before has left.
 */
#ifndef DAEMON_STREAM_H
#define DAEMON_STREAM_H

struct loop;
struct stream;

/* on_session() takes over fd, which is non-blocking. A stream that cannot be opened is tried again, at
 * growing intervals of at most a second. path must outlive the stream. */
struct stream *stream_new(
    struct loop *loop, const char *path, void (*on_session)(int fd, void *context), void *context);
/* NULL: nothing to do. */
void stream_free(struct stream *stream);

#endif
