#include "config.h"

#include <errno.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "daemon/clockwatch.h"
#include "daemon/loop.h"
#include "src/clock.h"

/* A timer that never expires; timerfd_create(2): a read fails with ECANCELED after the clock was set. */
#define NEVER ((time_t)1 << 40)

static void note(struct clockwatch *watch)
{
	int64_t now = clock_now_ns(CLOCK_BOOTTIME);

	clock_steps_note(watch->steps, now, clock_boot_offset());
}

static void on_readable(int fd, void *context)
{
	struct clockwatch *watch = context;
	uint64_t expirations;

	if (read(fd, &expirations, sizeof(expirations)) >= 0 || errno != ECANCELED)
		return;
	note(watch);
	watch->on_set(watch->context);
}

static int open_timer(void)
{
	const struct itimerspec never = {.it_value.tv_sec = NEVER};
	int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd < 0 || timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) == 0)
		return fd;
	close(fd);
	return -1;
}

void clockwatch_init(struct clockwatch *watch, struct loop *loop, struct clock_steps *steps,
    void (*on_set)(void *context), void *context)
{
	*watch = (struct clockwatch){
	    .loop = loop, .fd = open_timer(), .steps = steps, .on_set = on_set, .context = context};
	if (watch->fd < 0)
		return;
	note(watch);
	watch->set = loop_fd_new(loop, watch->fd, LOOP_READ, on_readable, watch);
	loop_fd_start(watch->set);
}

void clockwatch_fini(struct clockwatch *watch)
{
	loop_fd_free(watch->set);
	if (watch->fd >= 0)
		close(watch->fd);
}
