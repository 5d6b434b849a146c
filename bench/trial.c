#include "config.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/trial.h"
#include "bench/baseline.h"
#include "bench/server.h"
#include "bench/waiters.h"
#include "readyd/marker.h"

/* Quiet means that less than a quarter of one CPU is used, since waiters may recheck now and then. After
 * QUIET_MAX_NS the trial goes on nevertheless, since a baseline may be busy all the time. */
#define QUIET_STEP_US 10000
#define QUIET_CPU_NS  (QUIET_STEP_US * 1000 / 4)
#define QUIET_MAX_NS  500000000LL
/* With thousands of children waitpid(2) is slow. */
#define CHECK_EVERY_NS 100000000

void futex_wait(const atomic_int *value, int was)
{
	while (*value == was)
		syscall(SYS_futex, value, FUTEX_WAIT, was, NULL, NULL, 0);
}

void futex_wake_all(const atomic_int *value)
{
	syscall(SYS_futex, value, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void set(atomic_int *value)
{
	*value = 1;
	futex_wake_all(value);
}

void trial_report_armed(struct trial *trial)
{
	trial->shared->armed++;
}

bool trial_marker_exists(const struct trial *trial)
{
	struct stat st;

	return lstat(trial->marker, &st) == 0 && S_ISREG(st.st_mode);
}

void trial_set_marker_path(struct trial *trial)
{
	snprintf(trial->marker, sizeof(trial->marker), "%s/" READYD_MARKER_NAME_PREFIX "%ld",
	    trial->bench->markers, (long)trial->worker);
}

/* The first calls in a process would also measure its page faults. */
static void warm_up(const struct trial *trial)
{
	char path[BENCH_PATH_SIZE + 16];

	snprintf(path, sizeof(path), "%s/warm-up", trial->bench->dir);
	if (now_ns() == 0 || readyd_marker_write(path) != 0 || unlink(path) != 0)
		fail_errno("%s", path);
}

__attribute__((noreturn)) static void worker_main(struct trial *trial)
{
	struct shared *shared = trial->shared;

	trial->worker = getpid();
	trial_set_marker_path(trial);
	warm_up(trial);
	if (trial->baseline->prepare != NULL)
		trial->baseline->prepare(trial);
	futex_wait(&shared->go, 0);
	shared->began = now_ns();
	if (readyd_marker_write(trial->marker) != 0)
		fail_errno("%s", trial->marker);
	shared->ended = now_ns();
	if (trial->baseline->announce != NULL)
		trial->baseline->announce(trial);
	shared->worker_cpu_reaped = cpu_of_reaped();
	set(&shared->done);
	for (;;)
		pause();
}

__attribute__((noreturn)) static void helper_main(struct trial *trial)
{
	trial->baseline->run_helper(trial);
	for (;;)
		pause();
}

/* Names the child for the message about its end; NULL for what a waiter has started. */
static const char *role_of(const struct trial *trial, pid_t pid, int *number)
{
	*number = 0;
	if (pid == trial->worker)
		return "the worker";
	if (pid == trial->helper)
		return "the helper";
	for (int i = 0; i < waiters_count(); i++)
		if (trial->pids[i] == pid) {
			*number = i;
			return "waiter";
		}
	return server_name(pid);
}

/* No child ends during a trial, except the programs that waiters have started: the bench reaps these if their
 * parents have not. */
static void check_children(const struct trial *trial)
{
	int status, number;
	const char *role;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		role = role_of(trial, pid, &number);
		if (role == NULL)
			continue;
		fail("%s: %s %d (pid %ld) has ended: %s %d", trial->baseline->name, role, number, (long)pid,
		    WIFSIGNALED(status) ? "signal" : "status",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	}
}

static int count_armed(struct trial *trial)
{
	return trial->shared->armed;
}

static int count_awake(struct trial *trial)
{
	return trial->shared->awake;
}

static int count_done(struct trial *trial)
{
	return trial->shared->done;
}

static int count_idle(struct trial *trial)
{
	return trial->shared->idle;
}

static void await(struct trial *trial, int (*count)(struct trial *), int goal, const char *what)
{
	int64_t limit = now_ns() + trial->bench->limit_ns, next_check = 0, now;
	int got;

	while ((got = count(trial)) < goal) {
		now = now_ns();
		if (now > next_check) {
			check_children(trial);
			next_check = now + CHECK_EVERY_NS;
		}
		if (now > limit)
			fail("%s: only %d of %d %s after %lld ms", trial->baseline->name, got, goal, what,
			    (long long)(trial->bench->limit_ns / 1000000));
		sleep_us(1000);
	}
}

static void start_worker(struct trial *trial)
{
	trial->worker = bench_fork();
	if (trial->worker == 0)
		worker_main(trial);
	trial_set_marker_path(trial);
	if (trial->baseline->run_helper == NULL)
		return;
	trial->helper = bench_fork();
	if (trial->helper == 0)
		helper_main(trial);
}

/* The processes of which the CPU time counts: not the servers of other baselines, nor the waiters that stay
 * idle. /proc is only scanned if waiters start programs of their own. */
static void collect_tree(struct trial *trial)
{
	if (trial->baseline->extra_processes > 0)
		tree_scan(&trial->tree);
	else
		for (int i = 0; i < trial->waiters; i++)
			tree_add(&trial->tree, trial->pids[i]);
	tree_add(&trial->tree, trial->worker);
	if (trial->helper != 0)
		tree_add(&trial->tree, trial->helper);
	if (trial->baseline->server != SERVER_NONE)
		tree_add(&trial->tree, server_pid(trial->baseline->server));
	for (int kind = 1; kind < SERVER_KINDS; kind++)
		if (kind != (int)trial->baseline->server)
			tree_remove(&trial->tree, server_pid((enum server_kind)kind));
}

/* Servers have processes of their own, so what is there before and after a trial is compared. */
static size_t count_processes(void)
{
	struct tree tree = {0};
	size_t count;

	tree_scan(&tree);
	count = tree.count;
	tree_fini(&tree);
	return count;
}

void trial_open(struct trial *trial, const struct bench *bench, const struct baseline *baseline, int waiters)
{
	*trial = (struct trial){.bench = bench, .baseline = baseline, .waiters = waiters};
	server_start(bench, baseline->server);
	waiters_prepare(trial);
	if (baseline->extra_processes > 0)
		trial->processes_before = count_processes();
	if (baseline->open != NULL)
		baseline->open(trial);
	start_worker(trial);
	waiters_start(trial);
	await(trial, baseline->count_armed != NULL ? baseline->count_armed : count_armed,
	    waiters + (baseline->run_helper != NULL), "have begun to wait");
	collect_tree(trial);
	trial_await_quiet(trial);
	if (baseline->check != NULL)
		baseline->check(trial);
	check_children(trial);
}

void trial_await_quiet(const struct trial *trial)
{
	int64_t limit = now_ns() + QUIET_MAX_NS, before, after = tree_cpu(&trial->tree);

	if (trial->baseline->polls)
		return;
	do {
		before = after;
		sleep_us(QUIET_STEP_US);
		after = tree_cpu(&trial->tree);
	} while (after - before > QUIET_CPU_NS && now_ns() < limit);
}

void trial_release(struct trial *trial)
{
	set(&trial->shared->go);
	await(trial, count_done, 1, "markers are written");
	await(trial, count_awake, trial->waiters, "waiters are awake");
	check_children(trial);
}

static void end_child(pid_t pid)
{
	if (pid == 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Orphaned programs of the waiters become children of the bench, which is a subreaper, and end soon. */
static int programs_have_ended(struct trial *trial)
{
	check_children(trial);
	return count_processes() == trial->processes_before;
}

void trial_close(struct trial *trial)
{
	set(&trial->shared->over);
	await(trial, count_idle, trial->waiters, "waiters are idle again");
	end_child(trial->helper);
	end_child(trial->worker);
	if (unlink(trial->marker) != 0)
		fail_errno("%s", trial->marker);
	if (trial->baseline->close != NULL)
		trial->baseline->close(trial);
	if (trial->baseline->extra_processes > 0)
		await(trial, programs_have_ended, 1, "programs have ended");
	tree_fini(&trial->tree);
}

int64_t trial_cpu(const struct trial *trial)
{
	/* Orphaned programs were reaped by the bench. */
	int64_t sum = tree_cpu(&trial->tree) + cpu_of_reaped() + trial->shared->worker_cpu_reaped;

	for (int i = 0; i < trial->waiters; i++)
		sum += trial->shared->slots[i].cpu_reaped;
	return sum;
}
