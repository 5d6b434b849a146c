/* The fallback's ears: one private inotify watch on the marker directory, where one can be had. */
#ifndef CLIENT_FILEWATCH_H
#define CLIENT_FILEWATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "src/marker.h"

struct filewatch {
	int fd; /* -1: none; poll instead */
	int wd;
	int also; /* the highest wd of another directory, -1 */
};

void filewatch_init(struct filewatch *watch);

/* Opens it where it can be opened and makes sure that it watches the directory which the path names now;
 * see watch.c of the daemon for why it adds the watch again. Returns whether it is another directory than
 * before, or none: then look at everything. */
bool filewatch_arm(struct filewatch *watch, const struct marker_place *place);
/* Watches one more directory, as long as it is open. True when it was not watched before. *wd is its number,
 * 0 where it cannot be watched. */
bool filewatch_also(struct filewatch *watch, const char *dir, int *wd);
/* Lets go: instances are few (fs.inotify.max_user_instances, 128 for all of a user's processes). */
void filewatch_close(struct filewatch *watch);

/* A marker that something happened to. */
struct filewatch_news {
	int wd;	    /* of the directory of filewatch_also(), or 0: the one of filewatch_arm() */
	pid_t name; /* the pid in its name */
	bool came;  /* it is new there */
};

/* Drains the queue into news[0..max) and returns how many there are. *doubt: anything else may have happened
 * too, look at everything. */
int filewatch_read(struct filewatch *watch, const struct marker_place *place, struct filewatch_news *news,
    int max, bool *doubt);

#endif
