/* The marker file, seen from the waiting side: its name, and one look at it. */
#ifndef SRC_MARKER_H
#define SRC_MARKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* Both fit into one line of the wire together, percent-encoded at worst. */
#define MARKER_DIR_SIZE	   512
#define MARKER_PREFIX_SIZE 64
/* What leads to such a directory in another root, see abode.h. */
#define MARKER_REACH_SIZE 1024

/* Where the markers of one system lie. */
struct marker_place {
	char dir[MARKER_REACH_SIZE];
	char prefix[MARKER_PREFIX_SIZE];
};

enum marker_kind {
	MARKER_ABSENT,	     /* the directory is there, the marker is not */
	MARKER_FILE,	     /* a regular file */
	MARKER_OTHER,	     /* something else has the name: symlink, directory, fifo, device, socket */
	MARKER_NO_DIRECTORY, /* the directory is missing or is none */
	MARKER_DENIED,	     /* the directory cannot be searched */
	MARKER_UNKNOWN	     /* for want of descriptors or memory */
};

/* What one look saw: of MARKER_FILE all, of MARKER_ABSENT which directory that is (dev and ino). */
struct marker_stat {
	enum marker_kind kind;
	dev_t dev;
	ino_t ino;
	uid_t uid;
	off_t size;
	struct timespec mtime, ctime;
};

/* NULL: the contract's own (readyd/marker.h). EINVAL: dir is empty or relative, prefix is empty or holds
 * a slash. ENAMETOOLONG: longer than the arrays above. */
int marker_place_init(struct marker_place *place, const char *dir, const char *prefix);

/* The pid that a file name in the directory stands for; 0 for every name that is no marker. Strict:
 * decimal, no sign, no leading zero, at most INT_MAX. */
pid_t marker_pid(const struct marker_place *place, const char *name);

/* Which directory the path names now. False: none that can be found. */
bool marker_place_identify(const struct marker_place *place, dev_t *dev, ino_t *ino);

/* Whether nothing has the name, or the directory is not there: in one system call. */
bool marker_is_absent(const struct marker_place *place, pid_t pid);

/* Looks by lstat(2) alone: opening could block (a fifo, a leased file) and stat(2) follows symlinks. */
void marker_stat(const struct marker_place *place, pid_t pid, struct marker_stat *seen);

#endif
