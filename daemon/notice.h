/*
 * A short message to the supervisor: into a descriptor, or as a datagram to a socket. It never blocks, and a
 * full pipe or queue does not lose it: it is then sent from the event loop, once there is room. A supervisor
 * on the host gets it by vsock, as a packet or, where it accepts streams only, as lines.
 */
#ifndef DAEMON_NOTICE_H
#define DAEMON_NOTICE_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_fd;
struct loop_timer;

struct notice {
	struct loop *loop;	 /* NULL: the message is sent at once or lost */
	const char *text, *next; /* next: a message that follows it; or NULL */
	const char *to;		 /* for the log; the address of a socket, "@name" if it is abstract, or
				  * "vsock:CID:PORT" */
	int kind;		 /* of a vsock, SOCK_SEQPACKET or SOCK_STREAM; 0: it is none */
	int fd;			 /* -1: none, or no socket yet */
	bool is_delayed;
	struct loop_fd *room;
	struct loop_timer *retry;
	int64_t delay; /* of retry */
};

/* Sends text to the socket of this address. Both must outlive the notice. */
void notice_send(struct notice *notice, struct loop *loop, const char *text, const char *address);
/* The same for two messages, of which the second is not sent before the first. */
void notice_send_both(
    struct notice *notice, struct loop *loop, const char *text, const char *next, const char *address);
/* Writes text into fd, which is then closed. The log calls the receiver `to`, which must outlive the notice.
 */
void notice_write(struct notice *notice, struct loop *loop, const char *text, int fd, const char *to);

/* Drops what has not been sent yet. A notice of zeroes is one that was never sent. */
void notice_fini(struct notice *notice);

#endif
