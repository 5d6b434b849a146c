/*
 * A listener that is not readyd: it answers no request, but sends one text on each connection.
 *
 *	hostile SOCKET TEXT [MS [DESCRIPTORS]]
 *
 * With MS, it sends the text again after so many milliseconds, until the client leaves (0: without a pause);
 * with DESCRIPTORS, each time with so many copies of its standard input. It is not subject to limits of
 * connections: each has a process. Prints a line once it serves.
 */
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MOST_FDS 8

static int listen_at(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	umask(0);
	if (bind(fd, (struct sockaddr *)&addr, len) != 0 || listen(fd, 64) != 0) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	return fd;
}

static void put_fds(struct msghdr *msg, int count)
{
	static _Alignas(struct cmsghdr) char control[CMSG_SPACE(MOST_FDS * sizeof(int))];
	struct cmsghdr *header = (struct cmsghdr *)control;
	int fds[MOST_FDS] = {STDIN_FILENO};

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
	memcpy(CMSG_DATA(header), fds, (size_t)count * sizeof(int));
	msg->msg_control = control;
	msg->msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
}

static void serve(int client, char *text, long ms, int fds)
{
	const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	struct iovec iov = {.iov_base = text, .iov_len = strlen(text)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	char request[4096];

	if (fds > 0)
		put_fds(&msg, fds < MOST_FDS ? fds : MOST_FDS);
	while (sendmsg(client, &msg, MSG_NOSIGNAL) > 0 && ms >= 0)
		nanosleep(&pause, NULL);
	while (read(client, request, sizeof(request)) > 0)
		;
}

int main(int argc, char **argv)
{
	long ms = argc > 3 ? strtol(argv[3], NULL, 10) : -1;
	int fds = argc > 4 ? (int)strtol(argv[4], NULL, 10) : 0, listener, client;

	if (argc < 3)
		return EXIT_FAILURE;
	signal(SIGCHLD, SIG_IGN);
	listener = listen_at(argv[1]);
	puts("serves");
	fflush(stdout);
	while ((client = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			serve(client, argv[2], ms, fds);
			return EXIT_SUCCESS;
		}
		close(client);
	}
	return EXIT_FAILURE;
}
