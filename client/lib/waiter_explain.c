#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "client/lib/abi.h"
#include "client/lib/waiter.h"
#include "src/marker_dir.h"
#include "src/clock.h"
#include "src/procfs.h"
#include "src/verdict.h"

static const char *process_word(const struct target *t)
{
	const char *word;
	char state;

	if (t->state.phase == TARGET_NOT_STARTED)
		return "not-started";
	state = process_state(&t->process);
	if (state == 'X')
		return "gone";
	word = process_state_word(state);
	return word != NULL ? word : "unknown";
}

/* A file that is there cannot be the marker of a process that has not started. */
static const char *word_before_start(const struct marker_place *place, pid_t pid)
{
	struct marker_stat seen;

	marker_stat(place, pid, &seen);
	if (seen.kind == MARKER_ABSENT)
		return "absent";
	return readyd_reason_name(seen.kind == MARKER_FILE && seen.uid != 0 && seen.uid != geteuid()
				      ? READYD_REASON_IDENTITY_UNKNOWN
				      : READYD_REASON_OLDER);
}

/* What is there instead of a valid marker. */
static const char *marker_word(const struct readyd_answer *now, const struct marker_place *place)
{
	bool counts = (now->verdict == READYD_READY || now->verdict == READYD_EXITED) &&
		      !(now->flags & READYD_FLAG_LATCHED);

	if (now->reason == READYD_REASON_NOT_STARTED)
		return word_before_start(place, now->pid);
	/* The other reasons are about the marker. */
	if (now->reason != READYD_REASON_NONE && now->reason != READYD_REASON_NO_PROCESS &&
	    now->reason != READYD_REASON_PID_REUSED)
		return readyd_reason_name(now->reason);
	return counts ? "there" : "absent";
}

/* Checks once more; an error that has passed by now is not reported. */
static int marker_error(
    const struct target *t, const struct marker_place *place, const struct readyd_answer *now)
{
	struct marker_view view;

	if (now->reason != READYD_REASON_LOOK_FAILED)
		return 0;
	marker_view(place, &t->process, &view);
	return view.marker.error;
}

static const char *why_no_directory(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
		return "denied";
	case ELOOP:
	case ENOTDIR:
		return "not-a-directory";
	default:
		return "missing";
	}
}

static const char *directory_word(const char *dir)
{
	struct statvfs fs;
	struct stat st;

	if (stat(dir, &st) != 0)
		return why_no_directory(errno);
	if (!S_ISDIR(st.st_mode))
		return "not-a-directory";
	if (faccessat(AT_FDCWD, dir, X_OK, AT_EACCESS) != 0)
		return "denied";
	if (statvfs(dir, &fs) != 0)
		return "ok";
	if (fs.f_flag & ST_RDONLY)
		return "read-only";
	if (fs.f_blocks > 0 && fs.f_bfree == 0)
		return "full";
	if (fs.f_files > 0 && fs.f_ffree == 0)
		return "out-of-inodes";
	return "ok";
}

#define MOUNT_LINE 1024

/* The first mount below the root of a process: its number, its root in the file system, and its mount point.
 * Every user may read that. Empty: there is none. */
static void read_first_mount(const char *mountinfo, char line[MOUNT_LINE])
{
	FILE *file = fopen(mountinfo, "re");

	if (file == NULL || fgets(line, MOUNT_LINE, file) == NULL)
		line[0] = '\0';
	if (file != NULL)
		fclose(file);
}

static bool has_our_mounts(const struct process *p)
{
	char path[48], ours[MOUNT_LINE], its[MOUNT_LINE];

	snprintf(path, sizeof(path), "/proc/%ld/mountinfo", (long)p->pid);
	read_first_mount("/proc/self/mountinfo", ours);
	read_first_mount(path, its);
	return ours[0] != '\0' && strcmp(ours, its) == 0;
}

static const char *via_word(const struct readyd_waiter *w, const struct target *t)
{
	bool asked = t->state.subscription == SUBSCRIPTION_ASKED;

	if (t->state.subscription != SUBSCRIPTION_NONE && !asked)
		return "daemon";
	if (asked && !w->watching)
		return "asking";
	return w->dir.wd >= 0 ? "inotify" : "polling";
}

static void on_other_dir(const char *dir, void *context)
{
	*(const char **)context = directory_word(dir);
}

