/* A waiter in libuv's loop. */
#include <uv.h>

#include "take.h"

struct wait {
	struct readyd_waiter *waiter;
	int ready;
};

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct wait *wait = poll->data;

	(void)status;
	(void)events;
	if (take_answer(wait->waiter, &wait->ready))
		uv_close((uv_handle_t *)poll, NULL);
}

int main(int argc, char **argv)
{
	struct wait wait = {.waiter = new_waiter(argc, argv)};
	uv_poll_t poll = {.data = &wait};

	uv_poll_init(uv_default_loop(), &poll, readyd_waiter_fd(wait.waiter));
	uv_poll_start(&poll, UV_READABLE, on_readable);
	uv_run(uv_default_loop(), UV_RUN_DEFAULT);
	uv_loop_close(uv_default_loop());
	readyd_waiter_free(wait.waiter);
	return wait.ready ? 0 : 1;
}
