/*
 * Fan-out: N processes wait for one worker; it writes its marker. Measures the worker's own three system
 * calls and the time until the last waiter is awake and has verified, for four ways of waiting:
 *
 *	gate     through readyd, by libreadyd
 *	send     a plain broker: one inotify watch, one send(2) to each waiter's socket
 *	inotify  each waiter has its own watch
 *	futex    the bound: the worker itself wakes all through shared memory
 *
 * Rounds of the ways take turns, so that what else the machine does hits all alike. Prints one line of
 * medians for each way.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/waiter.h"
#include "readyd/marker.h"
#include "src/marker.h"

#define MOST_WAITERS 5000
#define MOST_ROUNDS  200
/* A round that takes longer has lost a waiter. */
#define ROUND_LIMIT_NS 60000000000LL

enum way { WAY_GATE, WAY_SEND, WAY_INOTIFY, WAY_FUTEX, WAYS };
static const char *const way_names[] = {"gate", "send", "inotify", "futex"};

/* Shared by all processes of a round. */
struct shared {
	atomic_int armed, failed, awake, go;
	int64_t began, ended; /* of the worker's three calls */
	int64_t woken[MOST_WAITERS];
};

struct setup {
	const char *dir, *socket;
	int waiters;
	struct shared *shared;
	struct marker_place place;
};

