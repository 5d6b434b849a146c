/* What waiters and daemon take together some time after they began, while nothing happens. A waiter that
 * rechecks less and less often is cheap only later, so the time is really waited. */
#include "config.h"

#include <stdio.h>

#include "bench/baseline.h"
#include "bench/measures.h"

#define AFTER_MS  60000
#define WINDOW_MS 30000

static void measure(const struct bench *bench, int waiters)
{
	const int after = bench->pause_ms > 0 ? bench->pause_ms : AFTER_MS;
	const int window = bench->window_ms > 0 ? bench->window_ms : WINDOW_MS;
	struct trial trial;
	int64_t all, server;

	trial_open(&trial, bench, baseline_find("gate"), waiters);
	progress("minute: %d waiters; the first %d s of %d", waiters, after / 1000, (after + window) / 1000);
	sleep_us(after * 1000L);
	all = trial_cpu(&trial);
	server = server_cpu(SERVER_READYD);
	sleep_us(window * 1000L);
	all = trial_cpu(&trial) - all;
	server = server_cpu(SERVER_READYD) - server;
	trial_release(&trial);
	trial_close(&trial);
	printf("%d,%.1f,%.1f,%.1f,%.1f\n", waiters, after / 1e3, window / 1e3, (double)all / window,
	    (double)server / window);
}

void measure_minute(const struct bench *bench)
{
	const char *why;

	printf("waiters,after_s,window_s,cpu_us_per_s,server_us_per_s\n");
	for (int i = 0; i < bench->count_count; i++) {
		why = baseline_why_not(baseline_find("gate"), bench->counts[i]);
		if (why == NULL)
			measure(bench, bench->counts[i]);
		else
			left_out("minute, %d waiters: %s", bench->counts[i], why);
	}
}
