/*
 * Many processes: one `readyctl wait` for all of them, which become ready within a second. How late is the
 * latest answer after its marker, and what do readyctl and readyd take?
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/client.h"
#include "bench/counters.h"
#include "bench/measures.h"
#include "bench/server.h"
#include "bench/sleeper.h"
#include "bench/tool.h"
#include "readyd/marker.h"

#define SPREAD_NS	  1000000000LL
#define ROUNDS		  3
#define FILES_PER_PROCESS 4
#define SPARE_FILES	  1000
#define STABLE_NS	  3000000000LL

/* Shared with the process that reads the answers. */
struct answers {
	int count;
	int64_t at[]; /* by pid */
};

struct result {
	struct samples latest, median, begin, daemon, tool;
	int64_t waited; /* by the daemon, in the worst round */
	int64_t spread; /* from the first marker to the last, in the slowest round */
};

/* Two descriptors for each process in the program and in the daemon, which gives one user half of them. Where
 * that is more than may be set, the limit stays what it is. Returns it. */
static long raise_files(int count)
{
	struct rlimit files;
	rlim_t needed = (rlim_t)count * FILES_PER_PROCESS + SPARE_FILES;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		fail_errno("getrlimit");
	if (files.rlim_cur < needed)
		(void)setrlimit(RLIMIT_NOFILE,
		    &(struct rlimit){needed, needed > files.rlim_max ? needed : files.rlim_max});
	(void)getrlimit(RLIMIT_NOFILE, &files);
	return (long)files.rlim_cur;
}

/* After 10 s, and later again: a slow machine may take that long to begin with all. */
static bool is_progress(const char *line)
{
	static const char note[] = "readyctl: still waiting ";

	return strncmp(line, note, sizeof(note) - 1) == 0;
}

/* Each line of an answer begins with verdict and pid. */
static _Noreturn void read_answers(int fd, struct answers *answers, long max)
{
	FILE *lines = fdopen(fd, "r");
	char line[256], verdict[32];
	long pid;

	while (lines != NULL && fgets(line, sizeof(line), lines) != NULL) {
		if (is_progress(line))
			continue;
		if (sscanf(line, "%31s %ld", verdict, &pid) != 2 || strcmp(verdict, "ready") != 0 ||
		    pid < 1 || pid > max)
			fail("many: readyctl says '%.200s'", line);
		answers->at[pid] = now_ns();
		answers->count++;
	}
	_exit(0);
}

static pid_t start_tool(const struct bench *bench, const pid_t *pids, int count, int *out)
{
	char **argv = calloc((size_t)count + 8, sizeof(*argv)), *text = malloc((size_t)count * 16),
	     *at = text;
	char path[BENCH_PATH_SIZE + 32];
	int argc = 0;
	pid_t tool;

	if (argv == NULL || text == NULL)
		fail_errno("memory for %d arguments", count);
	snprintf(path, sizeof(path), "%s/client/readyctl", bench->bin);
	argv[argc++] = path;
	argv[argc++] = "wait";
	for (int i = 0; i < count; i++, at += 16) {
		snprintf(at, 16, "%ld", (long)pids[i]);
		argv[argc++] = at;
	}
	tool = tool_start(argv, out);
	free(text);
	free(argv);
	return tool;
}

/* Returns when the daemon waits for all of them, or for as many as it lets one program have: readyctl watches
 * for the others itself. Returns the number, and when it was reached. */
static long await_armed(const struct bench *bench, pid_t tool, int count, int64_t *reached)
{
	int64_t limit = now_ns() + bench->limit_ns;
	long waited, before = 0;
	struct client client;

	client_open(&client, server_socket(bench, SERVER_READYD));
	while ((waited = counters_read(&client, "waited")) < count) {
		if (now_ns() > limit)
			fail("many: readyd waits for %ld of %d processes", waited, count);
		if (waitpid(tool, NULL, WNOHANG) != 0)
			fail("many: readyctl has ended");
		*reached = waited != before ? now_ns() : *reached;
		if (waited > 0 && now_ns() - *reached > STABLE_NS)
			break;
		before = waited;
		sleep_us(10000);
	}
	client_close(&client);
	if (waited >= count)
		*reached = now_ns();
	return waited;
}

/* Evenly over a second. Returns the time from the first to the last. */
static int64_t write_markers(const struct bench *bench, const pid_t *pids, int count, int64_t *written)
{
	char path[BENCH_PATH_SIZE + 64];
	int64_t began = now_ns(), left;

	for (int i = 0; i < count; i++) {
		left = began + SPREAD_NS * i / count - now_ns();
		if (left > 0)
			sleep_us((long)(left / 1000));
		written[i] = now_ns();
		if (readyd_marker_write(sleeper_marker_path(bench, pids[i], path)) != 0)
			fail_errno("%s", path);
	}
	return now_ns() - began;
}

static void remove_markers(const struct bench *bench, const pid_t *pids, int count)
{
	char path[BENCH_PATH_SIZE + 64];

	for (int i = 0; i < count; i++)
		if (unlink(sleeper_marker_path(bench, pids[i], path)) != 0)
			fail_errno("%s", path);
}

