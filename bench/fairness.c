/*
 * Fairness: what a client notices while another user attacks the daemon: the time of a QUERY, and the time
 * from a marker to the end of a WAIT for it. At the end, how long the daemon takes to end on SIGTERM.
 *
 * The client belongs to neither the daemon's nor the attacker's user. It pauses between its questions, so
 * that each comes at another moment of the attack.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/attacks.h"
#include "bench/client.h"
#include "bench/measures.h"
#include "bench/server.h"
#include "bench/sleeper.h"
#include "readyd/marker.h"

#define VICTIM		 65533
#define WORKERS		 100
#define QUERIES_PER_WAKE 4
#define PAUSE_US	 1500
#define STOP_LIMIT_MS	 10000
#define WARM_UP		 20

struct victim {
	struct client client;
	pid_t workers[WORKERS];
	struct samples query, wake;
};

static void open_as_victim(struct client *client)
{
	if (seteuid(VICTIM) != 0)
		fail_errno("seteuid");
	client_open(client, "readyd.sock");
	if (seteuid(0) != 0)
		fail_errno("seteuid");
}

static int64_t query(struct victim *victim, pid_t worker)
{
	char text[64];
	int len = snprintf(text, sizeof(text), "QUERY %ld\n", (long)worker);
	int64_t began = now_ns();

	client_send(&victim->client, text, (size_t)len);
	client_expect(&victim->client, "pending ");
	return now_ns() - began;
}

static int64_t wake(const struct bench *bench, struct victim *victim, pid_t worker)
{
	char path[BENCH_PATH_SIZE + 64], text[64];
	int len = snprintf(text, sizeof(text), "WAIT %ld\nPING\n", (long)worker);
	int64_t began;

	client_send(&victim->client, text, (size_t)len);
	client_expect(&victim->client, "PONG");
	began = now_ns();
	if (readyd_marker_write(sleeper_marker_path(bench, worker, path)) != 0)
		fail_errno("%s", path);
	client_expect(&victim->client, "ready ");
	began = now_ns() - began;
	unlink(path);
	return began;
}

/* Each worker is waited for once, since it stays ready. */
static void ask(const struct bench *bench, struct victim *victim, int64_t until)
{
	for (int i = 0; i < WORKERS && (i < WARM_UP || now_ns() < until); i++) {
		for (int n = 0; n < QUERIES_PER_WAKE; n++) {
			sleep_us(PAUSE_US);
			samples_add(&victim->query, query(victim, victim->workers[i]));
		}
		sleep_us(PAUSE_US);
		samples_add(&victim->wake, wake(bench, victim, victim->workers[i]));
	}
}

/* Milliseconds. The server is not reaped here. */
static int64_t stop_server(void)
{
	pid_t pid = server_pid(SERVER_READYD);
	int64_t began = now_ns();
	siginfo_t info = {0};

	kill(pid, SIGTERM);
	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | WNOHANG) == 0 && info.si_pid == 0) {
		if (now_ns() - began > STOP_LIMIT_MS * 1000000LL)
			fail("fairness: the daemon does not end on SIGTERM");
		sleep_us(500);
	}
	began = now_ns() - began;
	server_stop(SERVER_READYD);
	return began / 1000000;
}

static void print_row(const char *name, struct victim *victim, int64_t stop_ms)
{
	printf("%s,%zu,%.1f,%.1f,%zu,%.1f,%.1f,%lld\n", name, victim->query.count,
	    (double)samples_quantile(&victim->query, 0.5) / 1e3,
	    (double)samples_quantile(&victim->query, 0.99) / 1e3, victim->wake.count,
	    (double)samples_quantile(&victim->wake, 0.5) / 1e3,
	    (double)samples_quantile(&victim->wake, 0.99) / 1e3, (long long)stop_ms);
}

static void remove_markers(const struct bench *bench)
{
	char command[BENCH_PATH_SIZE + 64];

	snprintf(command, sizeof(command), "find '%s' -type f -delete", bench->markers);
	if (system(command) != 0)
		fail("cannot remove the markers in %s", bench->markers);
}

/* attack NULL: none, for comparison. */
static void measure(
    const struct bench *bench, struct victim *victim, const struct attack *attack, bool quick, int64_t until)
{
	pid_t attacker = 0;
	int64_t stop_ms;

	victim->query = victim->wake = (struct samples){0};
	server_start(bench, SERVER_READYD);
	open_as_victim(&victim->client);
	if (attack != NULL)
		attacker = attack_start(attack, quick);
	if (attack == NULL || attacker != 0)
		ask(bench, victim, until);
	client_close(&victim->client);
	stop_ms = stop_server();
	if (attacker != 0)
		attack_end(attacker);
	remove_markers(bench);
	if (victim->query.count > 0)
		print_row(attack == NULL ? "none" : attack->name, victim, stop_ms);
	samples_fini(&victim->query);
	samples_fini(&victim->wake);
}

static void set_up(const struct bench *bench, struct victim *victim)
{
	if (chdir(bench->dir) != 0 || chmod(".", 0755) != 0 || chmod(bench->markers, 01777) != 0)
		fail_errno("%s", bench->dir);
	for (int i = 0; i < WORKERS; i++)
		victim->workers[i] = sleeper_start();
}

void measure_fairness(const struct bench *bench)
{
	static struct victim victim;
	const int64_t time = bench->until_ns - now_ns();
	const bool quick = time < 20000000000LL;
	const struct attack *attack = NULL;
	int count = 1, i = 0;

	printf("attack,queries,query_us,query_p99_us,wakes,wake_us,wake_p99_us,stop_ms\n");
	if (geteuid() != 0) {
		left_out("fairness: needs root, for the attacks of another user");
		return;
	}
	while (attack_at(count - 1) != NULL)
		count++;
	set_up(bench, &victim);
	do {
		if (now_ns() < bench->until_ns)
			measure(bench, &victim, attack, quick, now_ns() + time / (2 * count));
		else
			left_out("fairness, %s: time ran out", attack == NULL ? "none" : attack->name);
	} while ((attack = attack_at(i++)) != NULL);
	for (i = 0; i < WORKERS; i++)
		sleeper_kill(victim.workers[i]);
}
