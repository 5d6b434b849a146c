/* The clock is set: a timer says so, which is replaced here, since setting the clock would disturb all else.
 */
#include <errno.h>
#include <sys/timerfd.h>

#include "daemon/clockwatch.h"
#include "daemon/loop.h"
#include "tests/unit.h"

static struct loop *loop;
static struct clock_steps steps;
static struct clockwatch watch;
static int event[2], timer, told;
static int error; /* of a read; 0: the timer has expired */

/* NOLINTBEGIN(bugprone-reserved-identifier) */
int __real_timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old);
ssize_t __real_read(int fd, void *buf, size_t size);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old);
ssize_t __wrap_read(int fd, void *buf, size_t size);

/* A pipe in its place becomes readable when the test says so. */
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old)
{
	unit_check(flags == (TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET));
	unit_check(__real_timerfd_settime(fd, flags, value, old) == 0);
	unit_check((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
	unit_check(dup2(event[0], fd) == fd);
	timer = fd;
	return 0;
}

ssize_t __wrap_read(int fd, void *buf, size_t size)
{
	const ssize_t n = __real_read(fd, buf, fd == timer ? 1 : size);

	if (fd != timer || n != 1)
		return n;
	if (error == 0)
		return (ssize_t)sizeof(uint64_t);
	errno = error;
	return -1;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static void on_set(void *context)
{
	ck_assert_ptr_eq(context, &told);
	told++;
}

static const struct {
	int error, told;
} reads[] = {{ECANCELED, 1}, {0, 0}, {EAGAIN, 0}, {EINTR, 0}};

START_TEST(setting_is_told)
{
	int fds;

	ck_assert_int_eq(pipe(event), 0);
	loop = loop_new();
	fds = unit_count_fds();
	clockwatch_init(&watch, loop, &steps, on_set, &told);
	ck_assert_int_eq(watch.fd, timer);
	loop_settle(loop);
	ck_assert_int_eq(told, 0);
	error = reads[_i].error;
	for (int i = 1; i <= 2; i++) {
		ck_assert_int_eq(write(event[1], "x", 1), 1);
		loop_settle(loop);
		ck_assert_int_eq(told, i * reads[_i].told);
	}
	clockwatch_fini(&watch);
	ck_assert_int_eq(unit_count_fds(), fds);
	loop_free(loop);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("clockwatch");
	TCase *tcase = unit_case(s, "clockwatch");

	tcase_add_loop_test(tcase, setting_is_told, 0, UNIT_COUNT(reads));
	return s;
}

int main(void)
{
	return unit_main(suite);
}