struct round {
	enum way way;
	pid_t worker, pids[MOST_WAITERS + 1];
	int count, start[2], sockets[MOST_WAITERS];
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void fail(const char *what)
{
	fprintf(stderr, "fanout: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* What ends every wait, whoever woke it: the marker really is there. */
static bool verified(const struct setup *setup, pid_t worker)
{
	struct sight sight;

	marker_look(&setup->place, worker, &sight);
	return sight.kind == SIGHT_FILE;
}

static int wait_by_gate(const struct setup *setup, pid_t worker)
{
	const struct readyd_options options = {.socket = setup->socket, .dir = setup->dir};
	struct readyd_waiter *w = readyd_waiter_new(&options);
	struct readyd_answer answer;
	struct pollfd poll_fd;
	bool armed = false;
	int result;

	if (w == NULL || readyd_waiter_add(w, worker) != 0)
		return -1;
	poll_fd = (struct pollfd){.fd = readyd_waiter_fd(w), .events = POLLIN};
	while ((result = readyd_waiter_next(w, &answer)) == 0) {
		if (!armed && w->cover_count[COVER_GATE] == 1) {
			armed = true;
			setup->shared->armed++;
		}
		if (w->fallback) {
			errno = EDEADLK; /* this would measure something else */
			return -1;
		}
		poll(&poll_fd, 1, -1);
	}
	return result == 1 && answer.verdict == READYD_READY ? 0 : -1;
}

static int wait_by_send(const struct setup *setup, pid_t worker, int sock)
{
	struct pollfd poll_fd = {.fd = sock, .events = POLLIN};
	char byte;

	setup->shared->armed++;
	do {
		if (poll(&poll_fd, 1, -1) != 1 || recv(sock, &byte, 1, 0) != 1)
			return -1;
	} while (!verified(setup, worker));
	return 0;
}

static int wait_by_inotify(const struct setup *setup, pid_t worker)
{
	char buffer[4096] __attribute__((aligned(8)));
	int fd = inotify_init1(IN_CLOEXEC);

	if (fd < 0 || inotify_add_watch(fd, setup->dir, IN_CREATE | IN_MOVED_TO) < 0)
		return -1;
	setup->shared->armed++;
	while (!verified(setup, worker))
		if (read(fd, buffer, sizeof(buffer)) <= 0)
			return -1;
	return 0;
}

static int wait_by_futex(const struct setup *setup, pid_t worker)
{
	setup->shared->armed++;
	while (setup->shared->go == 0)
		syscall(SYS_futex, &setup->shared->go, FUTEX_WAIT, 0, NULL, NULL, 0);
	return verified(setup, worker) ? 0 : -1;
}

static int wait_by(const struct setup *setup, const struct round *round, int i)
{
	switch (round->way) {
	case WAY_GATE:
		return wait_by_gate(setup, round->worker);
	case WAY_SEND:
		return wait_by_send(setup, round->worker, round->sockets[i]);
	case WAY_INOTIFY:
		return wait_by_inotify(setup, round->worker);
	case WAY_FUTEX:
		return wait_by_futex(setup, round->worker);
	case WAYS:
		break;
	}
	return -1;
}

static void be_waiter(const struct setup *setup, const struct round *round, int i)
{
	if (wait_by(setup, round, i) != 0) {
		fprintf(stderr, "fanout: waiter %d (%s): %s\n", i, way_names[round->way], strerror(errno));
		setup->shared->failed++;
		_exit(1);
	}
	setup->shared->woken[i] = now_ns();
	setup->shared->awake++;
	_exit(0);
}

static void be_worker(const struct setup *setup, const struct round *round)
{
	char path[MARKER_REACH_SIZE + MARKER_PREFIX_SIZE + 16], byte;

	snprintf(path, sizeof(path), "%s/%s%ld", setup->place.dir, setup->place.prefix, (long)getpid());
	if (read(round->start[0], &byte, 1) != 1)
		_exit(1);
	setup->shared->began = now_ns();
	if (readyd_marker_write(path) != 0)
		_exit(1);
	setup->shared->ended = now_ns();
	setup->shared->go = 1;
	if (round->way == WAY_FUTEX)
		syscall(SYS_futex, &setup->shared->go, FUTEX_WAKE, MOST_WAITERS, NULL, NULL, 0);
	pause();
	_exit(0);
}

/* sockets[] holds the broker's ends here. */
static void be_broker(const struct setup *setup, const struct round *round, const int *ends)
{
	char buffer[4096] __attribute__((aligned(8)));
	int fd = inotify_init1(IN_CLOEXEC);

	if (fd < 0 || inotify_add_watch(fd, setup->dir, IN_CREATE | IN_MOVED_TO) < 0)
		_exit(1);
	setup->shared->armed++;
	while (!verified(setup, round->worker))
		if (read(fd, buffer, sizeof(buffer)) <= 0)
			_exit(1);
	for (int i = 0; i < setup->waiters; i++)
		if (send(ends[i], "r", 1, MSG_NOSIGNAL) != 1)
			_exit(1);
	_exit(0);
}

static pid_t spawn(struct round *round)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (pid > 0)
		round->pids[round->count++] = pid;
	return pid;
}

static void await(const struct setup *setup, const atomic_int *counter, int goal)
{
	int64_t limit = now_ns() + ROUND_LIMIT_NS;
	struct timespec nap = {0, 2000000};

	while (*counter < goal) {
		if (setup->shared->failed > 0 || now_ns() > limit) {
			fprintf(stderr, "fanout: only %d of %d waiters\n", *counter, goal);
			exit(1);
		}
		nanosleep(&nap, NULL);
	}
}

static void start_waiters(const struct setup *setup, struct round *round)
{
	int *ends = calloc((size_t)setup->waiters, sizeof(*ends)), pair[2];

	for (int i = 0; i < setup->waiters; i++) {
		if (round->way == WAY_SEND) {
			if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
				fail("socketpair");
			round->sockets[i] = pair[0];
			ends[i] = pair[1];
		}
		if (spawn(round) == 0)
			be_waiter(setup, round, i);
	}
	if (round->way == WAY_SEND && spawn(round) == 0)
		be_broker(setup, round, ends);
	await(setup, &setup->shared->armed, setup->waiters + (round->way == WAY_SEND));
	for (int i = 0; round->way == WAY_SEND && i < setup->waiters; i++) {
		close(round->sockets[i]);
		close(ends[i]);
	}
	free(ends);
}

static void run_round(const struct setup *setup, enum way way, int64_t *cost, int64_t *last)
{
	struct round *round = calloc(1, sizeof(*round));
	struct timespec settle = {0, 20000000};
	char path[MARKER_REACH_SIZE + MARKER_PREFIX_SIZE + 16];

	memset(setup->shared, 0, sizeof(*setup->shared));
	round->way = way;
	if (pipe(round->start) != 0)
		fail("pipe");
	round->worker = spawn(round);
	if (round->worker == 0)
		be_worker(setup, round);
	start_waiters(setup, round);
	/* The last of them has counted itself just before it sleeps. */
	nanosleep(&settle, NULL);
	if (write(round->start[1], "g", 1) != 1)
		fail("write");
	await(setup, &setup->shared->go, 1);
	await(setup, &setup->shared->awake, setup->waiters);
	kill(round->worker, SIGKILL);
	for (int i = 0; i < round->count; i++)
		waitpid(round->pids[i], NULL, 0);
	snprintf(path, sizeof(path), "%s/%s%ld", setup->place.dir, setup->place.prefix, (long)round->worker);
	if (unlink(path) != 0)
		fail(path);
	*cost = setup->shared->ended - setup->shared->began;
	*last = 0;
	for (int i = 0; i < setup->waiters; i++)
		if (setup->shared->woken[i] - setup->shared->began > *last)
			*last = setup->shared->woken[i] - setup->shared->began;
	close(round->start[0]);
	close(round->start[1]);
	free(round);
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static double median_ms(int64_t *values, int count)
{
	qsort(values, (size_t)count, sizeof(*values), by_value);
	return (double)values[count / 2] / 1e6;
}

int main(int argc, char **argv)
{
	static int64_t cost[WAYS][MOST_ROUNDS], last[WAYS][MOST_ROUNDS];
	struct setup setup = {0};
	int rounds, first_way = 0;
	unsigned ways = 0;

	if (argc < 6) {
		fprintf(stderr, "Usage: fanout DIR SOCKET WAITERS ROUNDS WAY...\n");
		return 2;
	}
	setup.dir = argv[1];
	setup.socket = argv[2];
	setup.waiters = atoi(argv[3]);
	rounds = atoi(argv[4]);
	for (int i = 5; i < argc; i++)
		for (int way = first_way; way < WAYS; way++)
			if (strcmp(argv[i], way_names[way]) == 0)
				ways |= 1u << way;
	if (setup.waiters < 0 || setup.waiters > MOST_WAITERS || rounds < 1 || rounds > MOST_ROUNDS ||
	    ways == 0 || marker_place_init(&setup.place, setup.dir, NULL) != 0) {
		fprintf(stderr,
		    "fanout: WAITERS at most %d, ROUNDS at most %d, WAY one of gate send inotify futex\n",
		    MOST_WAITERS, MOST_ROUNDS);
		return 2;
	}
	setup.shared =
	    mmap(NULL, sizeof(*setup.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (setup.shared == MAP_FAILED)
		fail("mmap");
	for (int round = 0; round < rounds; round++)
		for (int way = 0; way < WAYS; way++)
			if (ways & (1u << way))
				run_round(&setup, (enum way)way, &cost[way][round], &last[way][round]);
	for (int way = 0; way < WAYS; way++)
		if (ways & (1u << way))
			printf("%-8s waiters=%d rounds=%d worker_ms=%.4f last_ms=%.3f\n", way_names[way],
			    setup.waiters, rounds, median_ms(cost[way], rounds),
			    median_ms(last[way], rounds));
	return 0;
}
