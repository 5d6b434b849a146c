/* Watches for the removal or renaming of a file. It has an inotify instance of its own. */
#ifndef DAEMON_NAMEWATCH_H
#define DAEMON_NAMEWATCH_H

#include <stdbool.h>

struct loop;
struct loop_fd;

struct namewatch {
	struct loop *loop;
	struct loop_fd *events; /* NULL while there is no instance */
	int fd, wd;		/* -1: none */
	void (*on_change)(void *context);
	void *context;
};

void namewatch_init(
    struct namewatch *watch, struct loop *loop, void (*on_change)(void *context), void *context);
void namewatch_fini(struct namewatch *watch);

/* Watches the file that has this path now, instead of the previous one. False when it cannot be watched. */
bool namewatch_set(struct namewatch *watch, const char *path);

#endif
