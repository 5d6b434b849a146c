/*
 * The watch: where hints about markers come from. One inotify watch on the marker directory, the mount
 * table, and a tick while somebody waits. Events only make it fast; the tick is the guarantee, for what
 * raises no event: a mount over the directory, a link from elsewhere, most of what happens below an overlay.
 */
#ifndef DAEMON_WATCH_H
#define DAEMON_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "src/marker.h"

struct loop;
struct watch;

struct watch_hooks {
	/* Something happened to this pid's marker. */
	void (*marker)(pid_t pid, void *context);
	/* A marker of this name has come to the directory of watch_add_extra() that has this number. */
	void (*arrived)(int extra_watch, pid_t ns_pid, void *context);
	/* Anything may have happened to any marker that is waited for. */
	void (*rescan)(void *context);
	/* The mounts have changed, or something happened to the file of watch_file(), or time has passed. */
	void (*environment_changed)(void *context);
	/* Whether anybody waits. */
	bool (*has_waits)(void *context);
};

struct watch_counts {
	uint64_t events, overflows, scans, ticks;
	bool polling; /* no watch is armed: the tick alone finds markers */
};

/* Arms the watch, then reports every marker that is there, a few of them at once and the rest from the loop.
 * A directory that cannot be watched now is no error: it is tried again. NULL and errno when there is no
 * history. */
struct watch *watch_new(
    struct loop *loop, const struct marker_place *place, const struct watch_hooks *hooks, void *context);
void watch_free(struct watch *watch);

/* Ticks until nobody waits. */
void watch_start_ticking(struct watch *watch);

/* Doubts everything: makes sure of the watch and scans the directory. */
void watch_refresh(struct watch *watch);

/* Watches one more directory until nobody waits any more, or it is not asked for in two ticks: where a
 * process that is waited for leaves its marker elsewhere. What happens there is reported as doubt. True when
 * it was not watched before: look again. *extra_watch is its number, 0 where it cannot be watched. */
bool watch_add_extra(struct watch *watch, const char *dir, int *extra_watch);

/* Before somebody who lived elsewhere is called dead: reports what has been posted so far. What else has
 * happened is in doubt then. */
void watch_catch_up(struct watch *watch);

/* Watches one file, in place of the one before, for being removed or renamed: then the ground has moved. */
void watch_file(struct watch *watch, const char *path);

const struct watch_counts *watch_counts(const struct watch *watch);

#endif
