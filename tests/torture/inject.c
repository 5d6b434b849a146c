/* Runs a program and makes one of its system calls fail, or kills it there. A seccomp filter sends the calls
 * of that name to this program, which counts them, replies with an errno, or lets the kernel go on. See
 * tests/torture/README.md.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/torture/options.h"

#define CHANNEL                                                                                              \
	200 /* the descriptor over which the filter's own one comes, the only sendmsg() that is not asked    \
	       about */
#define MAX_PROCESSES 256
#define MAX_CALL      1024
#define MAX_FILTER    32
#define TOUCH_MS      20
#define LEFT_MS	      1000

/* The processes of the program in the order in which they appear. Those that have executed another program
 * are not among them. */
static struct {
	pid_t pid;
	bool has_begun; /* the loader of the first one has reached the C library */
	unsigned count[MAX_CALL];
} processes[MAX_PROCESSES];
static size_t n_processes;

static struct options options;
static struct stat program;
static unsigned injected;
static long descriptors = -1;		 /* of the first process when it ends */
static long touch_at, left_at, deadline; /* ms, or 0 */

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const int sleeps[] = {
#ifdef SYS_poll
    SYS_poll,
#endif
#ifdef SYS_epoll_wait
    SYS_epoll_wait,
#endif
    SYS_ppoll, SYS_epoll_pwait};
static const int always[] = {SYS_set_tid_address, SYS_set_robust_list, SYS_exit_group};

static size_t ask_about(struct sock_filter *filter, int call)
{
	filter[0] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1);
	filter[1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	return 2;
}

/* A call that this program need not see costs nothing. */
static size_t make_filter(struct sock_filter *filter)
{
	struct sock_filter *at = filter;

	*at++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	*at++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 6, 0);
	*at++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_restart_syscall, 5, 0);
	*at++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendmsg, 0, 5);
	*at++ =
	    (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0]));
	*at++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CHANNEL, 2, 0);
	*at++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	*at++ = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 1);
	*at++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	if (!options.list) {
		for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
			at += ask_about(at, always[i]);
		for (size_t i = 0; i < sizeof(sleeps) / sizeof(sleeps[0]); i++)
			at += ask_about(at, sleeps[i]);
		at += ask_about(at, options.call);
	}
	*at++ = (struct sock_filter)BPF_STMT(
	    BPF_RET | BPF_K, options.list ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW);
	return (size_t)(at - filter);
}

static void send_descriptor(int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec part = {&byte, 1};
	struct msghdr message = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	if (sendmsg(CHANNEL, &message, 0) != 1)
		_exit(125);
}

static int receive_descriptor(int channel)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec part = {&byte, 1};
	struct msghdr message = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *header;
	int fd;

	if (recvmsg(channel, &message, MSG_CMSG_CLOEXEC) != 1 || (header = CMSG_FIRSTHDR(&message)) == NULL)
		errx(77, "no seccomp notification here");
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

static _Noreturn void become(char **argv)
{
	struct sock_filter filter[MAX_FILTER];
	struct sock_fprog fprog = {(unsigned short)make_filter(filter), filter};
	long fd;

	if (options.preload != NULL)
		setenv("LD_PRELOAD", options.preload, 1);
	if (geteuid() != 0)
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	    SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &fprog);
	if (fd == -1)
		_exit(125);
	send_descriptor((int)fd);
	execv(argv[0], argv);
	_exit(127);
}

static pid_t start(char **argv, int *listener)
{
	int channel[2];
	pid_t child;

	if (stat(argv[0], &program) != 0)
		err(125, "%s", argv[0]);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0)
		err(125, "socketpair");
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if ((child = fork()) == -1)
		err(125, "fork");
	if (child == 0) {
		dup3(channel[1], CHANNEL, O_CLOEXEC);
		become(argv);
	}
	close(channel[1]);
	*listener = dup3(receive_descriptor(channel[0]), CHANNEL, O_CLOEXEC);
	/* Those that are meant for the program must close when it ends. */
	close_range(3, CHANNEL - 1, 0);
	return child;
}

/* The index of a process, or -1 if it has executed another program, or has not begun its own. */
static int process_of(pid_t pid, int call)
{
	char path[64];
	struct stat now_runs;
	size_t i;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	if (stat(path, &now_runs) != 0 || now_runs.st_ino != program.st_ino ||
	    now_runs.st_dev != program.st_dev)
		return -1;
	for (i = 0; i < n_processes && processes[i].pid != pid; i++)
		continue;
	if (i == MAX_PROCESSES)
		return -1;
	if (i == n_processes)
		processes[n_processes++].pid = pid;
	if (i != 0 || processes[i].has_begun)
		return (int)i;
	processes[i].has_begun = call == SYS_set_tid_address;
	return -1;
}

static long count_descriptors(pid_t pid)
{
	char path[64];
	long count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	if ((dir = opendir(path)) == NULL)
		return -1;
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count - 2;
}

