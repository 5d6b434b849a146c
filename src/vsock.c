#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/number.h"
#include "src/vsock.h"

#define SCHEME	"vsock:"
#define BACKLOG 4096

/* As the kernel has it (struct sockaddr_vm, include/uapi/linux/vm_sockets.h): its headers are not where every
 * C library looks. */
struct vm_address {
	sa_family_t svm_family;
	uint16_t svm_reserved;
	uint32_t svm_port, svm_cid;
	uint8_t svm_flags, svm_zero[3];
};
_Static_assert(sizeof(struct vm_address) == sizeof(struct sockaddr), "as the kernel reads it");

bool vsock_is_address(const char *text)
{
	return strncmp(text, SCHEME, strlen(SCHEME)) == 0;
}

int vsock_parse_number(const char *text, size_t len, uint32_t *number)
{
	uint64_t value;

	if (number_parse(text, len, UINT32_MAX - 1, &value) != 0)
		return -1;
	*number = (uint32_t)value;
	return 0;
}

int vsock_parse(const char *text, struct vsock_address *address)
{
	const char *cid = text + strlen(SCHEME), *colon;

	if (!vsock_is_address(text) || (colon = strchr(cid, ':')) == NULL)
		return -1;
	if (vsock_parse_number(cid, (size_t)(colon - cid), &address->cid) != 0)
		return -1;
	return vsock_parse_number(colon + 1, strlen(colon + 1), &address->port);
}

static struct vm_address raw(uint32_t cid, uint32_t port)
{
	return (struct vm_address){.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
}

static int close_failed(int fd)
{
	const int saved = errno;

	close(fd);
	errno = saved;
	return -1;
}

int vsock_connect(const struct vsock_address *address, int type)
{
	const struct vm_address addr = raw(address->cid, address->port);
	const int fd = socket(AF_VSOCK, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 || errno == EINPROGRESS)
		return fd;
	return close_failed(fd);
}

int vsock_listen(uint32_t port)
{
	const struct vm_address addr = raw(VSOCK_ANY, port);
	const int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0 || listen(fd, BACKLOG) != 0)
		return close_failed(fd);
	return fd;
}

uint32_t vsock_peer(int sock)
{
	struct vm_address addr = {0};
	socklen_t len = sizeof(addr);

	if (getpeername(sock, (struct sockaddr *)&addr, &len) != 0 || addr.svm_family != AF_VSOCK)
		return VSOCK_ANY;
	return addr.svm_cid;
}