/* *other: it is below another root. */
static const char *describe_directory(const struct marker_place *place, const struct process *p, bool *other)
{
	const char *word = NULL;
	enum marker_dir where = marker_dir_visit(place, p, on_other_dir, &word);

	*other = where == MARKER_DIR_OTHER || where == MARKER_DIR_INACCESSIBLE;
	if (where == MARKER_DIR_OTHER)
		return word != NULL ? word : why_no_directory(errno);
	if (where == MARKER_DIR_INACCESSIBLE || (where == MARKER_DIR_HIDDEN && !has_our_mounts(p)))
		return "hidden";
	return directory_word(place->dir);
}

static const char *refusal_word(const struct readyd_waiter *w, const struct target *t)
{
	bool covered = target_is_covered(t);

	if (!covered && w->conn.untrusted)
		return readyd_reason_name(READYD_REASON_DAEMON_UNTRUSTED);
	return covered || !w->watching || t->refusal == WIRE_OK ? NULL : wire_error_code(t->refusal);
}

static void explain(struct readyd_waiter *w, const struct target *t, const struct readyd_answer *now,
    struct readyd_explanation *explanation)
{
	const struct marker_place *place = &w->settings.place;
	char root[32] = "";
	bool other;

	memset(explanation, 0, sizeof(*explanation));
	explanation->process = process_word(t);
	explanation->marker = marker_word(now, place);
	explanation->marker_error = marker_error(t, place, now);
	explanation->directory = describe_directory(place, &t->process, &other);
	explanation->via = via_word(w, t);
	explanation->procfs = procfs_word();
	explanation->refusal = refusal_word(w, t);
	explanation->last_event_ms = w->last_event == 0 ? -1 : clock_ms() - w->last_event;
	if (other)
		snprintf(root, sizeof(root), "/proc/%ld/root", (long)t->process.pid);
	snprintf(explanation->path, sizeof(explanation->path), "%s%s/%s%ld", root, place->dir, place->prefix,
	    (long)t->process.ns_pid);
}

/* The daemon is not asked what else there is to see. */
static void explain_remote(
    struct readyd_waiter *w, const struct target *t, struct readyd_explanation *explanation)
{
	const struct readyd_answer now = waiter_last_remote(t);
	const struct marker_place *place = &w->settings.place;
	const bool started = t->state.phase != TARGET_NOT_STARTED;

	memset(explanation, 0, sizeof(*explanation));
	explanation->process = started ? "remote" : "not-started";
	explanation->marker = now.reason != READYD_REASON_NONE && started ? readyd_reason_name(now.reason)
			      : t->was_ready				  ? "there"
			      : t->told					  ? "absent"
									  : "unknown";
	explanation->directory = "remote";
	explanation->via = target_is_covered(t) ? "daemon" : "asking";
	explanation->procfs = "ok";
	explanation->refusal = t->refusal == WIRE_OK ? NULL : wire_error_code(t->refusal);
	explanation->last_event_ms = w->last_event == 0 ? -1 : clock_ms() - w->last_event;
	explanation->daemon_error = w->conn.error;
	snprintf(explanation->path, sizeof(explanation->path), "%s/%s%ld", place->dir, place->prefix,
	    (long)t->process.pid);
}

int readyd_waiter_explain(struct readyd_waiter *w, pid_t pid, struct readyd_explanation *explanation)
{
	return readyd_waiter_explain_exact(w, pid, 0, explanation);
}

int readyd_waiter_explain_exact(
    struct readyd_waiter *w, pid_t pid, uint64_t start, struct readyd_explanation *explanation)
{
	struct target *t = target_set_find(&w->set, pid, start);
	struct readyd_explanation own;
	struct readyd_answer now;

	if (abi_check_explanation(explanation) != 0)
		return -1;
	if (t != NULL && waiter_is_remote(w)) {
		explain_remote(w, t, &own);
		abi_give_explanation(explanation, &own);
		return 0;
	}
	if (t == NULL || waiter_peek(w, pid, start, &now) != 0) {
		errno = ENOENT;
		return -1;
	}
	/* Where the daemon watches, it alone has seen what came and went. */
	if (target_is_covered(t) && now.verdict == READYD_PENDING && now.reason == READYD_REASON_NONE)
		waiter_ask_once(w, t, &now);
	explain(w, t, &now, &own);
	abi_give_explanation(explanation, &own);
	return 0;
}
