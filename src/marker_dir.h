/*
 * Where a process leaves its marker, as seen from here. To a process in another mount namespace or root,
 * the path names another directory, which is reachable through /proc/<pid>/root; a process in another pid
 * namespace puts another pid into the name (see struct process).
 */
#ifndef SRC_MARKER_DIR_H
#define SRC_MARKER_DIR_H

#include "src/marker.h"
#include "src/process.h"
#include "src/stamp_trust.h"

enum marker_dir {
	MARKER_DIR_SAME,  /* the directory that the path names here; also if no other is known */
	MARKER_DIR_OTHER, /* another directory, or none at all, below another root */
	MARKER_DIR_NONE,  /* the process is ending and has no root any more: what it left is where SAME is */
	MARKER_DIR_UNKNOWN, /* descriptors or memory ran out, or the file system did not answer */
	MARKER_DIR_HIDDEN,  /* not known: /proc/<pid>/root may not be entered (ptrace(2) access checks) */
	MARKER_DIR_INACCESSIBLE, /* below another root, and it may not be searched, or openat2(2) is not
				    available (Linux before 5.6, or a seccomp filter) */
	MARKER_DIR_HANGS /* below another root, and the look at it has not come back yet, or is not made */
};

/* What one look at a process's directory and marker saw. Plain data, so that another process can look. */
struct marker_view {
	enum marker_dir where;
	/* HIDDEN: the marker in our directory. UNKNOWN, INACCESSIBLE, HANGS: of kind MARKER_UNKNOWN. */
	struct marker_stat marker;
	/* Of the directory, for OTHER; else 0. */
	dev_t dev;
	ino_t ino;
	struct stamp_trust stamps; /* of its file system, if it is OTHER and has the marker; else 0 */
	/* The same of the directory and the marker. */
	mode_t mode;
	uid_t owner;
	enum marker_birth birth;
	struct timespec born;
};

/*
 * Looks at the marker of p. For a process with our root by path, without a descriptor. Below another root by
 * descriptors that are closed before it returns: while one is open, the directory cannot be unmounted, and
 * its removal raises no event.
 */
void marker_view(const struct marker_place *place, const struct process *p, struct marker_view *view);

/* How to look: marker_view() does not come back while the file system hangs, and a caller that cannot afford
 * that has another process look. */
struct clock_steps;

struct marker_viewer {
	void (*view)(const struct marker_place *place, const struct process *p, struct marker_view *view,
	    void *context);
	void *context;
	const struct clock_steps *steps; /* what the caller knows of the clock; NULL: nothing */
};

/* By marker_view(). */
extern const struct marker_viewer marker_viewer_direct;

/* Calls visit() with a path of p's directory if that is another one (OTHER). The path is valid during the
 * call only. If OTHER is returned without a call, errno says why there is no directory. */
enum marker_dir marker_dir_visit(const struct marker_place *place, const struct process *p,
    void (*visit)(const char *dir, void *context), void *context);

/* Whether a process that lives leaves its marker in the directory of another one, by their views: 1 or 0, 0
 * if that cannot be determined, -1 if it is not known now. */
int marker_dir_is_shared(
    const struct marker_place *place, const struct marker_view *its, const struct marker_view *others);

#endif
