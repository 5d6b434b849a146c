#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/discard.h"
#include "daemon/loop.h"
#include "src/program.h"

/* Newer than the headers of the systems this is built on. */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#define WAIT_PIDFD 3 /* P_PIDFD of linux/wait.h, since Linux 5.4 */

/* Exits once the daemon has closed the other end of release. It keeps nothing else open: a close that
 * blocks even here must not keep a gate or a connection open. */
_Noreturn static void hold_until_released(int fd, int release)
{
	char byte;

	dup2(fd, STDIN_FILENO);
	dup2(release, STDOUT_FILENO);
	program_close_range(STDERR_FILENO, ~0u);
	(void)!read(STDOUT_FILENO, &byte, sizeof(byte));
	_exit(0);
}

static void on_exited(int pidfd)
{
	(void)waitid((idtype_t)WAIT_PIDFD, (id_t)pidfd, NULL, WEXITED);
	close(pidfd);
}

static bool can_wait_by_pidfd(void)
{
	const int own = (int)syscall(SYS_pidfd_open, getpid(), 0);
	bool can;

	if (own < 0)
		return false;
	can = waitid((idtype_t)WAIT_PIDFD, (id_t)own, NULL, WEXITED | WNOHANG) == 0 || errno == ECHILD;
	close(own);
	return can;
}

/* A process that holds fd until release; its exit is waited for by the loop. False: there is none. */
static bool start_holder(struct loop *loop, int fd, int release)
{
	const pid_t child = fork();

	if (child == 0)
		hold_until_released(fd, release);
	if (child > 0)
		loop_once(loop, (int)syscall(SYS_pidfd_open, child, 0), on_exited);
	return child > 0;
}

/* The same where the loop cannot wait for it: it is a child's child, so that init does. The child in between
 * closes no last descriptor, and is waited for at once. */
static bool start_orphaned_holder(int fd, int release)
{
	const pid_t child = fork();
	int status = -1;
	pid_t holder;

	if (child == 0) {
		holder = fork();
		if (holder == 0)
			hold_until_released(fd, release);
		_exit(holder > 0 ? 0 : 1);
	}
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* If no process can be started, fd stays open until the exit of the daemon. */
void discard(struct loop *loop, int fd)
{
	int release[2];

	shutdown(fd, SHUT_RDWR);
	if (pipe2(release, O_CLOEXEC) != 0)
		return;
	if (can_wait_by_pidfd() ? start_holder(loop, fd, release[0]) : start_orphaned_holder(fd, release[0]))
		close(fd);
	close(release[0]);
	close(release[1]);
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
