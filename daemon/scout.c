#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/rights.h"
#include "daemon/sandbox.h"
#include "daemon/scout.h"
#include "src/dirwatch.h"
#include "src/program.h"
#include "src/sock.h"

/* A reply that cannot be sent has no reader any more. */
static void reply(int sock, const struct scout_reply *reply)
{
	(void)sock_send(sock, reply, sizeof(*reply));
}

struct watching {
	int sock, inotify;
};

static void on_directory(const char *dir, void *context)
{
	const struct watching *watching = context;
	const struct scout_reply watched = {
	    .kind = SCOUT_WATCHED, .wd = dirwatch_add_watch(watching->inotify, dir)};

	if (watched.wd >= 0)
		reply(watching->sock, &watched);
}

/* Watch, then look. The process is opened anew, so that it is certain that the root is its own. */
static void scout_look(int sock, const struct scout_request *request, int inotify)
{
	struct watching watching = {sock, inotify};
	struct scout_reply viewed = {.kind = SCOUT_VIEWED};
	struct process p;

	process_open_exact(&p, request->pid, request->start);
	p.ns_pid = request->ns_pid;
	if (request->watch && inotify >= 0)
		(void)marker_dir_visit(&request->place, &p, on_directory, &watching);
	marker_view(&request->place, &p, &viewed.view);
	process_close(&p);
	reply(sock, &viewed);
}

static bool await(int sock)
{
	struct pollfd poll_fd = {.fd = sock, .events = POLLIN};

	while (poll(&poll_fd, 1, -1) < 0)
		if (errno != EINTR)
			return false;
	return true;
}

void scout_serve(int sock)
{
	struct scout_request request;
	int inotify;

	while (await(sock)) {
		if (sock_recv_fd(sock, &request, sizeof(request), &inotify) != (ssize_t)sizeof(request))
			return;
		scout_look(sock, &request, inotify);
		sock_close(inotify);
	}
}

/* Keeps sock and the log. A pipe or socket that the supervisor has passed would else stay open beyond the
 * daemon, and the reader of --ready-fd would see no end of file. */
static void close_others(int sock, int ready_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		(void)dup2(null, STDIN_FILENO);
		(void)dup2(null, STDOUT_FILENO);
		if (ready_fd == STDERR_FILENO)
			(void)dup2(null, STDERR_FILENO);
	}
	program_close_range(STDERR_FILENO + 1, (unsigned)sock - 1);
	program_close_range((unsigned)sock + 1, ~0u);
}

static void on_child(int signal)
{
	(void)signal;
}

/* What stops the daemon ends it by its socket, not by a signal to the process group. SIGCHLD is let through
 * only while it waits. */
static void set_signals(sigset_t *waiting)
{
	static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE};
	const struct sigaction action = {.sa_handler = on_child};
	sigset_t child;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)sigaction(SIGCHLD, &action, NULL);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &child, waiting);
	sigdelset(waiting, SIGCHLD);
}

/* Without the handlers of pthread_atfork(3), where that can be: those of jemalloc write to 56 KiB of its
 * state in parent and child, which then share none of it. There is one thread, so no lock is held that they
 * would make free again. */
static pid_t fork_plainly(void)
{
#ifdef HAVE__FORK
	return _Fork();
#else
	return fork();
#endif
}

static _Noreturn void be_scout(int sock, int spawner)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, "readyd-scout");
	close(spawner);
	scout_serve(sock);
	_exit(0);
}

static void spawn(int sock)
{
	struct spawner_reply started = {.scout = -1};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		started.error = errno;
		(void)sock_send(sock, &started, sizeof(started));
		return;
	}
	started.scout = fork_plainly();
	started.error = errno;
	if (started.scout == 0) {
		close(pair[0]);
		be_scout(pair[1], sock);
	}
	close(pair[1]);
	(void)sock_send_fd(sock, &started, sizeof(started), pair[0]);
	close(pair[0]);
}

/* A scout has its pid until it is reaped, which only happens here. */
static void reap(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void obey(int sock, const struct spawner_order *order)
{
	if (order->kill == 0)
		spawn(sock);
	else if (waitpid(order->kill, NULL, WNOHANG) == 0)
		(void)kill(order->kill, SIGKILL);
}

/* Without the user that was asked for, there is no spawner; what else fails is reported by the daemon, which
 * does the same. The order to die with the parent is lost by the change of the user. */
static void confine(const struct account *account)
{
	if (rights_reduce(RIGHTS_OF_SCOUTS, account) != 0 && account->name != NULL)
		_exit(1);
	(void)sandbox_start();
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Sleeps until there is an order, or a child has ended. If it cannot sleep like that, the order is waited for
 * alone. */
static ssize_t next_order(int sock, struct spawner_order *order, const sigset_t *waiting)
{
	struct pollfd poll_fd = {.fd = sock, .events = POLLIN};
	bool slept = ppoll(&poll_fd, 1, NULL, waiting) >= 0 || errno == EINTR;

	reap();
	return recv(sock, order, sizeof(*order), slept ? MSG_DONTWAIT : 0);
}

static _Noreturn void be_spawner(int sock, int ready_fd, const struct account *account)
{
	struct spawner_order order;
	sigset_t waiting;
	ssize_t n;

	(void)prctl(PR_SET_NAME, "readyd-spawner");
	(void)!chdir("/");
	close_others(sock, ready_fd);
	set_signals(&waiting);
	confine(account);
	for (;;) {
		n = next_order(sock, &order, &waiting);
		if (n == (ssize_t)sizeof(order))
			obey(sock, &order);
		else if (n >= 0 || (errno != EAGAIN && errno != EINTR))
			_exit(0);
	}
}

int spawner_start(int ready_fd, const struct account *account, pid_t *pid)
{
	int pair[2], error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	*pid = fork_plainly();
	error = errno;
	if (*pid == 0)
		be_spawner(pair[1], ready_fd, account);
	close(pair[1]);
	if (*pid > 0 && fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0)
		return pair[0];
	close(pair[0]);
	errno = error;
	return -1;
}
