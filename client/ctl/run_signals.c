#include "config.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/types.h>
#include <unistd.h>

#include "client/ctl/run_signals.h"

static const int passed_on[] = {
    SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGTSTP, SIGCONT};

static void watched(sigset_t *set)
{
	struct sigaction action;

	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
		if (sigaction(passed_on[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(set, passed_on[i]);
}

/* SIGTTOU is blocked, too: a process that is not in the foreground may then write to the terminal, and give
 * it to another process group. */
int run_signals_open(struct run_signals *s)
{
	sigset_t set, block;

	(void)signal(SIGCHLD, SIG_DFL);
	s->sigpipe_before = signal(SIGPIPE, SIG_IGN);
	watched(&set);
	block = set;
	sigaddset(&block, SIGTTOU);
	s->fd = -1;
	if (sigprocmask(SIG_BLOCK, &block, &s->before) != 0)
		return -1;
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->fd >= 0 ? 0 : -1;
}

void run_signals_restore(const struct run_signals *s)
{
	(void)signal(SIGPIPE, s->sigpipe_before);
	(void)sigprocmask(SIG_SETMASK, &s->before, NULL);
}

void run_signals_close(struct run_signals *s)
{
	if (s->fd < 0)
		return;
	close(s->fd);
	s->fd = -1;
	(void)sigprocmask(SIG_SETMASK, &s->before, NULL);
}

int run_signals_next(const struct run_signals *s)
{
	struct signalfd_siginfo info;

	return read(s->fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

static void set_mask(int how, int number, sigset_t *before)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	(void)sigprocmask(how, &set, before);
}

/* To itself it is delivered before kill(2) returns. What has continued it is pending then. */
bool run_signals_stop_by(int number)
{
	sigset_t before, pending;

	set_mask(SIG_UNBLOCK, number, &before);
	(void)kill(0, number);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	sigemptyset(&pending);
	(void)sigpending(&pending);
	return sigismember(&pending, SIGCONT) == 1;
}

int run_signals_die_by(int number, bool group)
{
	struct rlimit none = {0, 0};

	(void)prlimit(0, RLIMIT_CORE, &none, NULL);
	(void)signal(number, SIG_DFL);
	(void)kill(group ? 0 : getpid(), number);
	set_mask(SIG_UNBLOCK, number, NULL);
	return 128 + number;
}
