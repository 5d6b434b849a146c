/* A waiter in an epoll(7) loop. */
#include <sys/epoll.h>
#include <unistd.h>

#include "take.h"

int main(int argc, char **argv)
{
	struct readyd_waiter *waiter = new_waiter(argc, argv);
	struct epoll_event event = {.events = EPOLLIN};
	int loop = epoll_create1(EPOLL_CLOEXEC), ready = 0;

	if (loop < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, readyd_waiter_fd(waiter), &event) != 0)
		return 125;
	while (!take_answer(waiter, &ready))
		epoll_wait(loop, &event, 1, -1);
	close(loop);
	readyd_waiter_free(waiter);
	return ready ? 0 : 1;
}
