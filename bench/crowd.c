#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/counters.h"
#include "bench/crowd.h"
#include "bench/measures.h"
#include "bench/product_calls.h"
#include "bench/server.h"
#include "bench/trial.h"
#include "readyd/marker.h"

/* The counters are asked for seldom, since the daemon has other work. */
#define POLL_US		2000
#define QUIET_STEP_US	20000
#define QUIET_MAX_STEPS 100

static void member_round(const struct bench *bench, struct crowd_shared *shared, struct crowd_slot *slot)
{
	const struct readyd_options options = {
	    .size = sizeof(options), .socket = server_socket(bench, SERVER_READYD), .dir = bench->markers};
	const struct moment *moment = shared->moment;
	struct readyd_answer answer = READYD_ANSWER_INIT;

	slot->answered = now_ns(); /* no first page fault is measured */
	shared->held++;
	if (moment->held)
		futex_wait(&shared->go, 0);
	slot->walks = -product_calls_walks();
	slot->watches = -product_calls_watches();
	slot->error = moment->act(&options, shared->pid, &answer);
	slot->answered = now_ns();
	slot->walks += product_calls_walks();
	slot->watches += product_calls_watches();
	slot->verdict = answer.verdict;
	shared->answered++;
	futex_wait(&shared->over, 0);
	shared->idle++;
}

static _Noreturn void member_main(const struct bench *bench, struct crowd_shared *shared, int i)
{
	for (int round = 0;; round++) {
		futex_wait(&shared->slots[i].round, round);
		member_round(bench, shared, &shared->slots[i]);
	}
}

static void set(atomic_int *value)
{
	*value = 1;
	futex_wake_all(value);
}

static int held(struct crowd *crowd)
{
	return crowd->shared->held;
}

static int armed(struct crowd *crowd)
{
	return (int)(counters_read(&crowd->client, "handed_out") - crowd->handed_out);
}

static int answered(struct crowd *crowd)
{
	return crowd->shared->answered;
}

static int idle(struct crowd *crowd)
{
	return crowd->shared->idle;
}

static void check_children(struct crowd *crowd)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		for (int i = 0; i < crowd->forked; i++)
			if (crowd->pids[i] == pid)
				fail("crowd: %s: member %d has ended", crowd->shared->moment->name, i);
}

static void await(struct crowd *crowd, int (*count)(struct crowd *), const char *what)
{
	int64_t limit = now_ns() + crowd->bench->limit_ns;
	int got;

	while ((got = count(crowd)) < crowd->members) {
		if (now_ns() > limit)
			fail("crowd: %s: only %d of %d %s", crowd->shared->moment->name, got, crowd->members,
			    what);
		check_children(crowd);
		sleep_us(POLL_US);
	}
}

static int64_t members_cpu(const struct crowd *crowd)
{
	int64_t sum = 0;

	for (int i = 0; i < crowd->members; i++)
		sum += cpu_of(crowd->pids[i]);
	return sum;
}

/* Returns when the members sleep. */
static void await_quiet(const struct crowd *crowd)
{
	int64_t before = members_cpu(crowd), after;

	for (int i = 0; i < QUIET_MAX_STEPS; i++) {
		sleep_us(QUIET_STEP_US);
		after = members_cpu(crowd);
		if (after - before < QUIET_STEP_US * 1000 / 10)
			return;
		before = after;
	}
}

void crowd_write_marker(struct crowd *crowd)
{
	if (readyd_marker_write(crowd->marker) != 0)
		fail_errno("%s", crowd->marker);
	crowd->marked = true;
}

void crowd_end_daemon(struct crowd *crowd, int sig)
{
	client_close(&crowd->client);
	crowd->connected = false;
	crowd->cpu_ended += server_end(SERVER_READYD, sig) - crowd->cpu_before;
	crowd->cpu_before = 0;
}

static void open_round(struct crowd *crowd, const struct moment *moment, int members)
{
	struct crowd_shared *shared = crowd->shared;

	/* A moment before this one may have ended the daemon, or just spawned another. */
	server_start(crowd->bench, SERVER_READYD);
	server_await(crowd->bench, SERVER_READYD);
	client_open(&crowd->client, server_socket(crowd->bench, SERVER_READYD));
	crowd->connected = true;
	crowd->handed_out = counters_read(&crowd->client, "handed_out");
	crowd->members = members;
	crowd->worker = (struct nested){0, sleeper_start()};
	(void)sleeper_marker_path(crowd->bench, crowd->worker.pid, crowd->marker);
	shared->moment = moment;
	shared->pid = crowd->worker.pid;
	shared->held = shared->answered = shared->idle = shared->go = shared->over = 0;
	for (; crowd->forked < members; crowd->forked++) {
		crowd->pids[crowd->forked] = bench_fork();
		if (crowd->pids[crowd->forked] == 0)
			member_main(crowd->bench, shared, crowd->forked);
	}
	if (moment->prepare != NULL)
		moment->prepare(crowd);
}

static void start_members(struct crowd *crowd)
{
	for (int i = 0; i < crowd->members; i++) {
		crowd->shared->slots[i].round++;
		futex_wake_all(&crowd->shared->slots[i].round);
	}
	await(crowd, held, "members have started");
	if (!crowd->shared->moment->held) {
		await(crowd, armed, "members have begun to wait");
		counters_await_gates(crowd->bench, crowd->pids, crowd->members);
	}
	await_quiet(crowd);
}

