#include "config.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/ctl/process_tree.h"
#include "src/procfs.h"

/* What is read may change meanwhile, so that a chain of parents need not end. */
#define MOST_LEVELS 1000

/* 0: it cannot be read, or there is none. */
static pid_t parent_of(pid_t pid)
{
	char buf[1024], *end;

	if (procfs_read(pid, "stat", buf, sizeof(buf)) != 0 || (end = strrchr(buf, ')')) == NULL ||
	    strlen(end) < 4)
		return 0;
	return (pid_t)atol(end + 4);
}

bool process_tree_has(pid_t root, pid_t pid)
{
	for (int level = 0; pid > 0 && level < MOST_LEVELS; level++) {
		if (pid == root)
			return true;
		pid = parent_of(pid);
	}
	return false;
}

struct visit {
	bool (*visit)(pid_t pid, void *context);
	void *context;
	int level;
};

static bool visit_below(pid_t pid, struct visit *v);

/* "PID PID ..." */
static bool visit_children(FILE *file, struct visit *v)
{
	bool found = false;
	char *word = NULL;
	size_t size = 0;
	pid_t child;

	while (!found && getdelim(&word, &size, ' ', file) > 0 && (child = (pid_t)atol(word)) > 0)
		found = v->visit(child, v->context) || visit_below(child, v);
	free(word);
	return found;
}

static bool visit_thread(pid_t pid, const char *thread, struct visit *v)
{
	char path[64];
	bool found;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/task/%.20s/children", (long)pid, thread);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	found = visit_children(file, v);
	fclose(file);
	return found;
}

static bool visit_below(pid_t pid, struct visit *v)
{
	struct dirent *entry;
	bool found = false;
	char path[32];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%ld/task", (long)pid);
	dir = v->level < MOST_LEVELS ? opendir(path) : NULL;
	if (dir == NULL)
		return false;
	v->level++;
	while (!found && (entry = readdir(dir)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]))
			found = visit_thread(pid, entry->d_name, v);
	v->level--;
	closedir(dir);
	return found;
}

/* For kernels without these files (CONFIG_PROC_CHILDREN): all processes are asked for their parents. */
static bool visit_all(pid_t root, struct visit *v)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	bool found = false;

	while (dir != NULL && !found && (entry = readdir(dir)) != NULL) {
		pid_t pid = (pid_t)atol(entry->d_name);

		found = pid > 0 && pid != root && process_tree_has(root, pid) && v->visit(pid, v->context);
	}
	if (dir != NULL)
		closedir(dir);
	return found;
}

bool process_tree_visit(pid_t root, bool (*visit)(pid_t pid, void *context), void *context)
{
	struct visit v = {.visit = visit, .context = context};

	if (!procfs_is_ours())
		return false;
	if (visit(root, context))
		return true;
	return access("/proc/thread-self/children", F_OK) == 0 ? visit_below(root, &v) : visit_all(root, &v);
}
