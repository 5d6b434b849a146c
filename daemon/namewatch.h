/*
 * Watches for the removal or renaming of files, and of the directories and links that lead to them: moving a
 * directory raises no event for the files in it.
 *
 * It has an inotify instance of its own. In that of the marker directory, one watch would replace the other
 * where the marker directory is one of those that lead to a file.
 */
#ifndef DAEMON_NAMEWATCH_H
#define DAEMON_NAMEWATCH_H

#include <stdbool.h>
#include <stddef.h>

struct loop;
struct loop_fd;

/* A path that is longer than a socket's can be, or leads through more directories, is not watched. */
#define NAMEWATCH_MOST 64

struct namewatch {
	struct loop *loop;
	struct loop_fd *events; /* NULL while there is no instance */
	int fd;			/* -1: none */
	int wds[NAMEWATCH_MOST];
	size_t count;
	bool works; /* all is watched, and nothing has happened to it */
	void (*on_change)(void *context);
	void *context;
};

void namewatch_init(
    struct namewatch *watch, struct loop *loop, void (*on_change)(void *context), void *context);
void namewatch_fini(struct namewatch *watch);

/* Watches the files that have these names now, and what leads to the first one, instead of the previous ones;
 * beside lies in the same directory. False if any of them cannot be watched; the others are. */
bool namewatch_set(struct namewatch *watch, const char *path, const char *beside);

#endif
