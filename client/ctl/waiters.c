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
	if (waiters->each == NULL)
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

/* A process that was added since, or an event, shows in the next poll. */
static bool is_silent(const struct waiters *waiters, size_t i)
{
	return waiters->polled && waiters->fds[i].revents == 0;
}

int waiters_next(struct waiters *waiters, struct readyd_answer *answer)
{
	int result = 0;

	while (result == 0 && waiters->at < waiters->count) {
		if (!is_silent(waiters, waiters->at))
			result = readyd_waiter_next(waiters->each[waiters->at], answer);
		waiters->at += result == 0;
	}
	if (result != 1)
		waiters->at = 0;
	return result;
}

static int make_room(struct waiters *waiters, size_t room)
{
	struct pollfd *more;

	if (room <= waiters->room)
		return 0;
	more = reallocarray(waiters->fds, room, sizeof(*more));
	if (more == NULL)
		return -1;
	waiters->fds = more;
	waiters->room = room;
	return 0;
}

int waiters_sleep(struct waiters *waiters, size_t others, void (*fill)(struct pollfd *fds, void *context),
    void *context, int timeout_ms)
{
	waiters->polled = false;
	if (waiters->count == 1 && others == 0)
		return readyd_waiter_sleep(waiters->each[0], timeout_ms);
	if (make_room(waiters, waiters->count + others) != 0)
		return -1;
	for (size_t i = 0; i < waiters->count; i++) {
		waiters->fds[i] = (struct pollfd){.fd = readyd_waiter_fd(waiters->each[i]), .events = POLLIN};
		if (waiters->fds[i].fd < 0)
			return -1;
	}
	if (others > 0)
		fill(waiters->fds + waiters->count, context);
	waiters->polled = true;
	return poll(waiters->fds, waiters->count + others, timeout_ms) < 0 && errno != EINTR ? -1 : 0;
}
