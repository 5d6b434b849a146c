#include "config.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "src/program.h"

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

int program_raise_descriptor_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return -1;
	files.rlim_cur = files.rlim_max;
	return prlimit(0, RLIMIT_NOFILE, &files, NULL);
}