static void close_round(struct crowd *crowd)
{
	if (crowd->shared->answered < crowd->members) {
		crowd_write_marker(crowd);
		await(crowd, answered, "members have an answer");
	}
	set(&crowd->shared->over);
	await(crowd, idle, "members are idle again");
	if (crowd->worker.parent != 0)
		sleeper_kill_nested(&crowd->worker);
	else if (crowd->worker.pid != 0)
		sleeper_kill(crowd->worker.pid);
	if (crowd->marked && unlink(crowd->marker) != 0)
		fail_errno("%s", crowd->marker);
	crowd->marked = false;
	if (crowd->connected)
		client_close(&crowd->client);
	crowd->connected = false;
}

struct cell {
	struct samples last, cpu, walks, watches;
	int64_t round_ns; /* how long the last round took */
};

static void check_verdicts(const struct crowd *crowd)
{
	const struct moment *moment = crowd->shared->moment;

	for (int i = 0; i < crowd->members; i++) {
		const struct crowd_slot *slot = &crowd->shared->slots[i];

		if (slot->error != 0 || (moment->verdicts >> slot->verdict & 1) == 0)
			fail("crowd: %s: the answer of member %d is %s", moment->name, i,
			    slot->error != 0 ? "an error"
					     : readyd_verdict_name((enum readyd_verdict)slot->verdict));
	}
}

static void add_samples(const struct crowd *crowd, int64_t began, int64_t ended, struct cell *cell)
{
	int64_t last = ended, walks = 0, watches = 0;

	for (int i = 0; i < crowd->members; i++) {
		walks += crowd->shared->slots[i].walks;
		watches += crowd->shared->slots[i].watches;
		if (!crowd->shared->moment->until_armed && crowd->shared->slots[i].answered > last)
			last = crowd->shared->slots[i].answered;
	}
	samples_add(&cell->last, last - began);
	samples_add(&cell->walks, walks);
	samples_add(&cell->watches, watches);
}

static void run_round(struct crowd *crowd, const struct moment *moment, int members, struct cell *cell)
{
	int64_t started = now_ns(), cpu, began, ended;

	open_round(crowd, moment, members);
	start_members(crowd);
	crowd->cpu_ended = 0;
	crowd->cpu_before = server_cpu(SERVER_READYD);
	cpu = members_cpu(crowd);
	began = moment->happen != NULL ? moment->happen(crowd) : now_ns();
	if (moment->held)
		set(&crowd->shared->go);
	if (moment->until_armed)
		await(crowd, armed, "members have begun to wait");
	else
		await(crowd, answered, "members have an answer");
	ended = moment->until_armed ? now_ns() : 0;
	cpu = members_cpu(crowd) - cpu + crowd->cpu_ended + server_cpu(SERVER_READYD) - crowd->cpu_before;
	samples_add(&cell->cpu, cpu);
	close_round(crowd);
	check_verdicts(crowd);
	add_samples(crowd, began, ended, cell);
	cell->round_ns = now_ns() - started;
}

static void map_members(struct crowd *crowd)
{
	int most = 1;

	for (int i = 0; i < crowd->bench->count_count; i++)
		most = crowd->bench->counts[i] > most ? crowd->bench->counts[i] : most;
	crowd->shared = mmap(NULL, sizeof(*crowd->shared) + (size_t)most * sizeof(crowd->shared->slots[0]),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	crowd->pids = calloc((size_t)most, sizeof(*crowd->pids));
	if (crowd->shared == MAP_FAILED || crowd->pids == NULL)
		fail_errno("memory for %d members", most);
}

static void take_turn(struct crowd *crowd, int turn, int members, struct cell *cells)
{
	for (int i = 0; moment_at(i) != NULL; i++) {
		if ((moment_at(i)->max_members > 0 && members > moment_at(i)->max_members) ||
		    now_ns() + cells[i].round_ns > crowd->bench->until_ns)
			continue;
		progress("crowd: turn %d, %d members: %s", turn + 1, members, moment_at(i)->name);
		run_round(crowd, moment_at(i), members, &cells[i]);
	}
}

static void print_cell(const struct moment *moment, int members, struct cell *cell)
{
	if (moment->max_members > 0 && members > moment->max_members)
		return;
	if (cell->cpu.count == 0) {
		left_out("crowd of %d, %s: time ran out", members, moment->name);
		return;
	}
	printf("%s,%d,%zu,%.2f,%.2f,%lld,%lld\n", moment->name, members, cell->cpu.count,
	    (double)samples_quantile(&cell->last, 0.5) / 1e6, (double)samples_quantile(&cell->cpu, 0.5) / 1e6,
	    (long long)samples_quantile(&cell->walks, 1), (long long)samples_quantile(&cell->watches, 1));
}

void measure_crowd(const struct bench *bench)
{
	static struct cell cells[BENCH_MAX_COUNTS][32];
	struct crowd crowd = {.bench = bench};

	map_members(&crowd);
	for (int turn = 0; turn < bench->rounds && now_ns() < bench->until_ns; turn++)
		for (int i = 0; i < bench->count_count; i++)
			take_turn(&crowd, turn, bench->counts[i], cells[i]);
	printf("moment,waiters,rounds,last_ms,cpu_ms,walks,watches\n");
	for (int i = 0; i < bench->count_count; i++)
		for (int m = 0; moment_at(m) != NULL; m++)
			print_cell(moment_at(m), bench->counts[i], &cells[i][m]);
	free(crowd.pids);
}
