#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "client/ctl/waiters.h"

/* Below the daemon's default limit, since pids are not divided evenly. */
#define PROCESSES_EACH 3000

int waiters_init(struct waiters *waiters, const struct readyd_options *options, size_t processes)
{
	size_t count = (processes + PROCESSES_EACH - 1) / PROCESSES_EACH;

	*waiters = (struct waiters){.count = 0};
	waiters->each = calloc(count, sizeof(struct readyd_waiter *));
	waiters->fds = calloc(count, sizeof(*waiters->fds));
	if (waiters->each == NULL || waiters->fds == NULL)
		return -1;
	while (waiters->count < count) {
		waiters->each[waiters->count] = readyd_waiter_new(options);
		if (waiters->each[waiters->count] == NULL)
			return -1;
		waiters->count++;
	}
	return 0;
}

void waiters_free(struct waiters *waiters)
{
	for (size_t i = 0; i < waiters->count; i++)
		readyd_waiter_free(waiters->each[i]);
	free(waiters->each);
	free(waiters->fds);
}

struct readyd_waiter *waiters_of(const struct waiters *waiters, pid_t pid)
{
	return waiters->each[(size_t)pid % waiters->count];
}

int waiters_next(struct waiters *waiters, struct readyd_answer *answer)
{
	int result = 0;

	while (result == 0 && waiters->at < waiters->count) {
		result = readyd_waiter_next(waiters->each[waiters->at], answer);
		waiters->at += result == 0;
	}
	if (result != 1)
		waiters->at = 0;
	return result;
}

int waiters_sleep(struct waiters *waiters, int timeout_ms)
{
	if (waiters->count == 1)
		return readyd_waiter_sleep(waiters->each[0], timeout_ms);
	for (size_t i = 0; i < waiters->count; i++) {
		waiters->fds[i] = (struct pollfd){.fd = readyd_waiter_fd(waiters->each[i]), .events = POLLIN};
		if (waiters->fds[i].fd < 0)
			return -1;
	}
	return poll(waiters->fds, waiters->count, timeout_ms) < 0 && errno != EINTR ? -1 : 0;
}

size_t waiters_pending(const struct waiters *waiters)
{
	size_t pending = 0;

	for (size_t i = 0; i < waiters->count; i++)
		pending += readyd_waiter_pending(waiters->each[i]);
	return pending;
}
