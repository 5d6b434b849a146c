/* What the daemon does by vsock(7), which takes a second kernel: here, TCP on the loopback interface takes
 * its place, which connects in the background as well. */
#include <errno.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>

#include "daemon/loop.h"
#include "daemon/notice.h"
#include "daemon/vsock_listener.h"
#include "src/vsock.h"
#include "tests/unit.h"

#define HOST "vsock:2:7"

static struct loop *loop;
static struct notice notice;
static int port_of[SOCK_SEQPACKET + 1]; /* on the loopback interface, for each type of socket */
static int refused_type;		/* socket(2) does not know it */
static int bind_error;
static int blind_polls; /* that see nothing yet */
static bool peer_is_known;

/* NOLINTBEGIN(bugprone-reserved-identifier) */
int __real_socket(int domain, int type, int protocol);
int __real_bind(int fd, const struct sockaddr *addr, socklen_t len);
int __real_connect(int fd, const struct sockaddr *addr, socklen_t len);
int __real_poll(struct pollfd *fds, nfds_t count, int timeout);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_bind(int fd, const struct sockaddr *addr, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t len);
int __wrap_getpeername(int fd, struct sockaddr *addr, socklen_t *len);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout);

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int type_of(int fd)
{
	socklen_t len = sizeof(int);
	int priority = -1;

	unit_check(getsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, &len) == 0);
	return priority;
}

/* The priority of a socket says which type was meant. */
int __wrap_socket(int domain, int type, int protocol)
{
	const int flags = type & (SOCK_NONBLOCK | SOCK_CLOEXEC);
	int fd, kind = type & ~flags;

	if (domain != AF_VSOCK)
		return __real_socket(domain, type, protocol);
	unit_check(flags == (SOCK_NONBLOCK | SOCK_CLOEXEC));
	if (kind == refused_type) {
		errno = ESOCKTNOSUPPORT;
		return -1;
	}
	fd = __real_socket(AF_INET, SOCK_STREAM | flags, 0);
	unit_check(setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &kind, sizeof(kind)) == 0);
	return fd;
}

int __wrap_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	const struct sockaddr_in inside = loopback(0);
	struct sockaddr_in got = {0};
	socklen_t got_len = sizeof(got);

	if (addr->sa_family != AF_VSOCK)
		return __real_bind(fd, addr, len);
	unit_check(len == sizeof(struct sockaddr_vm));
	unit_check(((const struct sockaddr_vm *)addr)->svm_cid == VMADDR_CID_ANY);
	unit_check(((const struct sockaddr_vm *)addr)->svm_port == 7);
	if (bind_error != 0) {
		errno = bind_error;
		return -1;
	}
	unit_check(__real_bind(fd, (const struct sockaddr *)&inside, sizeof(inside)) == 0);
	unit_check(getsockname(fd, (struct sockaddr *)&got, &got_len) == 0);
	port_of[SOCK_STREAM] = ntohs(got.sin_port);
	return 0;
}

int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct sockaddr_in inside;

	if (addr->sa_family != AF_VSOCK)
		return __real_connect(fd, addr, len);
	unit_check(len == sizeof(struct sockaddr_vm));
	unit_check(((const struct sockaddr_vm *)addr)->svm_cid == VMADDR_CID_HOST);
	unit_check(((const struct sockaddr_vm *)addr)->svm_port == 7);
	inside = loopback(port_of[type_of(fd)]);
	return __real_connect(fd, (const struct sockaddr *)&inside, sizeof(inside));
}

int __wrap_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	const struct sockaddr_vm peer = {.svm_family = AF_VSOCK, .svm_cid = 5};

	(void)fd;
	if (!peer_is_known) {
		errno = ENOTCONN;
		return -1;
	}
	unit_check(*len >= sizeof(peer));
	memcpy(addr, &peer, sizeof(peer));
	return 0;
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout)
{
	if (blind_polls == 0)
		return __real_poll(fds, count, timeout);
	blind_polls--;
	return 0;
}

/* NOLINTEND(bugprone-reserved-identifier) */

/* On the loopback interface; backlog 0: it refuses. */
static int receive(int type, int backlog)
{
	const struct sockaddr_in any = loopback(0);
	struct sockaddr_in got = {0};
	socklen_t len = sizeof(got);
	int fd = __real_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(__real_bind(fd, (const struct sockaddr *)&any, sizeof(any)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&got, &len), 0);
	port_of[type] = ntohs(got.sin_port);
	ck_assert(backlog == 0 || listen(fd, backlog) == 0);
	return fd;
}

static void expect_bytes(int listener, const char *bytes)
{
	int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	char text[64] = "";
	size_t len = 0;
	ssize_t n;

	ck_assert_int_ge(client, 0);
	while ((n = recv(client, text + len, sizeof(text) - 1 - len, 0)) > 0)
		len += (size_t)n;
	ck_assert_str_eq(text, bytes);
	close(client);
}

static void set_up(void)
{
	ck_assert_ptr_ne(signal(SIGPIPE, SIG_IGN), SIG_ERR);
	loop = loop_new();
	refused_type = bind_error = blind_polls = 0;
	peer_is_known = true;
}

static void tear_down(void)
{
	notice_fini(&notice);
	loop_free(loop);
}

static void let_it_send(void)
{
	while (notice.to != NULL)
		loop_turn(loop, true);
}