static bool is_sleep(const struct seccomp_data *data)
{
	int timeout = (int)data->args[data->nr == SYS_ppoll ? 2 : data->nr == SYS_epoll_pwait ? 3 : 2];

#ifdef SYS_epoll_wait
	if (data->nr == SYS_epoll_wait)
		timeout = (int)data->args[3];
#endif
	for (size_t i = 0; i < sizeof(sleeps) / sizeof(sleeps[0]); i++)
		if (data->nr == sleeps[i])
			return timeout != 0;
	return false;
}

/* The errno for this call, 0 to let it go on, or -1 if the process is killed instead. */
static int decide(const struct seccomp_notif *asked)
{
	int call = asked->data.nr, process = process_of((pid_t)asked->pid, call);
	unsigned count;

	if (process == -1 || call < 0 || call >= MAX_CALL)
		return 0;
	if (is_sleep(&asked->data) && options.touch != NULL && touch_at == 0)
		touch_at = now() + TOUCH_MS;
	if (call == SYS_exit_group && process == 0)
		descriptors = count_descriptors((pid_t)asked->pid);
	count = ++processes[process].count[call];
	if (options.list || process != options.process || call != options.call ||
	    (options.once ? count != options.at : count < options.at))
		return 0;
	injected++;
	return options.error != 0 ? options.error : -1;
}

static void answer(int listener)
{
	struct seccomp_notif asked = {0};
	struct seccomp_notif_resp reply = {0};
	int error;

	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0)
		return;
	error = decide(&asked);
	if (error == -1)
		kill((pid_t)asked.pid, SIGKILL);
	reply.id = asked.id;
	reply.error = error > 0 ? -error : 0;
	if (error <= 0)
		reply.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &reply); /* fails if the process has ended */
}

static void touch_if_due(void)
{
	if (options.touch == NULL || touch_at == 0 || now() < touch_at)
		return;
	close(open(options.touch, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	options.touch = NULL;
}

static int time_left(void)
{
	long until = deadline;

	if (left_at != 0 && left_at < until)
		until = left_at;
	if (options.touch != NULL && touch_at != 0 && touch_at < until)
		until = touch_at;
	until -= now();
	return until > 0 ? (int)until : 0;
}

/* Until all processes have ended, or one of them is late: true. */
static bool serve(int listener, int child)
{
	struct pollfd polled[2] = {{listener, POLLIN, 0}, {child, POLLIN, 0}};

	for (;;) {
		if (poll(polled, 2, time_left()) == -1)
			err(125, "poll");
		if (polled[0].revents & POLLIN)
			answer(listener);
		else if (polled[0].revents & POLLHUP)
			return false;
		if (polled[1].revents & POLLIN && left_at == 0) {
			left_at = now() + LEFT_MS;
			polled[1].fd = -1;
		}
		touch_if_due();
		if (now() >= deadline || (left_at != 0 && now() >= left_at))
			return true;
	}
}

/* Ends the processes that are late: all have this one as their parent, at once or when their own has ended.
 */
static unsigned kill_rest(void)
{
	FILE *children = fopen("/proc/thread-self/children", "re");
	unsigned killed = 0;
	pid_t pid;

	if (children == NULL)
		err(125, "children");
	while (fscanf(children, "%d", &pid) == 1) {
		siginfo_t ended = {0};

		if (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT | WNOHANG) == 0 && ended.si_pid == 0 &&
		    kill(pid, SIGKILL) == 0)
			killed++;
	}
	fclose(children);
	return killed;
}

/* Collects them all; returns how many of them did not end by themselves. */
static unsigned reap(pid_t child, bool is_late, int *status)
{
	unsigned killed = 0;
	int got;
	pid_t pid;

	do {
		if (is_late)
			killed += kill_rest();
		if ((pid = waitpid(-1, &got, 0)) == child)
			*status = got;
	} while (pid != -1);
	return killed;
}

static void list_calls(FILE *to)
{
	for (size_t i = 0; i < n_processes; i++)
		for (int call = 0; call < MAX_CALL; call++)
			if (processes[i].count[call] > 0)
				fprintf(to, "%zu %s %u\n", i, call_name(call), processes[i].count[call]);
}

static void report(int status, bool is_late, unsigned left)
{
	FILE *to = options.report != NULL ? fopen(options.report, "we") : stdout;
	struct rusage used;

	if (to == NULL)
		err(125, "%s", options.report);
	getrusage(RUSAGE_CHILDREN, &used);
	if (options.list)
		list_calls(to);
	else
		fprintf(to, "status=%d signal=%d injected=%u cpu_ms=%ld fds=%ld late=%d left=%u\n",
		    WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
		    injected,
		    (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
			(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000,
		    descriptors, is_late && left_at == 0, left);
	fclose(to);
}

int main(int argc, char **argv)
{
	int listener, pidfd, status = 0;
	unsigned left;
	bool is_late;
	pid_t child;

	argv = options_parse(&options, argc, argv);
	deadline = now() + options.deadline * 1000L;
	child = start(argv, &listener);
	pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	is_late = serve(listener, pidfd);
	left = reap(child, is_late, &status);
	report(status, is_late, left);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
