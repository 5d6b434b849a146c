#include "config.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/field.h"
#include "bench/peer.h"
#include "bench/server.h"
#include "readyd/marker.h"

/* Calm is: less than a quarter of a processor is used. Those who wait may look again now and then; and who
 * does so all the time is not waited for any longer than that. */
#define CALM_STEP_US 10000
#define CALM_CPU_NS  (CALM_STEP_US * 1000 / 4)
#define CALM_MOST_NS 2000000000LL

void futex_wait(const atomic_int *value, int was)
{
	while (*value == was)
		syscall(SYS_futex, value, FUTEX_WAIT, was, NULL, NULL, 0);
}

void futex_wake_all(const atomic_int *value)
{
	syscall(SYS_futex, value, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
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

/* Its end would leave what it has started to nobody. */
__attribute__((noreturn)) static void rest(struct field *field)
{
	futex_wait(&field->shared->over, 0);
	_exit(0);
}

__attribute__((noreturn)) static void be_waiter(struct field *field, int i)
{
	struct slot *slot = &field->shared->slots[i];

	/* A process that was just forked pays for its first touch of each page; not after its wake-up. */
	slot->woken = field_marker_is_there(field) ? 0 : now_ns();
	if (field->peer->wait(field, i) != 0)
		fail_errno("%s: waiter %d of %d", field->peer->name, i, field->waiters);
	if (!field_marker_is_there(field))
		fail("%s: waiter %d of %d was woken without a marker", field->peer->name, i, field->waiters);
	slot->woken = now_ns();
	if (field->peer->processes > 0)
		slot->cpu_reaped = cpu_of_reaped();
	field->shared->awake++;
	rest(field);
}

static void find_marker(struct field *field, pid_t worker)
{
	snprintf(field->marker, sizeof(field->marker), "%s/" READYD_MARKER_NAME_PREFIX "%ld",
	    field->bench->markers, (long)worker);
}

/* As in be_waiter(): the first three calls of a process would measure page faults. */
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

	find_marker(field, getpid());
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
	shared->done = 1;
	rest(field);
}

__attribute__((noreturn)) static void be_helper(struct field *field)
{
	field->peer->help(field);
	rest(field);
}

/* What this child is to the field, for the message about its end; NULL for what others have started. */
static const char *role(const struct field *field, pid_t pid, int *number)
{
	const char *server = server_name(pid);

	*number = 0;
	if (server != NULL)
		return server;
	if (pid == field->worker)
		return "the worker";
	if (pid == field->helper)
		return "the helper";
	for (int i = 0; i < field->waiters; i++)
		if (field->pids[i] == pid) {
			*number = i;
			return "waiter";
		}
	return NULL;
}

/* Nobody ends before field_close(), except what a waiter has started itself. */
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

/* Looks for deaths only now and then: thousands of children make that slow. */
static void await(struct field *field, int (*count)(struct field *), int goal, const char *what)
{
	int64_t limit = now_ns() + field->bench->limit_ns, next_check = 0, now;
	int got;

	while ((got = count(field)) < goal) {
		now = now_ns();
		if (now > limit)
			fail("%s: only %d of %d %s after %lld ms", field->peer->name, got, goal, what,
			    (long long)(field->bench->limit_ns / 1000000));
		if (now > next_check) {
			check_children(field);
			next_check = now + 100000000;
		}
		nap_us(1000);
	}
}

static void share(struct field *field)
{
	field->shared_size =
	    sizeof(*field->shared) + (size_t)field->waiters * sizeof(field->shared->slots[0]);
	field->shared =
	    mmap(NULL, field->shared_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	field->pids = calloc((size_t)field->waiters + 1, sizeof(*field->pids));
	if (field->shared == MAP_FAILED || field->pids == NULL)
		fail_errno("memory for %d waiters", field->waiters);
}

static void start_processes(struct field *field)
{
	field->worker = bench_fork();
	if (field->worker == 0)
		be_worker(field);
	find_marker(field, field->worker);
	for (int i = 0; i < field->waiters; i++) {
		field->pids[i] = bench_fork();
		if (field->pids[i] == 0)
			be_waiter(field, i);
	}
	if (field->peer->help != NULL) {
		field->helper = bench_fork();
		if (field->helper == 0)
			be_helper(field);
	}
}

/* Those of other peers. */
static void leave_out_servers(struct field *field)
{
	struct family *family = &field->family;
	size_t count = 0;

	for (size_t i = 0; i < family->count; i++)
		if (server_name(family->pids[i]) == NULL ||
		    family->pids[i] == server_pid(field->peer->server))
			family->pids[count++] = family->pids[i];
	family->count = count;
}

void field_open(struct field *field, const struct bench *bench, const struct peer *peer, int waiters)
{
	*field = (struct field){.bench = bench, .peer = peer, .waiters = waiters};
	server_start(bench, peer->server);
	share(field);
	if (peer->open != NULL)
		peer->open(field);
	start_processes(field);
	await(field, peer->armed != NULL ? peer->armed : count_armed, waiters + (peer->help != NULL),
	    "have begun to wait");
	family_look(&field->family);
	leave_out_servers(field);
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
	field->shared->go = 1;
	futex_wake_all(&field->shared->go);
	await(field, count_done, 1, "markers were written");
	await(field, count_awake, field->waiters, "waiters are awake");
	check_children(field);
}

static void end_children(const pid_t *pids, int count)
{
	for (int i = 0; i < count; i++)
		if (pids[i] != 0)
			kill(pids[i], SIGKILL);
	for (int i = 0; i < count; i++)
		if (pids[i] != 0)
			waitpid(pids[i], NULL, 0);
}

/* The bench is made the parent of what they leave behind, which ends with them. */
static void reap_orphans(const struct field *field)
{
	int64_t limit = now_ns() + field->bench->limit_ns;
	struct family family = {0};
	bool more = true;

	while (more) {
		check_children(field);
		family_look(&family);
		more = family.count > server_count();
		if (more && now_ns() > limit)
			fail("%s: %zu processes do not end", field->peer->name, family.count);
		if (more)
			nap_us(1000);
	}
	family_fini(&family);
}

void field_close(struct field *field)
{
	end_children(field->pids, field->waiters);
	end_children(&field->helper, 1);
	end_children(&field->worker, 1);
	if (unlink(field->marker) != 0 && errno != ENOENT)
		fail_errno("%s", field->marker);
	if (field->peer->close != NULL)
		field->peer->close(field);
	field->worker = field->helper = 0;
	field->waiters = 0;
	reap_orphans(field);
	munmap(field->shared, field->shared_size);
	free(field->pids);
	family_fini(&field->family);
}

int64_t field_cpu(const struct field *field)
{
	/* The bench has reaped what was orphaned. */
	int64_t sum = family_cpu(&field->family) + cpu_of_reaped();

	for (int i = 0; i < field->waiters; i++)
		sum += field->shared->slots[i].cpu_reaped;
	return sum + field->shared->worker_cpu_reaped;
}
