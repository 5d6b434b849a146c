#include "config.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/discard.h"
#include "daemon/loop.h"

/* Newer than the headers of the systems this is built on. */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define WAIT_PIDFD 3 /* P_PIDFD of linux/wait.h */

/* Exits once the daemon has closed the other end of release. It keeps nothing else open: a close that
 * blocks even here must not keep a gate or a connection open. */
_Noreturn static void hold_until_released(int fd, int release)
{
	char byte;

	dup2(fd, STDIN_FILENO);
	dup2(release, STDOUT_FILENO);
	(void)syscall(SYS_close_range, STDERR_FILENO, ~0U, 0);
	(void)!read(STDOUT_FILENO, &byte, sizeof(byte));
	_exit(0);
}

static void on_exited(int pidfd)
{
	(void)waitid((idtype_t)WAIT_PIDFD, (id_t)pidfd, NULL, WEXITED);
	close(pidfd);
}

void discard(struct loop *loop, int fd)
{
	int release[2];
	pid_t child;

	shutdown(fd, SHUT_RDWR);
	if (pipe2(release, O_CLOEXEC) != 0)
		return;
	child = fork();
	if (child == 0)
		hold_until_released(fd, release[0]);
	if (child > 0)
		close(fd);
	close(release[0]);
	close(release[1]);
	if (child > 0)
		loop_once(loop, (int)syscall(SYS_pidfd_open, child, 0), on_exited);
}

/* Nothing comes any more after the shutdown. */
void discard_unread(struct loop *loop, int fd)
{
	int unread;

	shutdown(fd, SHUT_RDWR);
	if (ioctl(fd, FIONREAD, &unread) != 0 || unread > 0)
		discard(loop, fd);
	else
		close(fd);
}
