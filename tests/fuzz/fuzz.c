#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

/* The descriptors that are compared before and after each input. */
#define DESCRIPTORS 48

static int report = -1; /* where standard error led at the start */
static uint64_t executions, bytes;
static pid_t owner; /* of the private directory */
static char dir[64];
static int captured[3];

/* As the kernel names it. */
_Noreturn static void fuzz_fail_descriptor(int fd, bool open)
{
	char path[64], what[256];
	ssize_t len;

	fuzz_memory_path(fd, path);
	len = readlink(path, what, sizeof(what) - 1);
	what[len > 0 ? len : 0] = '\0';
	dprintf(report, "descriptor %d is %s: %s\n", fd, open ? "left open" : "closed", what);
	fuzz_fail(__FILE__, __LINE__, "each input closes what it opens, and nothing else");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* Children exit by _exit(2), except where a module of the product leaves by exit(3). */
static void remove_dir(void)
{
	if (getpid() == owner && dir[0] != '\0')
		nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void fuzz_fail(const char *file, int line, const char *what)
{
	dprintf(report, "%s:%d: invariant: %s\n", file, line, what);
	remove_dir();
	abort();
}

static void on_exit_of_all(void)
{
	if (getpid() != owner)
		return;
	remove_dir();
	dprintf(report, "fuzz: %s executions=%" PRIu64 " bytes=%" PRIu64 "\n", fuzz_target.name, executions,
	    bytes);
}

const char *fuzz_dir(void)
{
	if (dir[0] == '\0') {
		snprintf(dir, sizeof(dir), "/tmp/readyd-fuzz.XXXXXX");
		if (mkdtemp(dir) == NULL)
			fuzz_fail(__FILE__, __LINE__, "mkdtemp");
	}
	return dir;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	report = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	owner = getpid();
	signal(SIGPIPE, SIG_IGN);
	atexit(on_exit_of_all);
	if (fuzz_target.begin != NULL)
		fuzz_target.begin();
	return 0;
}

/* libFuzzer has its own copy of standard error by then. */
static void capture(void)
{
	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
		captured[fd] = fuzz_memory_file("", 0);
		if (dup2(captured[fd], fd) < 0)
			fuzz_fail(__FILE__, __LINE__, "dup2");
	}
}

const char *fuzz_captured(int which, size_t *len)
{
	static char *text;
	struct stat st;

	fflush(which == STDOUT_FILENO ? stdout : stderr);
	free(text);
	text = NULL;
	if (fstat(captured[which], &st) == 0)
		text = malloc((size_t)st.st_size + 1);
	if (text == NULL || pread(captured[which], text, (size_t)st.st_size, 0) != st.st_size)
		fuzz_fail(__FILE__, __LINE__, "what was printed cannot be read");
	text[st.st_size] = '\0';
	*len = (size_t)st.st_size;
	if (*len > 0 && (ftruncate(captured[which], 0) != 0 || lseek(captured[which], 0, SEEK_SET) != 0))
		fuzz_fail(__FILE__, __LINE__, "ftruncate");
	return text;
}

/* By one system call. */
static void see_descriptors(bool open[DESCRIPTORS])
{
	struct pollfd fds[DESCRIPTORS];

	for (int i = 0; i < DESCRIPTORS; i++)
		fds[i] = (struct pollfd){.fd = i};
	while (poll(fds, DESCRIPTORS, 0) < 0)
		if (errno != EINTR)
			fuzz_fail(__FILE__, __LINE__, "poll");
	for (int i = 0; i < DESCRIPTORS; i++)
		open[i] = (fds[i].revents & POLLNVAL) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool before[DESCRIPTORS], after[DESCRIPTORS];

	if (executions++ == 0 && fuzz_target.captures)
		capture();
	bytes += size;
	see_descriptors(before);
	fuzz_target.one(data, size);
	see_descriptors(after);
	for (int fd = 0; fd < DESCRIPTORS; fd++)
		if (before[fd] != after[fd])
			fuzz_fail_descriptor(fd, after[fd]);
	return 0;
}

unsigned fuzz_byte(struct fuzz_input *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return *input->at++;
}

unsigned fuzz_below(struct fuzz_input *input, unsigned limit)
{
	return fuzz_byte(input) % limit;
}

uint64_t fuzz_number(struct fuzz_input *input)
{
	unsigned count = fuzz_byte(input) % 9;
	uint64_t value = 0;

	for (; count > 0; count--)
		value = value << 8 | fuzz_byte(input);
	return value;
}

const char *fuzz_bytes(struct fuzz_input *input, size_t most, size_t *len)
{
	const char *at = (const char *)input->at;

	*len = most < input->left ? most : input->left;
	input->at += *len;
	input->left -= *len;
	return at;
}

char *fuzz_copy(const void *data, size_t len)
{
	char *block = malloc(len > 0 ? len : 1);

	fuzz_check(block != NULL);
	if (len > 0)
		memcpy(block, data, len);
	return block;
}

char *fuzz_text(const void *data, size_t len)
{
	const char *end = len > 0 ? memchr(data, '\0', len) : NULL;
	char *text = strndup(len > 0 ? data : "", end != NULL ? (size_t)(end - (const char *)data) : len);

	fuzz_check(text != NULL);
	return text;
}

/* The number of a character, and its length; 0: it is none. */
static uint32_t decode(const unsigned char *text, size_t left, size_t *len)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t code = text[0];

	*len = text[0] < 0x80 ? 1 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
	if ((text[0] >= 0x80 && text[0] < 0xc0) || text[0] >= 0xf8 || *len > left)
		return 0;
	if (*len > 1)
		code &= 0x7fu >> *len;
	for (size_t i = 1; i < *len; i++) {
		if (text[i] >> 6 != 2)
			return 0;
		code = code << 6 | (text[i] & 0x3f);
	}
	return code < least[*len] || code > 0x10ffff || code >> 11 == 0x1b ? 0 : code;
}

