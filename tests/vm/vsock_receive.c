/* vsock_receive stream|seqpacket PORT: appends what is sent to this port by vsock(7) to the file `heard`;
 * creates the file `listening` before. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/vm_sockets.h>
#include <unistd.h>

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* A packet does not end in a newline. */
static void copy(int client, FILE *heard)
{
	char text[4096];
	ssize_t n;

	while ((n = recv(client, text, sizeof(text), 0)) > 0) {
		fwrite(text, 1, (size_t)n, heard);
		if (text[n - 1] != '\n')
			fputc('\n', heard);
		fflush(heard);
	}
	close(client);
}

int main(int argc, char **argv)
{
	struct sockaddr_vm addr = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY};
	FILE *heard = fopen("heard", "w");
	int fd;

	if (argc != 3 || heard == NULL)
		return 2;
	addr.svm_port = (unsigned)atoi(argv[2]);
	fd = socket(AF_VSOCK, strcmp(argv[1], "stream") == 0 ? SOCK_STREAM : SOCK_SEQPACKET, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 || listen(fd, 8) != 0)
		fail("listen");
	fclose(fopen("listening", "w"));
	for (;;) {
		int client = accept(fd, NULL, NULL);

		if (client < 0)
			fail("accept");
		copy(client, heard);
	}
}
