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

#include "bench/field.h"
#include "bench/peer.h"
#include "bench/server.h"
#include "bench/waiters.h"
#include "readyd/marker.h"

/* Calm is: less than a quarter of a processor is used. Those who wait may look again now and then; and who
 * does so all the time is not waited for any longer than that. */
#define CALM_STEP_US 10000
#define CALM_CPU_NS  (CALM_STEP_US * 1000 / 4)
#define CALM_MOST_NS 500000000LL
/* Thousands of children make it slow to look for those who have ended. */
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

void field_armed(struct field *field)
{
	field->shared->armed++;
}

bool field_marker_is_there(const struct field *field)
{
	struct stat st;

	return lstat(field->marker, &st) == 0 && S_ISREG(st.st_mode);
}

void field_find_marker(struct field *field)
{
	snprintf(field->marker, sizeof(field->marker), "%s/" READYD_MARKER_NAME_PREFIX "%ld",
	    field->bench->markers, (long)field->worker);
}

/* The first three calls of a process would measure page faults. */
static void warm_up(const struct field *field)
{
	char path[BENCH_PATH_SIZE + 16];

	snprintf(path, sizeof(path), "%s/warm-up", field->bench->dir);
	if (now_ns() == 0 || readyd_marker_write(path) != 0 || unlink(path) != 0)
		fail_errno("%s", path);
}

__attribute__((noreturn)) static void be_worker(struct field *field)
{
	struct shared *shared = field->shared;

	field->worker = getpid();
	field_find_marker(field);
	warm_up(field);
	if (field->peer->prepare != NULL)
		field->peer->prepare(field);
	futex_wait(&shared->go, 0);
	shared->began = now_ns();
	if (readyd_marker_write(field->marker) != 0)
		fail_errno("%s", field->marker);
	shared->ended = now_ns();
	if (field->peer->announce != NULL)
		field->peer->announce(field);
	shared->worker_cpu_reaped = cpu_of_reaped();
	set(&shared->done);
	for (;;)
		pause();
}

__attribute__((noreturn)) static void be_helper(struct field *field)
{
	field->peer->help(field);
	for (;;)
		pause();
}

/* What this child is to the field, for the message about its end; NULL for what others have started. */
static const char *role(const struct field *field, pid_t pid, int *number)
{
	*number = 0;
	if (pid == field->worker)
		return "the worker";
	if (pid == field->helper)
		return "the helper";
	for (int i = 0; i < waiters_count(); i++)
		if (field->pids[i] == pid) {
			*number = i;
			return "waiter";
		}
	return server_name(pid);
}

/* Nobody ends by himself, except what a waiter has started. */
static void check_children(const struct field *field)
{
	int status, number;
	const char *who;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		who = role(field, pid, &number);
		if (who == NULL)
			continue;
		fail("%s: %s %d (pid %ld) has ended: %s %d", field->peer->name, who, number, (long)pid,
		    WIFSIGNALED(status) ? "signal" : "status",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	}
}

static int count_armed(struct field *field)
{
	return field->shared->armed;
}

static int count_awake(struct field *field)
{
	return field->shared->awake;
}

static int count_done(struct field *field)
{
	return field->shared->done;
}

static int count_home(struct field *field)
{
	return field->shared->home;
}

static void await(struct field *field, int (*count)(struct field *), int goal, const char *what)
{
	int64_t limit = now_ns() + field->bench->limit_ns, next_check = 0, now;
	int got;

	while ((got = count(field)) < goal) {
		now = now_ns();
		if (now > next_check) {
			check_children(field);
			next_check = now + CHECK_EVERY_NS;
		}
		if (now > limit)
			fail("%s: only %d of %d %s after %lld ms", field->peer->name, got, goal, what,
			    (long long)(field->bench->limit_ns / 1000000));
		nap_us(1000);
	}
}

static void start_worker(struct field *field)
{
	field->worker = bench_fork();
	if (field->worker == 0)
		be_worker(field);
	field_find_marker(field);
	if (field->peer->help == NULL)
		return;
	field->helper = bench_fork();
	if (field->helper == 0)
		be_helper(field);
}

/* Who takes part, and with it whose processor time counts: not the servers of other peers, nor the waiters
 * that stay at home. Those who start programs of their own are found by a walk through /proc. */
static void find_family(struct field *field)
{
	if (field->peer->processes > 0)
		family_look(&field->family);
	else
		for (int i = 0; i < field->waiters; i++)
			family_add(&field->family, field->pids[i]);
	family_add(&field->family, field->worker);
	if (field->helper != 0)
		family_add(&field->family, field->helper);
	if (field->peer->server != SERVER_NONE)
		family_add(&field->family, server_pid(field->peer->server));
	for (int kind = 1; kind < SERVER_KINDS; kind++)
		if (kind != (int)field->peer->server)
			family_remove(&field->family, server_pid((enum server_kind)kind));
}

void field_open(struct field *field, const struct bench *bench, const struct peer *peer, int waiters)
{
	*field = (struct field){.bench = bench, .peer = peer, .waiters = waiters};
	server_start(bench, peer->server);
	waiters_gather(field);
	if (peer->open != NULL)
		peer->open(field);
	start_worker(field);
	waiters_send(field);
	await(field, peer->armed != NULL ? peer->armed : count_armed, waiters + (peer->help != NULL),
	    "have begun to wait");
	find_family(field);
	field_calm(field);
	if (peer->check != NULL)
		peer->check(field);
	check_children(field);
}

void field_calm(const struct field *field)
{
	int64_t limit = now_ns() + CALM_MOST_NS, before, after = family_cpu(&field->family);

	if (field->peer->restless)
		return;
	do {
		before = after;
		nap_us(CALM_STEP_US);
		after = family_cpu(&field->family);
	} while (after - before > CALM_CPU_NS && now_ns() < limit);
}

void field_release(struct field *field)
{
	set(&field->shared->go);
	await(field, count_done, 1, "markers were written");
	await(field, count_awake, field->waiters, "waiters are awake");
	check_children(field);
}

static void end_child(pid_t pid)
{
	if (pid == 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* The bench is the parent of what is left of the programs that were started; it ends by itself. */
static int count_orphans_gone(struct field *field)
{
	struct family family = {0};
	size_t count;

	check_children(field);
	family_look(&family);
	count = family.count;
	family_fini(&family);
	return count == (size_t)waiters_count() + server_count();
}

void field_close(struct field *field)
{
	set(&field->shared->over);
	await(field, count_home, field->waiters, "waiters are ready for more");
	end_child(field->helper);
	end_child(field->worker);
	if (unlink(field->marker) != 0)
		fail_errno("%s", field->marker);
	if (field->peer->close != NULL)
		field->peer->close(field);
	if (field->peer->processes > 0)
		await(field, count_orphans_gone, 1, "programs have ended");
	family_fini(&field->family);
}

int64_t field_cpu(const struct field *field)
{
	/* The bench has reaped what was orphaned. */
	int64_t sum = family_cpu(&field->family) + cpu_of_reaped() + field->shared->worker_cpu_reaped;

	for (int i = 0; i < field->waiters; i++)
		sum += field->shared->slots[i].cpu_reaped;
	return sum;
}
