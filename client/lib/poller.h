/*
 * The descriptors that a caller sleeps on, and one deadline. A few descriptors are passed to poll(2)
 * directly: when thousands of waiters wake at once, this saves each of them a system call, and the process
 * that wakes them a second wait queue. An epoll instance holds them if there are more, or if the caller needs
 * a single descriptor for all.
 */
#ifndef CLIENT_LIB_POLLER_H
#define CLIENT_LIB_POLLER_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

/* The connection, the directory, and a pidfd and a gate for each of eight processes. */
#define POLLER_FEW    (2 + 2 * 8)
#define POLLER_EVENTS 64

struct poller_event {
	uint64_t tag;  /* as given to poller_add() */
	uint32_t bits; /* as in poll(2) */
};

struct poller {
	int epoll, timer; /* -1 until they are needed */
	long limit;	  /* descriptor limit of the process; 0: not read yet */
	int64_t deadline; /* on CLOCK_MONOTONIC in ms, 0: none */
	int64_t armed;	  /* the one that the timer is set to */
	bool held;
	bool shown;   /* the caller has the descriptor: only then is the timer used */
	nfds_t count; /* of the table, which is empty once there is an epoll */
	struct pollfd fds[POLLER_FEW];
	uint64_t tags[POLLER_FEW];
};

void poller_init(struct poller *poller);
/* Closes only its own descriptors. Call it before removing anything: in a forked child, the epoll instance is
 * shared with the parent. */
void poller_fini(struct poller *poller);

/* One descriptor that is readable when there are events or the deadline has passed. -1: errno. */
int poller_fd(struct poller *poller);

/* Watches a descriptor from now on. bits as in poll(2). -1: errno. */
int poller_add(struct poller *poller, int fd, uint32_t bits, uint64_t tag);
void poller_change(struct poller *poller, int fd, uint32_t bits, uint64_t tag);
/* For a descriptor that stays open, or that shares its open file description with another process. Does
 * nothing if it is not polled. */
void poller_remove(struct poller *poller, int fd);
/* For a descriptor that the caller closes next and that is not shared: the kernel then removes it from the
 * epoll instance. */
void poller_forget(struct poller *poller, int fd);

/* at: on CLOCK_MONOTONIC in ms, 0: none. */
void poller_set_deadline(struct poller *poller, int64_t at);
/* Between these two, the descriptor does not show the deadline, so one that is changed several times is set
 * once, or not at all. */
void poller_hold(struct poller *poller);
void poller_release(struct poller *poller);

/* Sleeps until an event or the deadline, at most timeout_ms (-1: no limit). Stores up to POLLER_EVENTS events
 * and returns their number; the deadline is not an event. -1: errno. */
int poller_wait(struct poller *poller, int64_t now, int timeout_ms, struct poller_event *events);

/* What has happened to the descriptor by now, if it is POLLIN or a hang-up; 0: nothing. */
uint32_t poller_check(int fd);

/* Whether fd, which was just opened, should be closed again because few descriptors are left: some are kept
 * for the connection and the directory. */
bool poller_is_scarce(struct poller *poller, int fd);

#endif
