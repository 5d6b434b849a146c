#include "config.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/root.h"

/* As many links as the kernel follows: MAXSYMLINKS, include/linux/namei.h */
#define LINKS_MOST 40

struct walk {
	char *path; /* resolved so far: the root, and what is below it */
	size_t size, root_len;
	char rest[PATH_MAX]; /* not resolved yet */
	unsigned links;
};

/* Drops the last component of the path, but never the root. */
static void go_up(struct walk *walk)
{
	char *slash = strrchr(walk->path, '/');

	if (slash != NULL && slash >= walk->path + walk->root_len)
		*slash = '\0';
}

static int go_down(struct walk *walk, const char *part, size_t len)
{
	size_t at = strlen(walk->path);

	if (at + 1 + len >= walk->size)
		return -1;
	walk->path[at] = '/';
	memcpy(walk->path + at + 1, part, len);
	walk->path[at + 1 + len] = '\0';
	return 0;
}

/* Continues at the link's target, and from there along the rest. */
static int follow(struct walk *walk, const char *target, const char *rest)
{
	char way[PATH_MAX];
	int len = snprintf(way, sizeof(way), "%s%s", target, rest);

	if (len < 0 || (size_t)len >= sizeof(way))
		return -1;
	strcpy(walk->rest, way);
	if (target[0] == '/')
		walk->path[walk->root_len] = '\0';
	else
		go_up(walk);
	walk->links++;
	return 0;
}

static bool is(const char *part, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(part, word, len) == 0;
}

/* Resolves one component. */
static int step(struct walk *walk, const char *part, size_t len)
{
	const char *rest = part + len;
	char target[PATH_MAX];
	ssize_t n = -1;

	if (is(part, len, "..")) {
		go_up(walk);
	} else if (!is(part, len, ".")) {
		if (go_down(walk, part, len) != 0)
			return -1;
		if (walk->links < LINKS_MOST)
			n = readlink(walk->path, target, sizeof(target) - 1);
	}
	if (n > 0) {
		target[n] = '\0';
		return follow(walk, target, rest);
	}
	memmove(walk->rest, rest, strlen(rest) + 1);
	return 0;
}

int root_resolve(const char *root, const char *dir, char *path, size_t size)
{
	struct walk walk = {.path = path, .size = size, .root_len = strlen(root)};
	const char *part;

	if (walk.root_len >= size || strlen(dir) >= sizeof(walk.rest))
		return -1;
	strcpy(path, root);
	strcpy(walk.rest, dir);
	while (*(part = walk.rest + strspn(walk.rest, "/")) != '\0')
		if (step(&walk, part, strcspn(part, "/")) != 0)
			return -1;
	return 0;
}
