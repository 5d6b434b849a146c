/* Runs one measurement; script/bench runs all of them and makes the tables. */
#include "config.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "bench/harness.h"
#include "bench/measures.h"
#include "bench/baseline.h"
#include "bench/sleeper.h"

static const struct {
	const char *name, *what;
	void (*run)(const struct bench *bench);
} measures[] = {
    {"fanout", "one marker, many waiters: the worker's cost, time to wake, CPU time", measure_fanout},
    {"machine", "what a system call, a page fault, a context switch and a program cost here",
	measure_machine},
    {"crowd", "many waiters do the same at once: time, CPU time, walks of /proc", measure_crowd},
    {"idle", "CPU time of readyd while thousands of processes are waited for", measure_idle},
    {"minute", "CPU time of waiters and readyd a minute after they began", measure_minute},
    {"busy", "what a worker computes on all processors while others wait", measure_busy},
    {"many", "one readyctl for thousands of processes that become ready within a second", measure_many},
    {"noise", "CPU time for unrelated files while processes wait, and for waiting itself", measure_noise},
    {"join", "time to begin a wait", measure_join},
    {"query", "queries a second, compared with memcached and Redis", measure_query},
    {"ready", "a whole process that waits for a marker that exists already", measure_ready},
    {"memory", "memory of the servers, idle and with thousands of waiters", measure_memory},
    {"start", "time from starting a server to its first answer", measure_start},
    {"fairness", "a client's queries and waits while another user attacks the daemon", measure_fairness},
    {"scaling", "readyd with 32,000 markers in the directory, and with unrelated files created",
	measure_scaling},
};

static const struct option longopts[] = {
    {"bin", required_argument, NULL, 'b'},
    {"static", required_argument, NULL, 't'},
    {"dir", required_argument, NULL, 'd'},
    {"waiters", required_argument, NULL, 'n'},
    {"baselines", required_argument, NULL, 'p'},
    {"many", required_argument, NULL, 'm'},
    {"rounds", required_argument, NULL, 'r'},
    {"pause", required_argument, NULL, 'P'},
    {"window", required_argument, NULL, 'w'},
    {"nested", no_argument, NULL, 'N'},
    {"seconds", required_argument, NULL, 's'},
    {"limit", required_argument, NULL, 'l'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

__attribute__((noreturn)) static void usage(FILE *out, int status)
{
	fputs("Usage: bench MEASUREMENT --bin DIR --dir DIR [OPTION]...\n"
	      "Measures readyd and its baselines, and prints CSV.\n"
	      "\n"
	      "      --bin DIR          build directory of readyd and readyctl\n"
	      "      --static DIR       build directory of the static programs\n"
	      "      --dir DIR          empty directory for markers, sockets and logs\n"
	      "      --waiters N,...    numbers of waiters (0,1,10,100,1000,2000)\n"
	      "      --baselines B,...  baselines to measure (all)\n"
	      "      --many N           number of joins and connections (10000)\n"
	      "      --rounds N         maximum number of turns (100)\n"
	      "      --pause MS         what passes before idle, memory and minute measure (2500, 2500,\n"
	      "                         60000), and before the marker where crowd kills the daemon (3000)\n"
	      "      --window MS        how long idle, minute and busy measure (5000, 30000, 1000)\n"
	      "      --nested           with a process in a child pid namespace\n"
	      "      --seconds N        start nothing after this time; say what is left out (60)\n"
	      "      --limit MS         fail if a waiter takes longer to begin, wake or end (60000)\n"
	      "\n"
	      "Measurements:\n",
	    out);
	for (size_t i = 0; i < sizeof(measures) / sizeof(measures[0]); i++)
		fprintf(out, "  %-10s %s\n", measures[i].name, measures[i].what);
	exit(status);
}

static int number(const char *text, int max)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || value < 0 || value > max)
		fail("'%s' is not a number from 0 to %d", text, max);
	return (int)value;
}

static void set_counts(struct bench *bench, char *list)
{
	bench->count_count = 0;
	for (char *word = strtok(list, ","); word != NULL; word = strtok(NULL, ",")) {
		if (bench->count_count == BENCH_MAX_COUNTS)
			fail("--waiters: at most %d", BENCH_MAX_COUNTS);
		bench->counts[bench->count_count++] = number(word, 100000);
	}
}

static void add_baseline(struct bench *bench, const struct baseline *baseline, const char *name)
{
	if (baseline == NULL)
		fail("no baseline '%s'", name);
	if (bench->baseline_count == BENCH_MAX_BASELINES)
		fail("--baselines: at most %d", BENCH_MAX_BASELINES);
	bench->baselines[bench->baseline_count++] = baseline;
}

static void set_baselines(struct bench *bench, char *list)
{
	for (char *word = strtok(list, ","); word != NULL; word = strtok(NULL, ","))
		add_baseline(bench, baseline_find(word), word);
}

static void set(struct bench *bench, int option)
{
	switch (option) {
	case 'b':
		bench->bin = optarg;
		return;
	case 't':
		bench->static_bin = optarg;
		return;
	case 'd':
		bench->dir = optarg;
		return;
	case 'n':
		set_counts(bench, optarg);
		return;
	case 'p':
		set_baselines(bench, optarg);
		return;
	case 'm':
		bench->many = number(optarg, 100000);
		return;
	case 'r':
		bench->rounds = number(optarg, 1000);
		return;
	case 'P':
		bench->pause_ms = number(optarg, 600000);
		return;
	case 'w':
		bench->window_ms = number(optarg, 600000);
		return;
	case 'N':
		bench->nested = true;
		return;
	case 's':
		bench->until_ns = now_ns() + number(optarg, 36000) * 1000000000LL;
		return;
	case 'l':
		bench->limit_ns = number(optarg, 600000) * 1000000LL;
		return;
	case 'h':
		usage(stdout, 0);
	default:
		usage(stderr, 2);
	}
}

static void set_up(struct bench *bench)
{
	if (bench->bin == NULL || bench->dir == NULL)
		usage(stderr, 2);
	for (int i = 0; bench->baseline_count == i && baseline_default(i) != NULL; i++)
		add_baseline(bench, baseline_default(i), "");
	snprintf(bench->markers, sizeof(bench->markers), "%s/markers", bench->dir);
	if (mkdir(bench->markers, 01777) != 0)
		fail_errno("%s", bench->markers);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	raise_limits();
	if (bench->nested && sleeper_start_nested().pid == 0) {
		left_out("child pid namespaces: there is no right to create one");
		exit(0);
	}
}

int main(int argc, char **argv)
{
	struct bench bench = {.counts = {0, 1, 10, 100, 1000, 2000},
	    .count_count = 6,
	    .many = 10000,
	    .rounds = 100,
	    .limit_ns = 60000000000LL};
	int option;

	bench.until_ns = now_ns() + bench.limit_ns;
	while ((option = getopt_long(argc, argv, "", longopts, NULL)) != -1)
		set(&bench, option);
	if (optind + 1 != argc)
		usage(stderr, 2);
	for (size_t i = 0; i < sizeof(measures) / sizeof(measures[0]); i++)
		if (strcmp(argv[optind], measures[i].name) == 0) {
			set_up(&bench);
			measures[i].run(&bench);
			return fflush(stdout) == 0 ? 0 : 1;
		}
	usage(stderr, 2);
}
