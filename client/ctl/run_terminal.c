#include "config.h"

#include <fcntl.h>
#include <unistd.h>

#include "client/ctl/run_terminal.h"

void run_terminal_open(struct run_terminal *t)
{
	t->fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
}

void run_terminal_close(struct run_terminal *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

bool run_terminal_is_ours(const struct run_terminal *t)
{
	return t->fd >= 0 && tcgetpgrp(t->fd) == getpgrp();
}

bool run_terminal_give(const struct run_terminal *t, pid_t group)
{
	return run_terminal_is_ours(t) && tcsetpgrp(t->fd, group) == 0;
}

bool run_terminal_take(const struct run_terminal *t, pid_t group)
{
	return t->fd >= 0 && tcgetpgrp(t->fd) == group && tcsetpgrp(t->fd, getpgrp()) == 0;
}
