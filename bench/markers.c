/*
 * Markers that no process waits for, written one after the other; each is removed again, as test suites do.
 *
 * The cost of such a marker depends less on the way of waiting than on whether the process that watches the
 * directory has to be woken on another CPU, and the scheduler does that in some rounds and not in others. So
 * the worker and the processes that wake for every file run on different CPUs in all rounds, which is the
 * most expensive case. And the worker is busy until it writes the marker, as a real one is.
 */
#include "config.h"

#include <unistd.h>

#include "bench/markers.h"
#include "bench/baseline.h"
#include "bench/affinity.h"
#include "bench/server.h"
#include "bench/sleeper.h"
#include "readyd/marker.h"

#define MAX_MARKERS 300
#define MARKERS_NS  500000000LL
/* The first ones are not counted: thousands of waiters have just started, and caches are cold. */
#define WARM_UP_MARKERS 100
#define SPIN_NS		100000

static void spin(void)
{
	int64_t until = now_ns() + SPIN_NS;

	while (now_ns() < until)
		;
}

static void set_affinities(const struct trial *trial, const cpu_set_t *worker, const cpu_set_t *watchers)
{
	pid_t readyd = server_pid(SERVER_READYD);

	affinity_set(0, worker);
	if (readyd > 0)
		affinity_set(readyd, watchers);
	if (trial->helper > 0)
		affinity_set(trial->helper, watchers);
}

static int64_t time_one(const char *path)
{
	int64_t cost, began;

	sleep_us(200);
	spin();
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

	(void)sleeper_marker_path(trial->bench, getpid(), path);
	for (int i = 0; i < MAX_MARKERS && !late; i++) {
		one = time_one(path);
		late = now_ns() > limit;
		if (i >= WARM_UP_MARKERS || late)
			samples_add(cost, one);
	}
}

void markers_time(const struct trial *trial, struct samples *cost)
{
	cpu_set_t first, others, all;

	if (!affinity_split(&first, &others)) {
		time_all(trial, cost);
		return;
	}
	CPU_OR(&all, &first, &others);
	set_affinities(trial, &first, &others);
	time_all(trial, cost);
	set_affinities(trial, &all, &all);
}
