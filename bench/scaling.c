/*
 * Scaling: readyd in an empty directory, in one with the markers of thousands of processes that have ended,
 * and in one where unrelated files are created and removed all the time.
 */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "bench/adapter.h"
#include "bench/measures.h"
#include "bench/sleeper.h"
#include "bench/wire.h"
#include "readyd/marker.h"
#include "readyd/readyd.h"

#define MARKERS 32000
#define REPEATS 5
/* What takes only microseconds is repeated, and the sample is the mean. */
#define CALLS_PER_SAMPLE 500
/* Above the largest pid_max. */
#define FIRST_UNUSED_PID 100000000L

enum { CONDITIONS = 3 };
static const char *const conditions[] = {"empty", "32000-markers", "noise"};

static int64_t start(const struct bench *bench, pid_t pid)
{
	struct client client;
	int64_t began;

	server_stop(SERVER_READYD);
	began = now_ns();
	server_start(bench, SERVER_READYD);
	client_open(&client, server_socket(bench, SERVER_READYD));
	if (adapter_query(&adapter_readyd, &client, pid))
		fail("readyd answers ready for a process that is not");
	client_close(&client);
	return now_ns() - began;
}

/* The mean of many calls on one connection. */
static int64_t mean_of(const struct bench *bench, pid_t pid, void (*call)(struct client *client, pid_t pid))
{
	struct client client;
	int64_t began, taken;

	client_open(&client, server_socket(bench, SERVER_READYD));
	began = now_ns();
	for (int i = 0; i < CALLS_PER_SAMPLE; i++)
		call(&client, pid);
	taken = now_ns() - began;
	client_close(&client);
	return taken / CALLS_PER_SAMPLE;
}

static void query_once(struct client *client, pid_t pid)
{
	(void)adapter_query(&adapter_readyd, client, pid);
}

static void join_once(struct client *client, pid_t pid)
{
	close(wire_gate(client, pid));
}

static int64_t query(const struct bench *bench, pid_t pid)
{
	return mean_of(bench, pid, query_once);
}

static int64_t join(const struct bench *bench, pid_t pid)
{
	return mean_of(bench, pid, join_once);
}

static int count_entry(const struct readyd_answer *answer, void *context)
{
	(void)answer;
	++*(int *)context;
	return 0;
}

static int64_t list(const struct bench *bench, pid_t pid)
{
	const struct readyd_options options = {.size = sizeof(options),
	    .socket = server_socket(bench, SERVER_READYD),
	    .dir = bench->markers,
	    .backend = READYD_BACKEND_DAEMON};
	int64_t began = now_ns();
	int count = 0;

	(void)pid;
	if (readyd_list(&options, count_entry, &count) != 0)
		fail_errno("readyd_list");
	return now_ns() - began;
}

/* A marker that no process waits for. */
static int64_t write_marker(const struct bench *bench, pid_t pid)
{
	char path[BENCH_PATH_SIZE + 64];
	struct samples cost = {0};
	int64_t began;

	(void)pid;
	sleeper_marker_path(bench, getpid(), path);
	for (int i = 0; i < CALLS_PER_SAMPLE; i++) {
		began = now_ns();
		if (readyd_marker_write(path) != 0)
			fail_errno("%s", path);
		samples_add(&cost, now_ns() - began);
		unlink(path);
	}
	began = samples_quantile(&cost, 0.5);
	samples_fini(&cost);
	return began;
}

static const struct {
	const char *name;
	int64_t (*run)(const struct bench *bench, pid_t pid);
} quantities[] = {
    {"start to first answer", start},
    {"one query", query},
    {"one join", join},
    {"one list", list},
    {"the worker's three calls", write_marker},
};
enum { QUANTITIES = sizeof(quantities) / sizeof(quantities[0]) };

static void write_markers(const struct bench *bench)
{
	char path[BENCH_PATH_SIZE + 64];

	for (long i = 0; i < MARKERS; i++)
		if (readyd_marker_write(sleeper_marker_path(bench, (pid_t)(FIRST_UNUSED_PID + i), path)) != 0)
			fail_errno("%s", path);
}

static void remove_markers(const struct bench *bench)
{
	char path[BENCH_PATH_SIZE + 64];

	for (long i = 0; i < MARKERS; i++)
		if (unlink(sleeper_marker_path(bench, (pid_t)(FIRST_UNUSED_PID + i), path)) != 0)
			fail_errno("%s", path);
}

/* Starts a process that creates and removes a file, and sleeps 10 ms after each hundred. */
static pid_t start_noise(const struct bench *bench)
{
	char path[BENCH_PATH_SIZE + 64];
	pid_t pid = bench_fork();

	if (pid > 0)
		return pid;
	snprintf(path, sizeof(path), "%s/unrelated", bench->markers);
	for (int i = 0;; i++) {
		close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
		unlink(path);
		if (i % 100 == 0)
			sleep_us(10000);
	}
}

static void run_all(const struct bench *bench, struct samples *costs)
{
	pid_t pid = sleeper_start();

	for (int i = 0; i < REPEATS; i++)
		for (int q = 0; q < QUANTITIES; q++)
			samples_add(&costs[q], quantities[q].run(bench, pid));
	sleeper_kill(pid);
}

void measure_scaling(const struct bench *bench)
{
	static struct samples costs[CONDITIONS][QUANTITIES];
	pid_t noise;

	run_all(bench, costs[0]);
	write_markers(bench);
	run_all(bench, costs[1]);
	remove_markers(bench);
	noise = start_noise(bench);
	run_all(bench, costs[2]);
	sleeper_kill(noise);
	printf("quantity,unit,%s,%s,%s\n", conditions[0], conditions[1], conditions[2]);
	for (int q = 0; q < QUANTITIES; q++) {
		printf("%s,us", quantities[q].name);
		for (int c = 0; c < CONDITIONS; c++)
			printf(",%.2f", (double)samples_quantile(&costs[c][q], 0.5) / 1e3);
		printf("\n");
	}
}
