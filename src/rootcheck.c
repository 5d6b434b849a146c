#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/procfs.h"
#include "src/rootcheck.h"
#include "src/shortage.h"

/* "mnt:[4026531841]", and more than that */
#define NAME_SIZE 48

/* False with errno. */
static bool read_name(const char *process, const char *link, char name[NAME_SIZE])
{
	char path[NAME_SIZE];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%s/%s", process, link);
	len = readlink(path, name, NAME_SIZE - 1);
	name[len < 0 ? 0 : len] = '\0';
	return len >= 0;
}

/* Links of /proc/<pid>/task: 2, and one for each thread. */
#define LINKS_OF_LAST_THREAD 3

/* A thread that exits has no namespace and no root any more, while other threads may have them. */
static enum rootcheck explain(const struct process *p, const char *process)
{
	char path[NAME_SIZE];
	struct stat st;

	if (is_shortage(errno))
		return ROOTCHECK_UNKNOWN;
	if (errno == EACCES || errno == EPERM)
		return ROOTCHECK_HIDDEN;
	snprintf(path, sizeof(path), "/proc/%s/task", process);
	return process_gone(p) || stat(path, &st) != 0 || st.st_nlink <= LINKS_OF_LAST_THREAD
		   ? ROOTCHECK_NONE
		   : ROOTCHECK_OTHER;
}

enum rootcheck rootcheck(const struct process *p)
{
	char process[16], its[NAME_SIZE], ours[NAME_SIZE];

	/* Without a start, what /proc shows may be of another process. */
	if (p->no_such_process || !p->start_known || !procfs_is_ours())
		return ROOTCHECK_NONE;
	snprintf(process, sizeof(process), "%ld", (long)p->pid);
	/* A kernel without mount namespaces has no such name. */
	if (read_name("self", "ns/mnt", ours)) {
		if (!read_name(process, "ns/mnt", its))
			return explain(p, process);
		if (strcmp(its, ours) != 0)
			return ROOTCHECK_OTHER;
	}
	if (!read_name(process, "root", its))
		return explain(p, process);
	return strcmp(its, "/") == 0 ? ROOTCHECK_OURS : ROOTCHECK_OTHER;
}
