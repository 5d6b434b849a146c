/*
 * The simulator: runs seeded schedules of one daemon and its clients with injected faults, and checks the
 * answers that the clients get. See README.md.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/log.h"
#include "tests/sim/actors.h"
#include "tests/sim/faults.h"
#include "tests/sim/history.h"
#include "tests/sim/schedule.h"

#define WORKERS_MAX 64
/* A schedule takes less than a millisecond. */
#define SCHEDULE_S 5

struct worker {
	struct figures figures;
	uint64_t faults[FAULT_KINDS];
	uint64_t seed; /* the last one */
	bool failed, through;
	char why[256];
};

static const char usage[] =
    "Usage: sim --seed SEED                                  replay one schedule and print its log\n"
    "       sim --schedules N [--seed SEED] [--workers N]    run N schedules from that seed on\n"
    "       sim --broken NAME ...                            the same with a broken variant of the product\n"
    "\n"
    "The last line of output has the totals. Exit status: 0 all schedules passed, 1 one failed, 2 usage.\n";

struct options {
	uint64_t seed, schedules, workers;
};

static void print_figures(const struct worker *worker, double seconds)
{
	printf("schedules=%llu steps=%llu", (unsigned long long)worker->figures.schedules,
	    (unsigned long long)worker->figures.steps);
	for (int i = 0; i < VERDICTS; i++)
		if (i != READYD_PENDING)
			printf(" %s=%llu", readyd_verdict_name((enum readyd_verdict)i),
			    (unsigned long long)worker->figures.told[i]);
	printf(" uncertain=%llu", (unsigned long long)worker->figures.uncertain);
	for (int i = 0; i < CALM_MODES; i++)
		printf(" latest_%s_ms=%lld", calm_mode_name(i), (long long)worker->figures.latest_ms[i]);
	printf(" prompt_ms=%lld", (long long)worker->figures.prompt_ms);
	printf(" tick_ms=%lld", (long long)worker->figures.tick_ms);
	for (int i = 0; i < FAULT_KINDS; i++)
		printf(" %s=%llu", fault_name((enum fault)i), (unsigned long long)worker->faults[i]);
	printf(" seconds=%.1f\n", seconds);
}

static void run_share(const struct options *options, unsigned number, struct worker *worker)
{
	for (uint64_t i = number; i < options->schedules && !worker->failed; i += options->workers) {
		/* Still known after a crash or an endless loop. */
		worker->seed = options->seed + i;
		alarm(SCHEDULE_S);
		schedule_run(worker->seed);
		if (failure == NULL)
			continue;
		worker->failed = true;
		snprintf(worker->why, sizeof(worker->why), "%s", failure);
	}
	worker->through = true;
	worker->figures = figures;
	memcpy(worker->faults, faults.counts, sizeof(worker->faults));
}

static void add_up(struct worker *sum, const struct worker *worker)
{
	sum->figures.schedules += worker->figures.schedules;
	sum->figures.steps += worker->figures.steps;
	sum->figures.uncertain += worker->figures.uncertain;
	for (int i = 0; i < VERDICTS; i++)
		sum->figures.told[i] += worker->figures.told[i];
	for (int i = 0; i < CALM_MODES; i++)
		if (sum->figures.latest_ms[i] < worker->figures.latest_ms[i])
			sum->figures.latest_ms[i] = worker->figures.latest_ms[i];
	if (sum->figures.prompt_ms < worker->figures.prompt_ms)
		sum->figures.prompt_ms = worker->figures.prompt_ms;
	if (sum->figures.tick_ms < worker->figures.tick_ms)
		sum->figures.tick_ms = worker->figures.tick_ms;
	for (int i = 0; i < FAULT_KINDS; i++)
		sum->faults[i] += worker->faults[i];
}

static double now(void)
{
	struct timespec t;

	timespec_get(&t, TIME_UTC);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void start_worker(const struct options *options, unsigned number, struct worker *worker)
{
	pid_t pid = fork();

	if (pid == 0) {
		run_share(options, number, worker);
		exit(0); /* not _exit(2): a build that measures coverage writes its counters */
	}
	if (pid < 0) {
		perror("sim: fork");
		exit(2);
	}
}

static int run_all(const struct options *options)
{
	struct worker *workers = mmap(
	    NULL, WORKERS_MAX * sizeof(*workers), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct worker sum = {0};
	double start = now();
	int result = 0;

	if (workers == MAP_FAILED) {
		perror("sim: mmap");
		return 2;
	}
	fflush(stdout);
	for (uint64_t i = 0; i < options->workers; i++)
		start_worker(options, (unsigned)i, &workers[i]);
	while (wait(NULL) > 0)
		;
	for (uint64_t i = 0; i < options->workers; i++) {
		add_up(&sum, &workers[i]);
		if (workers[i].through && !workers[i].failed)
			continue;
		printf("failed: seed %llu: %s\n", (unsigned long long)workers[i].seed,
		    workers[i].failed ? workers[i].why : "the simulator crashed or did not end");
		result = 1;
	}
	print_figures(&sum, now() - start);
	return result;
}

static int replay(uint64_t seed)
{
	struct worker worker = {0};
	const struct options options = {.seed = seed, .schedules = 1, .workers = 1};
	double start = now();

	story_wanted = true;
	run_share(&options, 0, &worker);
	if (worker.failed)
		printf("failed: seed %llu: %s\n", (unsigned long long)seed, worker.why);
	print_figures(&worker, now() - start);
	return worker.failed ? 1 : 0;
}

/* A broken variant is a separate program beside this one. */
static int run_broken(const char *self, const char *name, char **argv)
{
	const char *slash = strrchr(self, '/');
	char path[4096];

	snprintf(
	    path, sizeof(path), "%.*sbroken-%s", slash == NULL ? 0 : (int)(slash - self + 1), self, name);
	if (strchr(name, '/') == NULL)
		execv(path, argv);
	fprintf(stderr, "sim: no broken variant %s: %s\n", name, strerror(errno));
	return 2;
}

static uint64_t number_of(const char *text)
{
	char *end;
	uint64_t number = strtoull(text, &end, 10);

	if (*text >= '0' && *text <= '9' && *end == '\0')
		return number;
	fprintf(stderr, "sim: not a number: %s\n", text);
	exit(2);
}

static void parse(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {{"seed", required_argument, NULL, 's'},
	    {"schedules", required_argument, NULL, 'n'}, {"workers", required_argument, NULL, 'w'},
	    {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (option == 'h') {
			fputs(usage, stdout);
			exit(0);
		}
		if (option == '?' || optarg == NULL)
			exit(2);
		*(option == 's'	    ? &options->seed
		    : option == 'n' ? &options->schedules
				    : &options->workers) = number_of(optarg);
	}
}

int main(int argc, char **argv)
{
	struct options options = {.seed = 1, .workers = 1};

	if (argc > 2 && strcmp(argv[1], "--broken") == 0)
		return run_broken(argv[0], argv[2], argv + 2);
	parse(argc, argv, &options);
	if (options.workers < 1 || options.workers > WORKERS_MAX || optind < argc || argc < 2) {
		fputs(usage, stderr);
		return 2;
	}
	unsetenv("READYD_BACKEND");
	log_set_level(LOG_LEVEL_ERROR);
	/* The process keeps freed memory. */
	mallopt(M_MMAP_THRESHOLD, 1 << 26);
	mallopt(M_TRIM_THRESHOLD, 1 << 28);
	return options.schedules == 0 ? replay(options.seed) : run_all(&options);
}
