/*
 * Usage: send_socket PATH
 * Sends PING to the socket with a TCP socket that takes 1000 seconds to close (SO_LINGER), since its peer
 * reads nothing. Prints "sent" and keeps the peer until it is killed.
 */
#include "config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/sock.h"

static int must(int result, const char *what)
{
	if (result >= 0)
		return result;
	perror(what);
	exit(1);
}

/* Connected to a socket of this process, with as much unread data as fits. */
static int lingering(void)
{
	static const char data[65536];
	const struct linger linger = {.l_onoff = 1, .l_linger = 1000};
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int server = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	int sender = must(socket(AF_INET, SOCK_STREAM, 0), "socket");

	must(bind(server, (struct sockaddr *)&addr, len), "bind");
	must(listen(server, 1), "listen");
	must(getsockname(server, (struct sockaddr *)&addr, &len), "getsockname");
	must(connect(sender, (struct sockaddr *)&addr, len), "connect");
	must(accept(server, NULL, NULL), "accept");
	must(setsockopt(sender, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), "SO_LINGER");
	while (send(sender, data, sizeof(data), MSG_DONTWAIT) > 0)
		;
	return sender;
}

/* Leaves the last reference to fd to the receiver, which may drop it at once. So this process has none then:
 * the child sends it, and its exit does not wait as a close would. */
static void give_away(int to, int fd)
{
	int closed[2];
	pid_t child;
	char byte;

	must(pipe(closed), "pipe");
	child = must(fork(), "fork");
	if (child == 0) {
		close(closed[1]);
		(void)!read(closed[0], &byte, 1);
		must((int)sock_send_fd(to, "PING\n", 5, fd), "sendmsg");
		_exit(0);
	}
	close(fd);
	close(closed[0]);
	close(closed[1]);
	must(waitpid(child, NULL, 0), "waitpid");
}

int main(int argc, char **argv)
{
	int fd, to;

	if (argc != 2)
		return 2;
	fd = lingering();
	to = must(sock_connect(argv[1]), argv[1]);
	give_away(to, fd);
	puts("sent");
	fflush(stdout);
	for (;;)
		pause();
}
