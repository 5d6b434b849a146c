#include "config.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/tree.h"
#include "bench/harness.h"

struct relation {
	pid_t pid, parent;
};

/* proc_pid_stat(5): "pid (comm) state ppid ...", where comm may contain any character. */
static bool read_relation(const char *name, struct relation *relation)
{
	char path[64], text[512], *comm_end;
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
	comm_end = strrchr(text, ')');
	if (comm_end == NULL || sscanf(comm_end, ") %*c %d", &parent) != 1)
		return false;
	relation->pid = (pid_t)atoi(name);
	relation->parent = (pid_t)parent;
	return true;
}

static size_t read_relations(struct relation **all)
{
	size_t count = 0, capacity = 4096;
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	*all = malloc(capacity * sizeof(**all));
	if (dir == NULL || *all == NULL)
		fail_errno("/proc");
	while ((entry = readdir(dir)) != NULL) {
		if (count == capacity)
			*all = realloc(*all, (capacity *= 2) * sizeof(**all));
		if (*all == NULL)
			fail_errno("/proc");
		count +=
		    isdigit((unsigned char)entry->d_name[0]) && read_relation(entry->d_name, &(*all)[count]);
	}
	closedir(dir);
	return count;
}

void tree_add(struct tree *tree, pid_t pid)
{
	tree_remove(tree, pid);
	if (tree->count == tree->capacity) {
		tree->capacity = tree->capacity == 0 ? 1024 : 2 * tree->capacity;
		tree->pids = realloc(tree->pids, tree->capacity * sizeof(*tree->pids));
		if (tree->pids == NULL)
			fail_errno("tree");
	}
	tree->pids[tree->count++] = pid;
}

void tree_remove(struct tree *tree, pid_t pid)
{
	for (size_t i = 0; i < tree->count; i++)
		if (tree->pids[i] == pid) {
			tree->pids[i] = tree->pids[--tree->count];
			return;
		}
}

static int by_pid(const void *a, const void *b)
{
	return ((const struct relation *)a)->pid - ((const struct relation *)b)->pid;
}

/* A waiter's program may start others, so four generations are enough. */
static bool descends(const struct relation *all, size_t count, pid_t parent, pid_t root)
{
	const struct relation *found;
	struct relation key = {0};

	for (int generation = 0; generation < 4 && parent > 1; generation++) {
		if (parent == root)
			return true;
		key.pid = parent;
		found = bsearch(&key, all, count, sizeof(*all), by_pid);
		parent = found == NULL ? 0 : found->parent;
	}
	return false;
}

void tree_scan(struct tree *tree)
{
	tree_scan_below(tree, getpid());
}

void tree_scan_below(struct tree *tree, pid_t root)
{
	struct relation *all;
	size_t count = read_relations(&all);

	tree->count = 0;
	qsort(all, count, sizeof(*all), by_pid);
	for (size_t i = 0; i < count; i++)
		if (descends(all, count, all[i].parent, root))
			tree_add(tree, all[i].pid);
	free(all);
}

int64_t tree_cpu(const struct tree *tree)
{
	int64_t sum = 0;

	for (size_t i = 0; i < tree->count; i++)
		sum += cpu_of(tree->pids[i]);
	return sum;
}

void tree_fini(struct tree *tree)
{
	free(tree->pids);
	*tree = (struct tree){0};
}

int descriptors_of(pid_t pid, const char *prefix)
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
		count += strncmp(target, prefix, strlen(prefix)) == 0;
	}
	closedir(dir);
	return count;
}

long sleeps_of(pid_t pid)
{
	char path[64], line[256];
	long count = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "voluntary_ctxt_switches: %ld", &count) == 1)
			break;
	if (file != NULL)
		fclose(file);
	return count;
}
