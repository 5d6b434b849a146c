/* A waiter in GLib's main loop. */
#include <glib-unix.h>

#include "take.h"

struct wait {
	struct readyd_waiter *waiter;
	GMainLoop *loop;
	int ready;
};

static gboolean on_readable(gint fd, GIOCondition condition, gpointer context)
{
	struct wait *wait = context;

	(void)fd;
	(void)condition;
	if (!take_answer(wait->waiter, &wait->ready))
		return G_SOURCE_CONTINUE;
	g_main_loop_quit(wait->loop);
	return G_SOURCE_REMOVE;
}

int main(int argc, char **argv)
{
	struct wait wait = {.waiter = new_waiter(argc, argv), .loop = g_main_loop_new(NULL, FALSE)};

	g_unix_fd_add(readyd_waiter_fd(wait.waiter), G_IO_IN, on_readable, &wait);
	g_main_loop_run(wait.loop);
	g_main_loop_unref(wait.loop);
	readyd_waiter_free(wait.waiter);
	return wait.ready ? 0 : 1;
}
