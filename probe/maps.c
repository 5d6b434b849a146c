#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probe/image.h"
#include "probe/maps.h"

/* The file that a line of /proc/<pid>/maps maps with executable code, or NULL. Ends the line. */
static const char *executable_file(char *line)
{
	char *path = strchr(line, '/'), *permissions = strchr(line, ' ');

	line[strcspn(line, "\n")] = '\0';
	if (path == NULL || permissions == NULL || permissions > path || permissions[3] != 'x')
		return NULL;
	return path;
}

/* The name is that of the process's root; what it names may have been replaced by anything since. */
static bool file_has_jemalloc(const struct target *target, const char *name)
{
	char path[PATH_MAX];
	struct stat st;
	bool has;
	int fd;

	if (snprintf(path, sizeof(path), "/proc/%ld/root%s", (long)target->pid, name) >= (int)sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return false;
	has = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && image_has_jemalloc(fd);
	close(fd);
	return has;
}

static void look_in_lines(const struct target *target, FILE *maps, struct failure *failure)
{
	char *line = NULL;
	const char *name;
	size_t size = 0;

	while (getline(&line, &size, maps) >= 0) {
		name = executable_file(line);
		if (name != NULL && file_has_jemalloc(target, name)) {
			failure_set(failure, FAILURE_JEMALLOC_IN_DSO,
			    "jemalloc is in the shared object %s, which is not supported; link it statically",
			    name);
			break;
		}
	}
	free(line);
}

void maps_look_for_jemalloc(const struct target *target, struct failure *failure)
{
	char path[64];
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%ld/maps", (long)target->pid);
	maps = fopen(path, "re");
	if (maps == NULL) {
		failure_set(failure, FAILURE_MAPS_READ, "cannot open %s: %s", path, strerror(errno));
		return;
	}
	look_in_lines(target, maps, failure);
	fclose(maps);
}
