#include "config.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/program.h"

#ifndef SYS_close_range
#define SYS_close_range 436 /* Linux 5.9 */
#endif

/* Early in the life of a guest there may be no /dev. */
static int open_placeholder(void)
{
	int fd = open("/dev/null", O_RDONLY | O_NOCTTY);

	return fd >= 0 ? fd : open("/", O_RDONLY | O_DIRECTORY);
}

void program_fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open_placeholder();
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

/* It is replaced in one step: in between, its number would be free. */
void program_close(int fd)
{
	int placeholder = fd <= STDERR_FILENO ? open_placeholder() : -1;

	if (placeholder < 0) {
		close(fd);
		return;
	}
	(void)dup2(placeholder, fd);
	close(placeholder);
}

void program_close_range(unsigned first, unsigned last)
{
	long max;

	if (first > last || syscall(SYS_close_range, first, last, 0) == 0)
		return;
	max = sysconf(_SC_OPEN_MAX);
	for (unsigned fd = first; fd <= last && (long)fd < max; fd++)
		close((int)fd);
}

int program_raise_descriptor_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return -1;
	files.rlim_cur = files.rlim_max;
	return prlimit(0, RLIMIT_NOFILE, &files, NULL);
}
