/* The marker file as seen by a waiting program: its name, and the state of the file at one moment. */
#ifndef SRC_MARKER_H
#define SRC_MARKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* Bytes, including the NUL. Both together fit into one reply line (WIRE_REPLY_MAX), even if each byte is
 * percent-encoded. */
#define MARKER_DIR_SIZE	   512
#define MARKER_PREFIX_SIZE 64

/* Where markers are: absolute directory, and the file name without the pid. */
struct marker_place {
	char dir[MARKER_DIR_SIZE];
	char prefix[MARKER_PREFIX_SIZE];
};

enum marker_kind {
	MARKER_ABSENT,	     /* the directory exists, the marker does not */
	MARKER_FILE,	     /* a regular file */
	MARKER_OTHER,	     /* something else has the name: symlink, directory, FIFO, device, socket */
	MARKER_NO_DIRECTORY, /* the directory is missing or not a directory */
	MARKER_DENIED,	     /* the directory cannot be searched */
	MARKER_UNKNOWN	     /* lstat(2) failed with another error; nothing is known, so check again */
};

/* The state of a marker at one moment. MARKER_FILE and MARKER_OTHER: all members are the file's.
 * MARKER_ABSENT: all are the directory's, so that dev and ino identify it. Else all are 0. */
struct marker_stat {
	enum marker_kind kind;
	dev_t dev;
	ino_t ino;
	uid_t uid;
	off_t size;
	nlink_t links;
	struct timespec mtime, ctime;
	int error; /* of MARKER_UNKNOWN: an errno */
};

/* dir or prefix NULL: the default of readyd/marker.h. 0, or -1 with errno EINVAL (dir is empty or relative,
 * prefix is empty or contains a slash) or ENAMETOOLONG (MARKER_DIR_SIZE, MARKER_PREFIX_SIZE). */
int marker_place_init(struct marker_place *place, const char *dir, const char *prefix);

/* The pid in a marker's file name; 0 if name is not that of a marker. Strict: decimal, no sign, no leading
 * zero, at most INT_MAX. */
pid_t marker_pid(const struct marker_place *place, const char *name);

/* Which directory the path names now. False: none that can be found. */
bool marker_place_identify(const struct marker_place *place, dev_t *dev, ino_t *ino);

/* Whether nothing has the name or the directory is missing. One system call. */
bool marker_is_absent(const struct marker_place *place, pid_t pid);

/* Uses lstat(2) only: open(2) could block (a FIFO, a leased file), and stat(2) follows symlinks. Never fails,
 * see enum marker_kind. */
void marker_stat(const struct marker_place *place, pid_t pid, struct marker_stat *seen);

/* The same in the directory that dir_fd is, which exists. */
void marker_stat_at(int dir_fd, const struct marker_place *place, pid_t pid, struct marker_stat *seen);

/* When a file was created, which neither link(2) nor rename(2) changes. */
enum marker_birth {
	MARKER_BIRTH_KNOWN,
	MARKER_BIRTH_NOT_KEPT, /* by its file system, or statx(2) is not available */
	MARKER_BIRTH_UNKNOWN   /* it is not the file that was seen any more, or it could not be looked at */
};

enum marker_birth marker_birth(
    const struct marker_place *place, pid_t pid, const struct marker_stat *seen, struct timespec *born);

/* The same in the directory that dir_fd is. */
enum marker_birth marker_birth_at(int dir_fd, const struct marker_place *place, pid_t pid,
    const struct marker_stat *seen, struct timespec *born);

/* Whether both are the same file, not written in between. The ctime is not compared: chmod(2) and the like
 * change it, but do not make a new marker. */
bool marker_same(const struct marker_stat *a, const struct marker_stat *b);

#endif
