/* What can concern a whole crowd at once. */
#include "config.h"

#include <signal.h>
#include <unistd.h>

#include "bench/crowd.h"
#include "bench/server.h"

#define READY  (1U << READYD_READY)
#define DIED   (1U << READYD_DIED)
#define EXITED (1U << READYD_EXITED)
/* Pid 1 of a child pid namespace has the name of init's marker. */
#define COLLIDES (1U << READYD_UNREACHABLE)

#define FROZEN_US   500000
#define LATE_MS	    3000
#define MAX_WALKERS 100

static int await(const struct readyd_options *options, pid_t pid, struct readyd_answer *answer)
{
	return readyd_wait(options, pid, NULL, answer);
}

static int ask_file(const struct readyd_options *options, pid_t pid, struct readyd_answer *answer)
{
	struct readyd_options alone = *options;

	alone.backend = READYD_BACKEND_FILE;
	return readyd_query(&alone, pid, answer);
}

static int64_t mark(struct crowd *crowd)
{
	int64_t began = now_ns();

	crowd_write_marker(crowd);
	return began;
}

static int64_t die_with_marker(struct crowd *crowd)
{
	int64_t began = mark(crowd);

	sleeper_kill(crowd->worker.pid);
	crowd->worker.pid = 0;
	return began;
}

static int64_t restart_and_mark(struct crowd *crowd)
{
	crowd_end_daemon(crowd, SIGKILL);
	server_spawn(crowd->bench, SERVER_READYD);
	return mark(crowd);
}

static int64_t end_and_mark(struct crowd *crowd)
{
	crowd_end_daemon(crowd, SIGTERM);
	return mark(crowd);
}

static int64_t kill_and_mark_later(struct crowd *crowd)
{
	crowd_end_daemon(crowd, SIGKILL);
	sleep_us((crowd->bench->pause_ms > 0 ? crowd->bench->pause_ms : LATE_MS) * 1000L);
	return mark(crowd);
}

static int64_t mark_while_frozen(struct crowd *crowd)
{
	int64_t began;

	kill(server_pid(SERVER_READYD), SIGSTOP);
	began = mark(crowd);
	sleep_us(FROZEN_US);
	kill(server_pid(SERVER_READYD), SIGCONT);
	return began;
}

static void kill_worker(struct crowd *crowd)
{
	sleeper_kill(crowd->worker.pid);
	crowd->worker.pid = 0;
}

static void nest_worker(struct crowd *crowd)
{
	kill_worker(crowd);
	crowd->worker = sleeper_start_nested();
	if (crowd->worker.pid == 0)
		return;
	(void)sleeper_marker_path(crowd->bench, 1, crowd->marker);
	crowd->shared->pid = crowd->worker.pid;
	crowd_write_marker(crowd);
}

static const struct moment moments[] = {
    {"marker", await, READY, .happen = mark},
    {"all begin to wait", await, READY, .held = true, .until_armed = true},
    {"all wait for a ready process", await, READY, .held = true, .prepare = crowd_write_marker},
    {"all ask about a ready process", readyd_query, READY, .held = true, .prepare = crowd_write_marker},
    {"all ask about a dead process", readyd_query, DIED, .held = true, .prepare = kill_worker},
    {"worker dies with its marker", await, READY | EXITED, .happen = die_with_marker},
    {"daemon killed and restarted with the marker", await, READY, .happen = restart_and_mark},
    {"daemon ended just before the marker", await, READY, .happen = end_and_mark},
    {"daemon killed 3 s before the marker", await, READY, .happen = kill_and_mark_later},
    {"marker while the daemon is frozen for 0.5 s", await, READY, .happen = mark_while_frozen},
    {"process in a child pid namespace without a daemon", ask_file, READY | COLLIDES, .held = true,
	.max_members = MAX_WALKERS, .prepare = nest_worker},
};

const struct moment *moment_at(int i)
{
	return i < (int)(sizeof(moments) / sizeof(moments[0])) ? &moments[i] : NULL;
}
