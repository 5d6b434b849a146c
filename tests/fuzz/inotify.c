/*
 * One inotify instance for all inputs: the close of an instance waits for the kernel for some 10 ms, which is
 * most of the time that an input takes. What the product closes is a copy, so an epoll instance does not
 * forget the descriptor by itself; so this is only for what removes it first, or uses none.
 */
#include "config.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/inotify.h"

/* The linker prescribes these names. NOLINTBEGIN(bugprone-reserved-identifier) */
int __wrap_inotify_init1(int flags);
int __wrap_inotify_add_watch(int fd, const char *path, uint32_t mask);
int __real_inotify_init1(int flags);
int __real_inotify_add_watch(int fd, const char *path, uint32_t mask);
/* NOLINTEND(bugprone-reserved-identifier) */

#define WATCHES 64

static int kept = -1;
static bool shares;
static int watches[WATCHES];
static size_t count;

/* As a new instance: without watches and without events. */
static void clear(void)
{
	char events[4096];

	while (count > 0)
		(void)inotify_rm_watch(kept, watches[--count]);
	while (read(kept, events, sizeof(events)) > 0)
		continue;
}

void inotify_begin(bool share)
{
	shares = share;
	if (kept >= 0) {
		clear();
		return;
	}
	kept = fuzz_keep(__real_inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
}

int __wrap_inotify_init1(int flags)
{
	if (!shares)
		return __real_inotify_init1(flags);
	clear();
	return fcntl(kept, F_DUPFD_CLOEXEC, 0);
}

/* A directory that is watched again keeps its number. */
int __wrap_inotify_add_watch(int fd, const char *path, uint32_t mask)
{
	const int wd = __real_inotify_add_watch(fd, path, mask);

	if (wd < 0 || !shares)
		return wd;
	for (size_t i = 0; i < count; i++)
		if (watches[i] == wd)
			return wd;
	fuzz_check(count < WATCHES);
	watches[count++] = wd;
	return wd;
}