bool fuzz_is_shown(const char *text, size_t len)
{
	size_t count;

	for (size_t i = 0; i < len; i += count) {
		const uint32_t code = decode((const unsigned char *)text + i, len - i, &count);

		if (code != '\n' && (code < 0x20 || (code >= 0x7f && code < 0xa0)))
			return false;
	}
	return len == 0 || text[len - 1] == '\n';
}

int fuzz_memory_file(const void *data, size_t len)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || (len > 0 && pwrite(fd, data, len, 0) != (ssize_t)len))
		fuzz_fail(__FILE__, __LINE__, "memfd_create");
	return fd;
}

void fuzz_memory_path(int fd, char path[64])
{
	snprintf(path, 64, "/proc/self/fd/%d", fd);
}

/* One end of the pair; the other one may have written a byte, and is closed unless it is kept in *kept. */
static int one_end(int ends[2], bool written, int *kept)
{
	if (written && write(ends[1], "r", 1) != 1)
		fuzz_fail(__FILE__, __LINE__, "write");
	if (kept == NULL)
		close(ends[1]);
	else
		*kept = ends[1];
	return ends[0];
}

int fuzz_keep(int fd)
{
	const int kept = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, DESCRIPTORS);

	fuzz_check(kept >= 0);
	close(fd);
	return kept;
}

/* A pipe whose writer stays until the next one of this kind. */
static int open_gate(void)
{
	static int writer = -1;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		fuzz_fail(__FILE__, __LINE__, "pipe2");
	if (writer >= 0)
		close(writer);
	writer = fuzz_keep(ends[1]);
	return ends[0];
}

int fuzz_descriptor(unsigned kind)
{
	int ends[2], fd = -1;

	switch (kind % FUZZ_DESCRIPTOR_KINDS) {
	case 0:
		return open_gate();
	case 1:
	case 2:
		if (pipe2(ends, O_CLOEXEC) == 0)
			fd = one_end(ends, kind % FUZZ_DESCRIPTOR_KINDS == 2, NULL);
		break;
	case 3:
		if (pipe2(ends, O_CLOEXEC) == 0) {
			close(ends[0]);
			fd = ends[1];
		}
		break;
	case 4:
	case 5:
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0)
			fd = one_end(ends, kind % FUZZ_DESCRIPTOR_KINDS == 5, NULL);
		break;
	case 6:
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		break;
	case 7:
		fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		break;
	case 8:
		fd = eventfd(1, EFD_CLOEXEC);
		break;
	case 9:
		fd = fuzz_memory_file("r", 1);
		break;
	}
	fuzz_check(fd >= 0);
	return fd;
}

bool fuzz_send(int sock, const char *bytes_to_send, size_t len, const int *fds, size_t count)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes_to_send, .iov_len = len};
	union {
		char buf[CMSG_SPACE(8 * sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t sent;

	fuzz_check(count <= 8);
	if (count > 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.align = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
		    .cmsg_type = SCM_RIGHTS,
		    .cmsg_len = CMSG_LEN(count * sizeof(int))};
		memcpy(CMSG_DATA(&control.align), fds, count * sizeof(int));
	}
	sent = len > 0 ? sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
	return sent == (ssize_t)len;
}