/* Packets need no newline. */
START_TEST(text_is_one_packet)
{
	const int packets = receive(SOCK_SEQPACKET, 1), fds = unit_count_fds();

	notice_send(&notice, _i == 0 ? loop : NULL, "READY=1", HOST);
	ck_assert_ptr_null(notice.to);
	ck_assert_int_eq(unit_count_fds(), fds);
	expect_bytes(packets, "READY=1");
}
END_TEST

/* The peer refuses packets, or this kernel does not have them. */
START_TEST(text_is_a_line_where_there_are_no_packets)
{
	const int lines = receive(SOCK_STREAM, 1);
	int fds;

	(void)receive(SOCK_SEQPACKET, 0);
	refused_type = _i == 0 ? 0 : SOCK_SEQPACKET;
	fds = unit_count_fds();
	notice_send_both(&notice, loop, "RELOADING=1", "READY=1", HOST);
	let_it_send();
	ck_assert_int_eq(unit_count_fds(), fds);
	expect_bytes(lines, "RELOADING=1\nREADY=1\n");
}
END_TEST

static const int unknown[] = {0, SOCK_STREAM};

START_TEST(host_that_refuses_both_is_given_up)
{
	int fds;

	(void)receive(SOCK_STREAM, 0);
	(void)receive(SOCK_SEQPACKET, 0);
	refused_type = unknown[_i];
	fds = unit_count_fds();
	notice_send(&notice, loop, "READY=1", HOST);
	let_it_send();
	ck_assert_int_eq(notice.fd, -1);
	ck_assert_int_eq(unit_count_fds(), fds);
}
END_TEST

START_TEST(connection_in_progress_is_waited_for_by_the_loop)
{
	const int packets = receive(SOCK_SEQPACKET, 1);

	blind_polls = 1;
	notice_send(&notice, loop, "READY=1", HOST);
	ck_assert_ptr_nonnull(notice.room);
	ck_assert_ptr_null(notice.retry);
	let_it_send();
	expect_bytes(packets, "READY=1");
}
END_TEST

/* As the daemon stops: the time for it is bounded. */
START_TEST(connection_in_progress_is_given_up_without_a_loop)
{
	int fds;

	(void)receive(SOCK_SEQPACKET, 1);
	fds = unit_count_fds();
	blind_polls = 2;
	notice_send(&notice, NULL, "STOPPING=1", HOST);
	ck_assert_ptr_null(notice.to);
	ck_assert_int_eq(blind_polls, 0);
	ck_assert_int_eq(unit_count_fds(), fds);
}
END_TEST

static unsigned accepted;

static void on_accepted(int fd, uint32_t cid, void *context)
{
	ck_assert_ptr_eq(context, &accepted);
	ck_assert_uint_eq(cid, peer_is_known ? 5 : VSOCK_ANY);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
	close(fd);
	accepted++;
}

static void connect_and_expect_end(void)
{
	const struct sockaddr_in address = loopback(port_of[SOCK_STREAM]);
	int fd = __real_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char byte;

	ck_assert_int_eq(__real_connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	loop_turn(loop, true);
	ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
	close(fd);
}

static const struct {
	struct vsock_listener_config config;
	bool peer_is_known;
	unsigned accepted;
} clients[] = {
    {{.is_on = true, .port = 7}, true, 2},
    {{.is_on = true, .port = 7}, false, 2},
    {{.is_on = true, .port = 7, .cid_count = 2, .cids = {4, 5}}, true, 2},
    {{.is_on = true, .port = 7, .cid_count = 2, .cids = {4, 6}}, true, 0},
    {{.is_on = true, .port = 7, .cid_count = 2, .cids = {4, 5}}, false, 0},
};

START_TEST(clients_are_accepted_by_their_cid)
{
	const int fds = unit_count_fds();
	struct vsock_listener *listener =
	    vsock_listener_new(loop, &clients[_i].config, on_accepted, &accepted);

	ck_assert_ptr_nonnull(listener);
	peer_is_known = clients[_i].peer_is_known;
	accepted = 0;
	connect_and_expect_end();
	connect_and_expect_end();
	ck_assert_uint_eq(accepted, clients[_i].accepted);
	vsock_listener_free(listener);
	ck_assert_int_eq(unit_count_fds(), fds);
}
END_TEST

static const int bind_errors[] = {EADDRINUSE, EACCES};

START_TEST(port_cannot_be_served)
{
	const int fds = unit_count_fds();

	bind_error = bind_errors[_i];
	ck_assert_ptr_null(vsock_listener_new(loop, &clients[0].config, on_accepted, &accepted));
	ck_assert_int_eq(unit_count_fds(), fds);
	vsock_listener_free(NULL);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("vsock");
	TCase *tcase = unit_case(s, "vsock");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, text_is_one_packet, 0, 2);
	tcase_add_loop_test(tcase, text_is_a_line_where_there_are_no_packets, 0, 2);
	tcase_add_loop_test(tcase, host_that_refuses_both_is_given_up, 0, UNIT_COUNT(unknown));
	tcase_add_test(tcase, connection_in_progress_is_waited_for_by_the_loop);
	tcase_add_test(tcase, connection_in_progress_is_given_up_without_a_loop);
	tcase_add_loop_test(tcase, clients_are_accepted_by_their_cid, 0, UNIT_COUNT(clients));
	tcase_add_loop_test(tcase, port_cannot_be_served, 0, UNIT_COUNT(bind_errors));
	return s;
}

int main(void)
{
	return unit_main(suite);
}
