/* Addresses of vsock(7), the sockets between a host and its guests: "vsock:CID:PORT". */
#ifndef SRC_VSOCK_H
#define SRC_VSOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Any context ID, as VMADDR_CID_ANY. */
#define VSOCK_ANY UINT32_MAX

struct vsock_address {
	uint32_t cid, port;
};

/* Whether the text is meant to be such an address: it begins with "vsock:". */
bool vsock_is_address(const char *text);
/* A context ID or a port: a number below 2^32 - 1, which means any. -1: it is not one. */
int vsock_parse_number(const char *text, size_t len, uint32_t *number);
/* -1: it is not "vsock:CID:PORT". */
int vsock_parse(const char *text, struct vsock_address *address);

/* A non-blocking, close-on-exec socket that is connected, or about to be: see sock_connected(). type is
 * SOCK_STREAM, SOCK_SEQPACKET or SOCK_DGRAM. -1: errno. */
int vsock_connect(const struct vsock_address *address, int type);
/* The same kind of socket, which listens at this port for any peer. -1: errno. */
int vsock_listen(uint32_t port);
/* The context ID of the peer; VSOCK_ANY: it is not known. */
uint32_t vsock_peer(int sock);

#endif
