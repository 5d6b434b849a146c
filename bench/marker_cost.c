/* What a worker pays: the three system calls of readyd/marker.h, timed on COUNT fresh markers in DIR. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "readyd/marker.h"

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int64_t time_one(const char *path)
{
	int64_t began = now_ns();

	if (readyd_marker_write(path) != 0)
		return -1;
	return now_ns() - began;
}

static double microseconds(int64_t ns)
{
	return (double)ns / 1000;
}

int main(int argc, char **argv)
{
	long count = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
	int64_t *cost;
	char path[4096];

	if (count < 1 || (cost = calloc((size_t)count, sizeof(*cost))) == NULL) {
		fprintf(stderr, "Usage: %s DIR COUNT\n", argv[0]);
		return 2;
	}
	snprintf(path, sizeof(path), "%s/marker-cost-%ld", argv[1], (long)getpid());
	for (long i = 0; i < count; i++) {
		cost[i] = time_one(path);
		if (cost[i] < 0 || unlink(path) != 0) {
			perror(path);
			free(cost);
			return 1;
		}
	}
	qsort(cost, (size_t)count, sizeof(*cost), by_value);
	printf("median %.1f us, 99th percentile %.1f us of %ld\n", microseconds(cost[count / 2]),
	    microseconds(cost[count * 99 / 100]), count);
	free(cost);
	return 0;
}
