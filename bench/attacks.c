#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/attacks.h"
#include "readyd/marker.h"
#include "src/sock.h"

#define ATTACKER      65534
#define CONNECTIONS   64
#define MOST	      3000
#define QUICK_PART    10
#define PREPARE_MS    20000
#define SOCKET	      "readyd.sock"
#define MARKER_FORMAT "markers/" READYD_MARKER_NAME_PREFIX "%ld"

static pid_t pids[MOST];
static int fds[MOST];

static void connect_all(void)
{
	for (int i = 0; i < CONNECTIONS; i++)
		fds[i] = sock_connect(SOCKET);
}

static void create(long pid)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), MARKER_FORMAT, pid);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd >= 0)
		close(fd);
}

static void start_sleepers(int count)
{
	for (int i = 0; i < count; i++) {
		pids[i] = bench_fork();
		while (pids[i] == 0)
			pause();
	}
}

/* Sends the text on each connection without waiting for answers, and drops what has been answered. */
static void pester(const char *text, size_t len)
{
	static char answers[65536];

	for (int i = 0; i < CONNECTIONS; i++) {
		(void)send(fds[i], text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		while (recv(fds[i], answers, sizeof(answers), MSG_DONTWAIT) == (ssize_t)sizeof(answers))
			;
	}
}

static void prepare_queries(int count)
{
	start_sleepers(count);
	connect_all();
}

static void ask_all(int count)
{
	char text[4096];
	size_t len = 0;

	for (int i = 0; i < count && len < sizeof(text) - 32; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "QUERY %ld\n", (long)pids[i]);
	pester(text, len);
}

static void prepare_list(int count)
{
	start_sleepers(count);
	for (int i = 0; i < count; i++)
		create(pids[i]);
	connect_all();
}

static void list(int count)
{
	(void)count;
	pester("LIST\n", 5);
}

static void connect_and_leave(int count)
{
	for (int i = 0; i < count; i++)
		fds[i] = sock_connect(SOCKET);
	for (int i = 0; i < count; i++)
		sock_close(fds[i]);
}

/* As many gates as the attacker may hold; then it lets go of them. */
static void join_gates(int count)
{
	char text[64], answer[256];
	int sock = sock_connect(SOCKET), held = 0, len;

	for (int i = 0; i < count && sock >= 0; i++) {
		len = snprintf(text, sizeof(text), "GATE %ld\n", (long)pids[i]);
		if (send(sock, text, (size_t)len, MSG_NOSIGNAL) != len)
			break;
		fds[held] = -1;
		(void)poll(&(struct pollfd){.fd = sock, .events = POLLIN}, 1, 1000);
		if (sock_recv_fd(sock, answer, sizeof(answer), &fds[held]) <= 0)
			break;
		held += fds[held] >= 0;
	}
	while (held > 0)
		close(fds[--held]);
	sock_close(sock);
}

static void flood_names(int count)
{
	char path[128];

	for (int i = 0; i < count; i++)
		create(pids[i]);
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), MARKER_FORMAT, (long)pids[i]);
		unlink(path);
	}
}

/* Beyond the pids that exist, and over again. */
static void make_files(int count)
{
	static long next;

	for (int i = 0; i < 1000; i++)
		create(1000000 + next++ % count);
}

/* A process in a user, pid and mount namespace of its own. */
static _Noreturn void live_apart(int ready)
{
	pid_t pid;

	if (unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS) != 0)
		_exit(1);
	pid = fork(); /* bench_fork() compares pids */
	if (pid == 0)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (pid == 0)
		pause();
	(void)!write(ready, &pid, sizeof(pid));
	for (;;)
		pause();
}

/* All of them have pid 1 there, and share its marker. */
static void prepare_namespaces(int count)
{
	int ready[2];

	if (pipe2(ready, O_CLOEXEC) != 0)
		_exit(1);
	create(1);
	for (int i = 0; i < count; i++)
		if (bench_fork() == 0)
			live_apart(ready[1]);
	close(ready[1]);
	for (int i = 0; i < count; i++)
		if (read(ready[0], &pids[i], sizeof(pids[i])) != (ssize_t)sizeof(pids[i]))
			_exit(1);
	connect_all();
}

static const struct attack attacks[] = {
    {"64 connections query", 40, prepare_queries, ask_all},
    {"64 connections list 100 processes", 100, prepare_list, list},
    {"connections", 200, NULL, connect_and_leave},
    {"gates of 3000 processes", 3000, start_sleepers, join_gates},
    {"markers of 1000 processes", 1000, start_sleepers, flood_names},
    {"200000 files", 200000, NULL, make_files},
    {"1000 namespaces", 1000, prepare_namespaces, ask_all},
};

const struct attack *attack_at(int i)
{
	return i < (int)(sizeof(attacks) / sizeof(attacks[0])) ? &attacks[i] : NULL;
}

/* A change of the user clears the signal that bench_fork() has asked for. */
static void become_attacker(void)
{
	if (setgroups(0, NULL) != 0 || setresgid(ATTACKER, ATTACKER, ATTACKER) != 0 ||
	    setresuid(ATTACKER, ATTACKER, ATTACKER) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		_exit(1);
	/* Its children's own namespaces are written to through /proc. */
	(void)prctl(PR_SET_DUMPABLE, 1);
}

static _Noreturn void run(const struct attack *attack, int count, int ready)
{
	become_attacker();
	if (attack->prepare != NULL)
		attack->prepare(count);
	(void)!write(ready, "r", 1);
	for (;;)
		attack->round(count);
}

pid_t attack_start(const struct attack *attack, bool quick)
{
	int count = quick && attack->count > 100 ? attack->count / QUICK_PART : attack->count;
	struct pollfd started = {.events = POLLIN};
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) != 0)
		fail_errno("pipe");
	pid = bench_fork();
	if (pid == 0) {
		setpgid(0, 0);
		run(attack, count, ready[1]);
	}
	(void)setpgid(pid, pid);
	close(ready[1]);
	started.fd = ready[0];
	if (poll(&started, 1, PREPARE_MS) > 0 && read(ready[0], &byte, 1) == 1) {
		close(ready[0]);
		return pid;
	}
	close(ready[0]);
	left_out("fairness, %s: it cannot be prepared here", attack->name);
	attack_end(pid);
	return 0;
}

/* The bench is the subreaper of what the attacker leaves. */
void attack_end(pid_t pid)
{
	(void)kill(-pid, SIGKILL);
	while (waitpid(-pid, NULL, 0) > 0 || errno == EINTR)
		;
}
