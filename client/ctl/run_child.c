#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/ctl/run_child.h"

/* In the foreground, the worker ends with readyctl, however that ends: whatever ends readyctl means the
 * worker, and its standard error leads through readyctl. The setting outlives readiness, since only the
 * process itself can change it. */
static void tie_to_parent(pid_t parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
}

/* A detached worker does not read from the terminal, and what it prints is not mistaken for our answer:
 * whatever reads that also waits for its end. */
static void leave_terminal(void)
{
	int null;

	(void)setsid();
	(void)dup2(STDERR_FILENO, STDOUT_FILENO);
	if (!isatty(STDIN_FILENO))
		return;
	null = open("/dev/null", O_RDONLY | O_NOCTTY);
	if (null > STDIN_FILENO) {
		(void)dup2(null, STDIN_FILENO);
		close(null);
	}
}

static void set_descriptors(const struct run_setup *setup)
{
	if (setup->out >= 0)
		(void)dup2(setup->out, STDOUT_FILENO);
	if (setup->err >= 0)
		(void)dup2(setup->err, STDERR_FILENO);
	if (setup->sign_fd >= 0)
		(void)dup2(setup->sign_fd, setup->sign_number);
	if (setup->notify_socket != NULL)
		(void)setenv("NOTIFY_SOCKET", setup->notify_socket, 1);
}

static _Noreturn void become_worker(const struct run_setup *setup, pid_t parent, int exec_fd)
{
	int error;

	if (setup->detach) {
		leave_terminal();
	} else {
		tie_to_parent(parent);
		(void)setpgid(0, 0);
		if (setup->terminal->fd >= 0 && tcgetpgrp(setup->terminal->fd) == getpgid(parent))
			(void)tcsetpgrp(setup->terminal->fd, getpid());
	}
	set_descriptors(setup);
	run_signals_restore(setup->signals);
	(void)execvp(setup->argv[0], setup->argv);
	error = errno;
	(void)!write(exec_fd, &error, sizeof(error));
	_exit(error == ENOENT ? 127 : 126);
}

/* Beyond the number that another descriptor gets in the child. */
static int move_beyond(int fd, int number)
{
	int moved;

	if (fd < 0 || fd > number)
		return fd;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, number + 1);
	close(fd);
	return moved;
}

/* Both set it, since either may be first to need it; after execve(2), only the child can. */
static void set_group(const struct run_setup *setup, pid_t child)
{
	if (!setup->detach)
		(void)setpgid(child, child);
}

int run_child_start(struct run_child *c, const struct run_setup *setup)
{
	pid_t parent = getpid(), child;
	int ends[2];

	*c = (struct run_child){.process.fd = -1, .exec_fd = -1};
	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	ends[1] = move_beyond(ends[1], setup->sign_number);
	child = ends[1] < 0 ? -1 : fork();
	if (child == 0)
		become_worker(setup, parent, ends[1]);
	if (ends[1] >= 0)
		close(ends[1]);
	if (child < 0) {
		close(ends[0]);
		return -1;
	}
	set_group(setup, child);
	c->exec_fd = ends[0];
	process_open(&c->process, child);
	return 0;
}

void run_child_check_exec(struct run_child *c)
{
	int error;

	if (read(c->exec_fd, &error, sizeof(error)) == (ssize_t)sizeof(error))
		c->exec_error = error;
	close(c->exec_fd);
	c->exec_fd = -1;
}

static int status_of(const siginfo_t *info)
{
	switch (info->si_code) {
	case CLD_EXITED:
		return (info->si_status & 0xff) << 8;
	case CLD_DUMPED:
		return info->si_status | 0x80;
	default:
		return info->si_status;
	}
}

/* 0: it has changed if info->si_pid is not 0. */
static int look(const struct run_child *c, int options, siginfo_t *info)
{
	int result;

	info->si_pid = 0;
	do
		result = waitid(P_PID, (id_t)c->process.pid, info, options | WNOHANG);
	while (result != 0 && errno == EINTR);
	return result;
}

static bool has_changed(const struct run_child *c, int options, siginfo_t *info)
{
	return look(c, options, info) == 0 && info->si_pid != 0;
}

/* Where the kernel does not let us wait for it, its end shows all the same, but not its status. */
static bool has_ended(const struct run_child *c, siginfo_t *info)
{
	return look(c, WEXITED | WNOWAIT, info) == 0 ? info->si_pid != 0 : process_gone(&c->process);
}

void run_child_check(struct run_child *c)
{
	siginfo_t info;

	if (c->ended)
		return;
	if (has_changed(c, WSTOPPED | WCONTINUED, &info))
		c->stopped_by = info.si_code == CLD_STOPPED ? info.si_status : 0;
	if (!has_ended(c, &info))
		return;
	c->ended = true;
	c->status = info.si_pid != 0 ? status_of(&info) : -1;
	/* Written before the end, if at all. */
	if (c->exec_fd >= 0)
		run_child_check_exec(c);
}

void run_child_reap(struct run_child *c)
{
	if (!c->ended || c->reaped)
		return;
	(void)waitpid(c->process.pid, NULL, 0);
	c->reaped = true;
}

void run_child_close(struct run_child *c)
{
	if (c->exec_fd >= 0)
		close(c->exec_fd);
	c->exec_fd = -1;
	process_close(&c->process);
}

void run_child_signal(const struct run_child *c, int number)
{
	if (!c->ended)
		(void)kill(c->process.pid, number);
}

/* Before it has begun its session, a detached worker has no group of its own. */
void run_child_signal_group(const struct run_child *c, int number)
{
	if (kill(-c->process.pid, number) != 0 && !c->reaped)
		(void)kill(c->process.pid, number);
}

void run_child_adopt_group(void)
{
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
}

bool run_child_group_exists(const struct run_child *c)
{
	while (waitpid(-c->process.pid, NULL, WNOHANG) > 0)
		;
	return kill(-c->process.pid, 0) == 0 || errno == EPERM;
}
