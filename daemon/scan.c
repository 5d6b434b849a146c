#include "config.h"

#include "daemon/loop.h"
#include "daemon/xalloc.h"
#include "daemon/scan.h"
#include "src/clock.h"
#include "src/marker.h"

static void close_directory(struct scan *scan)
{
	if (scan->dir != NULL)
		closedir(scan->dir);
	scan->dir = NULL;
}

static void drop(struct scan *scan)
{
	close_directory(scan);
	xalloc_free(scan->pids);
	scan->pids = NULL;
	scan->count = scan->at = 0;
}

static void take_down(struct scan *scan, pid_t pid)
{
	/* The array is full whenever the count is 0 or a power of two, from SCAN_SLICE on. */
	if (scan->count == 0 || (scan->count >= SCAN_SLICE && (scan->count & (scan->count - 1)) == 0))
		scan->pids = xalloc_resize(
		    scan->pids, (scan->count == 0 ? SCAN_SLICE : 2 * scan->count) * sizeof(*scan->pids));
	scan->pids[scan->count++] = pid;
}

static void read_names(struct scan *scan)
{
	struct dirent *entry;
	pid_t pid;

	for (unsigned n = 0; n < SCAN_NAMES; n++) {
		entry = readdir(scan->dir);
		if (entry == NULL) {
			close_directory(scan);
			return;
		}
		pid = marker_pid(scan->place, entry->d_name);
		if (pid != 0)
			take_down(scan, pid);
	}
}

static void report(struct scan *scan)
{
	for (unsigned n = 0; n < SCAN_SLICE && scan->at < scan->count; n++)
		scan->marker(scan->pids[scan->at++], scan->context);
}

static void take_turn(struct scan *scan)
{
	const int64_t before = clock_now_ns(CLOCK_THREAD_CPUTIME_ID);

	if (scan->dir != NULL)
		read_names(scan);
	if (scan->dir == NULL)
		report(scan);
	if (scan->dir != NULL || scan->at < scan->count)
		loop_soon(scan->next);
	else
		drop(scan);
	scan->spent += clock_now_ns(CLOCK_THREAD_CPUTIME_ID) - before;
}

static void on_next(void *context)
{
	take_turn(context);
}

void scan_init(struct scan *scan, struct loop *loop, const struct marker_place *place,
    void (*marker)(pid_t pid, void *context), void *context)
{
	*scan = (struct scan){.place = place, .marker = marker, .context = context};
	scan->next = loop_timer_new(loop, on_next, scan);
}

void scan_fini(struct scan *scan)
{
	loop_timer_free(scan->next);
	drop(scan);
}

int scan_begin(struct scan *scan)
{
	drop(scan);
	loop_timer_stop(scan->next);
	scan->dir = opendir(scan->place->dir);
	if (scan->dir == NULL)
		return -1;
	scan->spent = 0;
	take_turn(scan);
	return 0;
}

bool scan_runs(const struct scan *scan)
{
	return scan->dir != NULL || scan->count > 0;
}
