/*
 * Markers of a worker that nobody waits for, one after the other; each is removed again, as test suites do.
 *
 * Who waits for the marker decides little about what it costs: more than all else it matters whether whoever
 * watches the directory has to be woken on another processor, and the scheduler may do that in one round and
 * not in the next. So the worker and the watchers that wake for every file are kept apart, which is the
 * dearest case, in all rounds alike; and as a worker does, this one works up to its marker.
 */
#include "config.h"

#include <unistd.h>

#include "bench/markers.h"
#include "bench/baseline.h"
#include "bench/processors.h"
#include "bench/server.h"
#include "bench/sleeper.h"
#include "readyd/marker.h"

#define MARKERS_MOST 300
#define MARKERS_NS   500000000LL
/* That thousands have begun to wait just now is not what the first ones are to show. */
#define MARKERS_UNCOUNTED 100
#define BUSY_NS		  100000

static void be_busy(void)
{
	int64_t until = now_ns() + BUSY_NS;

	while (now_ns() < until)
		;
}

static void keep_apart(const struct trial *trial, const cpu_set_t *worker, const cpu_set_t *watchers)
{
	pid_t readyd = server_pid(SERVER_READYD);

	processors_allow(0, worker);
	if (readyd > 0)
		processors_allow(readyd, watchers);
	if (trial->helper > 0)
		processors_allow(trial->helper, watchers);
}

static int64_t time_one(const char *path)
{
	int64_t cost, began;

	nap_us(200);
	be_busy();
	began = now_ns();
	if (readyd_marker_write(path) != 0)
		fail_errno("%s", path);
	cost = now_ns() - began;
	if (unlink(path) != 0)
		fail_errno("%s", path);
	return cost;
}

static void time_all(const struct trial *trial, struct samples *cost)
{
	int64_t limit = now_ns() + MARKERS_NS, one;
	char path[BENCH_PATH_SIZE + 64];
	bool late = false;

	(void)sleeper_marker(trial->bench, getpid(), path);
	for (int i = 0; i < MARKERS_MOST && !late; i++) {
		one = time_one(path);
		late = now_ns() > limit;
		if (i >= MARKERS_UNCOUNTED || late)
			samples_add(cost, one);
	}
}

void markers_write(const struct trial *trial, struct samples *cost)
{
	cpu_set_t first, others, all;

	if (!processors_split(&first, &others)) {
		time_all(trial, cost);
		return;
	}
	CPU_OR(&all, &first, &others);
	keep_apart(trial, &first, &others);
	time_all(trial, cost);
	keep_apart(trial, &all, &all);
}