static void add_latencies(const struct answers *answers, const pid_t *pids, const int64_t *written, int count,
    struct result *result)
{
	struct samples late = {0};

	for (int i = 0; i < count; i++)
		samples_add(&late, answers->at[pids[i]] - written[i]);
	samples_add(&result->latest, samples_quantile(&late, 1));
	samples_add(&result->median, samples_quantile(&late, 0.5));
	samples_fini(&late);
}

/* The answers are all there when readyctl ends, and its CPU time is known until it is reaped. */
static void run_round(const struct bench *bench, const pid_t *pids, int count, struct answers *answers,
    long max_pid, struct result *result)
{
	int64_t *written = calloc((size_t)count, sizeof(*written)), began = now_ns(), daemon, used, spread,
		waited, reached = 0;
	siginfo_t info;
	pid_t tool, reader;
	int out;

	if (written == NULL)
		fail_errno("memory for %d times", count);
	answers->count = 0;
	tool = start_tool(bench, pids, count, &out);
	reader = bench_fork();
	if (reader == 0)
		read_answers(out, answers, max_pid);
	close(out);
	waited = await_armed(bench, tool, count, &reached);
	result->waited = result->waited < 0 || waited < result->waited ? waited : result->waited;
	samples_add(&result->begin, reached - began);
	daemon = server_cpu(SERVER_READYD);
	used = cpu_of(tool);
	began = now_ns();
	spread = write_markers(bench, pids, count, written);
	if (waitid(P_PID, (id_t)tool, &info, WEXITED | WNOWAIT) != 0)
		fail_errno("readyctl");
	samples_add(&result->tool, (cpu_of(tool) - used) * 1000000 / (now_ns() - began));
	samples_add(&result->daemon, (server_cpu(SERVER_READYD) - daemon) * 1000000 / (now_ns() - began));
	tool_expect_success(tool, "readyctl");
	tool_expect_success(reader, "the reader");
	if (answers->count != count)
		fail("many: %d answers about %d processes", answers->count, count);
	result->spread = spread > result->spread ? spread : result->spread;
	add_latencies(answers, pids, written, count, result);
	remove_markers(bench, pids, count);
	free(written);
}

static void print_row(int count, long files, struct result *result)
{
	printf("%d,%ld,%lld,%zu,%.1f,%.1f,%.2f,%.2f,%.1f,%.1f\n", count, files, (long long)result->waited,
	    result->latest.count, (double)samples_quantile(&result->begin, 0.5) / 1e6,
	    (double)result->spread / 1e6, (double)samples_quantile(&result->median, 0.5) / 1e6,
	    (double)samples_quantile(&result->latest, 0.5) / 1e6,
	    (double)samples_quantile(&result->daemon, 0.5) / 1e4,
	    (double)samples_quantile(&result->tool, 0.5) / 1e4);
	samples_fini(&result->latest);
	samples_fini(&result->median);
	samples_fini(&result->begin);
	samples_fini(&result->daemon);
	samples_fini(&result->tool);
}

/* Each round has processes of its own, since what was ready stays ready. */
static void measure(const struct bench *bench, int count, struct answers *answers, long max_pid)
{
	struct result result = {.waited = -1};
	const long files = raise_files(count);
	int started;
	pid_t *pids;

	for (int i = 0; i < ROUNDS && i < bench->rounds && (i == 0 || now_ns() < bench->until_ns); i++) {
		progress("many: %d processes, round %d", count, i + 1);
		started = 0;
		pids = sleepers_grow(NULL, &started, count);
		server_stop(SERVER_READYD);
		server_start(bench, SERVER_READYD);
		run_round(bench, pids, count, answers, max_pid, &result);
		sleepers_end(pids, started);
	}
	print_row(count, files, &result);
}

static const char *why_not(const struct bench *bench, int count)
{
	if (now_ns() > bench->until_ns)
		return "time ran out";
	return count > max_processes() ? "more than may be started" : NULL;
}

void measure_many(const struct bench *bench)
{
	long max_pid = read_number("/proc/sys/kernel/pid_max");
	struct answers *answers =
	    mmap(NULL, sizeof(*answers) + ((size_t)max_pid + 1) * sizeof(answers->at[0]),
		PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (answers == MAP_FAILED)
		fail_errno("memory for answers");
	(void)prctl(PR_SET_TIMERSLACK, 1000);
	setenv("READYD_SOCKET", server_socket(bench, SERVER_READYD), 1);
	setenv("READYD_DIR", bench->markers, 1);
	printf("processes,descriptor_limit,by_readyd,rounds,begin_ms,spread_ms,median_ms,latest_ms,readyd_"
	       "percent,readyctl_percent\n");
	for (int i = 0; i < bench->count_count; i++) {
		const char *why = why_not(bench, bench->counts[i]);

		if (why == NULL)
			measure(bench, bench->counts[i], answers, max_pid);
		else
			left_out("many, %d processes: %s", bench->counts[i], why);
	}
}
