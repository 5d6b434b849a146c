/*
 * lacking CALL[,CALL]... ERROR COMMAND...: executes the command as on a kernel without these calls, which
 * fail with ENOSYS there, or with EPERM, as filters of containers let them fail. Three are parts of a call:
 * pidfd-info (of ioctl), tmpfile (of openat) and passrights (of getsockopt); their error is always that of
 * old kernels.
 */
#include "config.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/refuse.h"

/* The same numbers on all architectures; newer than the headers of some systems that this is built on. */
#define NR_PIDFD_SEND_SIGNAL 424
#define NR_PIDFD_OPEN	     434
#define NR_CLOSE_RANGE	     436
#define NR_OPENAT2	     437
#define SO_PASSRIGHTS	     83
/* PIDFD_GET_INFO without its size (include/uapi/linux/pidfd.h) */
#define PIDFD_IOCTL_TYPE 0xFF
#define PIDFD_IOCTL_INFO 11
#define IOCTL_MASK	 0xFFFF

/* The call fails if the bits of mask in the argument are these. */
struct lack {
	const char *name;
	unsigned number, argument, mask, bits;
	int error; /* 0: the one that is asked for */
};

static const struct lack lacks[] = {
    {"pidfd_open", NR_PIDFD_OPEN, 0, 0, 0, 0},
    {"pidfd_send_signal", NR_PIDFD_SEND_SIGNAL, 0, 0, 0, 0},
    {"openat2", NR_OPENAT2, 0, 0, 0, 0},
    {"close_range", NR_CLOSE_RANGE, 0, 0, 0, 0},
    {"statx", SYS_statx, 0, 0, 0, 0},
    {"pidfd-info", SYS_ioctl, 1, IOCTL_MASK, PIDFD_IOCTL_TYPE << 8 | PIDFD_IOCTL_INFO, ENOTTY},
    {"tmpfile", SYS_openat, 2, O_TMPFILE, O_TMPFILE, EISDIR},
    {"passrights", SYS_getsockopt, 2, ~0u, SO_PASSRIGHTS, ENOPROTOOPT},
};
#define LACKS (sizeof(lacks) / sizeof(lacks[0]))

static const struct lack *find(const char *name)
{
	for (size_t i = 0; i < LACKS; i++)
		if (strcmp(lacks[i].name, name) == 0)
			return &lacks[i];
	errx(125, "unknown call: %s", name);
}

static void install(const struct lack *lack, int error)
{
	if (refuse_where(lack->number, lack->argument, lack->mask, lack->bits,
		lack->error != 0 ? lack->error : error) != 0)
		err(125, "no filter of system calls");
}

int main(int argc, char **argv)
{
	int error;

	if (argc < 4)
		errx(125, "usage: lacking CALL[,CALL]... ENOSYS|EPERM COMMAND...");
	error = strcmp(argv[2], "EPERM") == 0 ? EPERM : ENOSYS;
	for (char *rest, *name = strtok_r(argv[1], ",", &rest); name != NULL;
	     name = strtok_r(NULL, ",", &rest))
		install(find(name), error);
	execvp(argv[3], argv + 3);
	err(125, "%s", argv[3]);
}
