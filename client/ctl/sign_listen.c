#include "config.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/ctl/listen_table.h"
#include "client/ctl/process_tree.h"
#include "client/ctl/sign_listen.h"
#include "src/clock.h"
#include "src/number.h"

/* The links of descriptors begin with it, and the inode and "]" follow (proc_pid_fd(5)). */
#define SOCKET "socket:["

/* The time between two looks is a tenth of the time so far, within these bounds: what starts slowly is looked
 * at less often, so that a crowd that waits costs little. */
#define SHORTEST_MS 10
#define LONGEST_MS  1000

void sign_listen_init(struct sign_listen *l, const char *where)
{
	uint64_t port;

	*l = (struct sign_listen){.where = where, .began = clock_ms()};
	if (number_parse(where, strlen(where), 65535, &port) == 0)
		l->port = (unsigned)port;
}

static void note(struct sign_listen *l, uint64_t inode)
{
	if (l->count < SIGN_LISTEN_SOCKETS)
		l->inodes[l->count++] = inode;
}

static FILE *open_table(pid_t worker, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/net/%s", (long)worker, name);
	return fopen(path, "re");
}

static void find_tcp(struct sign_listen *l, pid_t worker, const char *name)
{
	FILE *table = open_table(worker, name);
	enum listen_line kind = LISTEN_LINE_OTHER;
	char line[512];
	uint64_t inode;

	while (table != NULL && kind != LISTEN_LINE_LAST && fgets(line, sizeof(line), table) != NULL) {
		kind = listen_table_tcp(line, l->port, &inode);
		if (kind == LISTEN_LINE_MATCHES)
			note(l, inode);
	}
	if (table != NULL)
		fclose(table);
}

/* What the worker means by that path: a relative one begins in its directory. */
static bool is_same_file(const char *path, const char *its, pid_t worker)
{
	char below[PATH_MAX + 64];
	struct stat ours, theirs;

	snprintf(below, sizeof(below), "/proc/%ld/%s/%s", (long)worker, its[0] == '/' ? "root" : "cwd", its);
	return path[0] != '@' && stat(path, &ours) == 0 && stat(below, &theirs) == 0 &&
	       ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

static void find_unix(struct sign_listen *l, pid_t worker)
{
	FILE *table = open_table(worker, "unix");
	char line[512];
	const char *path;
	uint64_t inode;

	while (table != NULL && fgets(line, sizeof(line), table) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (listen_table_unix(line, &inode, &path) &&
		    (strcmp(path, l->where) == 0 || is_same_file(l->where, path, worker)))
			note(l, inode);
	}
	if (table != NULL)
		fclose(table);
}

static bool is_found(const struct sign_listen *l, int dir, const char *name)
{
	char target[64];
	ssize_t length = readlinkat(dir, name, target, sizeof(target) - 1);
	uint64_t inode;

	if (length < 0)
		return false;
	target[length] = '\0';
	if (strncmp(target, SOCKET, strlen(SOCKET)) != 0 ||
	    number_parse(
		target + strlen(SOCKET), strcspn(target + strlen(SOCKET), "]"), UINT64_MAX, &inode) != 0)
		return false;
	for (size_t i = 0; i < l->count; i++)
		if (l->inodes[i] == inode)
			return true;
	return false;
}

static bool holds_one(pid_t pid, void *context)
{
	struct sign_listen *l = context;
	struct dirent *entry;
	bool found = false;
	char path[32];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%ld/fd", (long)pid);
	dir = opendir(path);
	if (dir == NULL) {
		l->unreadable = true;
		return false;
	}
	while (!found && (entry = readdir(dir)) != NULL)
		found = is_found(l, dirfd(dir), entry->d_name);
	closedir(dir);
	return found;
}

bool sign_listen_look(struct sign_listen *l, pid_t worker)
{
	l->count = 0;
	l->unreadable = false;
	if (l->port == 0) {
		find_unix(l, worker);
	} else {
		find_tcp(l, worker, "tcp");
		find_tcp(l, worker, "tcp6");
	}
	return l->count > 0 && process_tree_visit(worker, holds_one, l);
}

bool sign_listen_check(struct sign_listen *l, pid_t worker)
{
	int64_t now = clock_ms(), interval = (now - l->began) / 10;

	if (now < l->due)
		return false;
	if (interval < SHORTEST_MS)
		interval = SHORTEST_MS;
	if (interval > LONGEST_MS)
		interval = LONGEST_MS;
	l->due = now + clock_jitter(interval);
	return sign_listen_look(l, worker);
}
