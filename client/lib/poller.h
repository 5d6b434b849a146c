/*
 * The descriptors that are slept on, and one deadline. Few of them are polled directly: in a crowd of waiters
 * that is woken at once this saves a system call each, and the waking side a second queue. More are kept in
 * an epoll, and so are few when the caller wants one descriptor for all of them.
 */
#ifndef CLIENT_LIB_POLLER_H
#define CLIENT_LIB_POLLER_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

/* A connection, a directory, and pidfd and gate of each of eight processes. */
#define POLLER_FEW    (2 + 2 * 8)
#define POLLER_EVENTS 64

struct poller_event {
	uint64_t tag;  /* as given to poller_add() */
	uint32_t bits; /* as in poll(2) */
};

struct poller {
	int epoll, timer; /* -1 until they are needed */
	long limit;	  /* of descriptors; 0: not read yet */
	int64_t deadline; /* on CLOCK_MONOTONIC in ms, 0: none */
	nfds_t count;	  /* of the table, which is empty once there is an epoll */
	struct pollfd fds[POLLER_FEW];
	uint64_t tags[POLLER_FEW];
};

void poller_init(struct poller *poller);
/* Closes its own descriptors only. First of all, before anything is removed: in a forked child the epoll is
 * the parent's too. */
void poller_fini(struct poller *poller);

/* One descriptor that is readable when there are events or the deadline has passed. -1: errno. */
int poller_fd(struct poller *poller);

/* Watches a descriptor from now on. bits as in poll(2). -1: errno. */
int poller_add(struct poller *poller, int fd, uint32_t bits, uint64_t tag);
void poller_change(struct poller *poller, int fd, uint32_t bits, uint64_t tag);
/* A descriptor that stays open, or whose open file other processes share. Unknown ones are ignored. */
void poller_remove(struct poller *poller, int fd);
/* A descriptor that is closed right now and shared with no other process: the kernel takes it out of the
 * epoll. */
void poller_forget(struct poller *poller, int fd);

/* at: on CLOCK_MONOTONIC in ms, 0: none. */
void poller_set_deadline(struct poller *poller, int64_t at);

/* Sleeps until there is an event or the deadline, and at most timeout_ms (-1: no limit). Fills
 * events[0..POLLER_EVENTS) and returns how many there are; the deadline is not among them. -1: errno. */
int poller_wait(struct poller *poller, int64_t now, int timeout_ms, struct poller_event *events);

/* Whether so few descriptors are left above fd that it should be closed again: some are kept for the daemon
 * and the directory. */
/* What has happened to the descriptor by now, if it is POLLIN or a hang-up; 0: nothing. */
uint32_t poller_check(int fd);

bool poller_is_scarce(struct poller *poller, int fd);

#endif
