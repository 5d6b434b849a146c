/* The descriptors of the actors and their open files. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>

#include "tests/sim/faults.h"
#include "tests/sim/history.h"
#include "tests/sim/world.h"

int fd_new(struct actor *actor, enum fd_kind kind, int index, int side)
{
	if (actor->open < actor->limit && !fault(FAULT_FD_REFUSED))
		for (int fd = 0; fd < SIM_FDS; fd++)
			if (actor->fds[fd].kind == FD_FREE) {
				actor->fds[fd] = (struct sim_fd){kind, index, side};
				actor->open++;
				return fd;
			}
	errno = EMFILE;
	return -1;
}

struct sim_fd *fd_get(struct actor *actor, int fd)
{
	if (!actor->dead && fd >= 0 && fd < SIM_FDS && actor->fds[fd].kind != FD_FREE)
		return &actor->fds[fd];
	errno = EBADF;
	return NULL;
}

static void drop_flow(struct flow *flow, unsigned from)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < flow->right_count; i++) {
		struct sim_fd fd = flow->rights[i].fd;

		if (flow->rights[i].at < from)
			kept++;
		else
			fd_release(&fd);
	}
	flow->right_count = kept;
	if (flow->len > from)
		flow->len = from;
}

void stream_close(struct stream *stream, int side)
{
	/* If this side has not read everything, the other one gets a reset. */
	stream->reset |= stream->open[side] && stream->flow[side].len > 0;
	stream->open[side] = false;
	drop_flow(&stream->flow[side], 0);
	if (stream->open[1 - side])
		return;
	drop_flow(&stream->flow[1 - side], 0);
	stream->used = false;
}

void stream_cut(struct stream *stream, const unsigned left[2])
{
	drop_flow(&stream->flow[0], left[0]);
	drop_flow(&stream->flow[1], left[1]);
	stream->cut = true;
	stream->reset |= dice_hit(512);
}

void fd_release(struct sim_fd *fd)
{
	switch (fd->kind) {
	case FD_FREE:
	case FD_PIDFD:
	case FD_UNNAMED:
		break;
	case FD_INOTIFY:
		world.inotifies[fd->index].used = false;
		break;
	case FD_STREAM:
		stream_close(&world.streams[fd->index], fd->side);
		break;
	case FD_PIPE_READ:
		world.pipes[fd->index].readers--;
		break;
	case FD_PIPE_WRITE:
		world.pipes[fd->index].writers--;
		break;
	case FD_EPOLL:
		world.epolls[fd->index].used = false;
		break;
	case FD_TIMER:
		world.timers[fd->index].used = false;
		break;
	case FD_MOUNTS:
		world.mounts[fd->index].used = false;
		break;
	}
	fd->kind = FD_FREE;
}

/* Only ends of pipes are ever sent. */
void fd_share(const struct sim_fd *fd)
{
	if (fd->kind == FD_PIPE_READ)
		world.pipes[fd->index].readers++;
	else if (fd->kind == FD_PIPE_WRITE)
		world.pipes[fd->index].writers++;
}

static void leave_epoll(struct sim_epoll *epoll, int fd)
{
	for (unsigned i = 0; i < epoll->count; i++)
		if (epoll->items[i].fd == fd)
			epoll->items[i--] = epoll->items[--epoll->count];
}

/* A closed descriptor is not watched any more. */
static void leave_epolls(struct actor *actor, int fd)
{
	for (int i = 0; i < SIM_FDS; i++)
		if (actor->fds[i].kind == FD_EPOLL)
			leave_epoll(&world.epolls[actor->fds[i].index], fd);
}

void fd_close(struct actor *actor, int fd)
{
	if (actor->id != SIM_DAEMON)
		leave_epolls(actor, fd);
	fd_release(&actor->fds[fd]);
	actor->open--;
}

static uint32_t stream_ready(const struct stream *stream, int side)
{
	uint32_t ready = 0;

	if (stream->flow[side].len > 0)
		ready |= POLLIN;
	if (stream_ended(stream, side))
		ready |= POLLIN | POLLOUT | POLLHUP;
	else if (stream->flow[1 - side].len < FLOW_BYTES / 2)
		ready |= POLLOUT;
	return ready;
}

static uint32_t epoll_ready(struct actor *actor, const struct sim_epoll *epoll)
{
	for (unsigned i = 0; i < epoll->count; i++)
		if (fd_ready(actor, epoll->items[i].fd) & (epoll->items[i].events | POLLERR | POLLHUP))
			return POLLIN;
	return 0;
}

uint32_t fd_ready(struct actor *actor, int fd)
{
	const struct sim_fd *sim_fd = &actor->fds[fd];
	const struct inotify *inotify;
	const struct sim_pipe *pipe;
	int64_t at;

	switch (sim_fd->kind) {
	case FD_FREE:
		return POLLNVAL;
	case FD_UNNAMED:
		return POLLIN | POLLOUT;
	case FD_PIDFD:
		return world.lives[sim_fd->index].alive ? 0 : POLLIN;
	case FD_INOTIFY:
		inotify = &world.inotifies[sim_fd->index];
		return inotify->len > 0 && (world.polling || inotify->queue[0].at <= world.now) ? POLLIN : 0;
	case FD_STREAM:
		return stream_ready(&world.streams[sim_fd->index], sim_fd->side);
	case FD_PIPE_READ:
		pipe = &world.pipes[sim_fd->index];
		return (pipe->bytes > 0 ? POLLIN : 0) | (pipe->writers == 0 ? POLLHUP : 0);
	case FD_PIPE_WRITE:
		return world.pipes[sim_fd->index].readers == 0 ? POLLOUT | POLLERR : POLLOUT;
	case FD_EPOLL:
		return epoll_ready(actor, &world.epolls[sim_fd->index]);
	case FD_TIMER:
		if (world.timers[sim_fd->index].of_clock)
			return world.timers[sim_fd->index].clock_sets != world.clock_sets ? POLLIN : 0;
		at = world.timers[sim_fd->index].at;
		return at != 0 && at <= world.now ? POLLIN : 0;
	case FD_MOUNTS:
		return world.mounts[sim_fd->index].edge ? POLLPRI | POLLERR : 0;
	}
	return 0;
}

void actor_start(struct actor *actor, int id, pid_t pid, uid_t uid)
{
	*actor = (struct actor){.id = id, .pid = pid, .uid = uid, .limit = SIM_FDS};
}

void actor_kill(struct actor *actor)
{
	for (int fd = 0; fd < SIM_FDS; fd++)
		if (actor->fds[fd].kind != FD_FREE)
			fd_close(actor, fd);
	actor->dead = true;
}

static void enqueue(struct inotify *inotify, struct sim_event event)
{
	if (inotify->len < inotify->limit) {
		inotify->queue[inotify->len++] = event;
		return;
	}
	if (inotify->len > inotify->limit)
		return;
	faults.counts[FAULT_OVERFLOW]++;
	inotify->queue[inotify->len++] = (struct sim_event){-1, IN_Q_OVERFLOW, 0, event.at};
}

void inotify_post(struct inotify *inotify, int wd, uint32_t mask, pid_t pid)
{
	struct sim_event event = {wd, mask, pid, world.now};

	if (fault(FAULT_HINT_LOST))
		return;
	if (fault(FAULT_HINT_LATE))
		event.at += dice_below(2000) * NS_PER_MS;
	enqueue(inotify, event);
	if (fault(FAULT_HINT_DOUBLED))
		enqueue(inotify, event);
}
