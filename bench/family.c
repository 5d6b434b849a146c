#include "config.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/family.h"
#include "bench/harness.h"

struct relation {
	pid_t pid, parent;
};

/* proc_pid_stat(5): "pid (name) state ppid ...", where the name may hold anything. */
static bool read_relation(const char *name, struct relation *relation)
{
	char path[64], text[512], *close_at;
	int fd, parent;
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len <= 0)
		return false;
	text[len] = '\0';
	close_at = strrchr(text, ')');
	if (close_at == NULL || sscanf(close_at, ") %*c %d", &parent) != 1)
		return false;
	relation->pid = (pid_t)atoi(name);
	relation->parent = (pid_t)parent;
	return true;
}

static size_t read_relations(struct relation **all)
{
	size_t count = 0, room = 4096;
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	*all = malloc(room * sizeof(**all));
	if (dir == NULL || *all == NULL)
		fail_errno("/proc");
	while ((entry = readdir(dir)) != NULL) {
		if (count == room)
			*all = realloc(*all, (room *= 2) * sizeof(**all));
		if (*all == NULL)
			fail_errno("/proc");
		count +=
		    isdigit((unsigned char)entry->d_name[0]) && read_relation(entry->d_name, &(*all)[count]);
	}
	closedir(dir);
	return count;
}

void family_add(struct family *family, pid_t pid)
{
	family_remove(family, pid);
	if (family->count == family->room) {
		family->room = family->room == 0 ? 1024 : 2 * family->room;
		family->pids = realloc(family->pids, family->room * sizeof(*family->pids));
		if (family->pids == NULL)
			fail_errno("family");
	}
	family->pids[family->count++] = pid;
}

void family_remove(struct family *family, pid_t pid)
{
	for (size_t i = 0; i < family->count; i++)
		if (family->pids[i] == pid) {
			family->pids[i] = family->pids[--family->count];
			return;
		}
}

static int by_pid(const void *a, const void *b)
{
	return ((const struct relation *)a)->pid - ((const struct relation *)b)->pid;
}

/* Generation by generation, up to its grandchildren's children. */
static bool descends(const struct relation *all, size_t count, pid_t parent)
{
	const struct relation *found;
	struct relation key = {0};
	pid_t self = getpid();

	for (int generation = 0; generation < 4 && parent > 1; generation++) {
		if (parent == self)
			return true;
		key.pid = parent;
		found = bsearch(&key, all, count, sizeof(*all), by_pid);
		parent = found == NULL ? 0 : found->parent;
	}
	return false;
}

void family_look(struct family *family)
{
	struct relation *all;
	size_t count = read_relations(&all);

	family->count = 0;
	qsort(all, count, sizeof(*all), by_pid);
	for (size_t i = 0; i < count; i++)
		if (descends(all, count, all[i].parent))
			family_add(family, all[i].pid);
	free(all);
}

int64_t family_cpu(const struct family *family)
{
	int64_t sum = 0;

	for (size_t i = 0; i < family->count; i++)
		sum += cpu_of(family->pids[i]);
	return sum;
}

void family_fini(struct family *family)
{
	free(family->pids);
	*family = (struct family){0};
}

int descriptors_of(pid_t pid, const char *kind)
{
	char path[64], target[64];
	struct dirent *entry;
	int count = 0;
	ssize_t len;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%ld/fd", (long)pid);
	dir = opendir(path);
	if (dir == NULL)
		return -1;
	while ((entry = readdir(dir)) != NULL) {
		len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (len < 0)
			continue;
		target[len] = '\0';
		count += strncmp(target, kind, strlen(kind)) == 0;
	}
	closedir(dir);
	return count;
}
