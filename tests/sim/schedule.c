#include "config.h"

#include <stdlib.h>
#include <sys/inotify.h>

#include "tests/sim/actors.h"
#include "tests/sim/faults.h"
#include "tests/sim/history.h"
#include "tests/sim/kernel.h"
#include "tests/sim/schedule.h"
#include "tests/sim/world.h"

/* So many steps in one second mean an endless loop. */
#define SPIN_STEPS 2000
/* Within this time after the faults, each process becomes ready or ends. */
#define CALM_SHORT_MS 8000
#define CALM_LONG_MS  100000
/* By then each waiter sleeps, and from then on an event wakes it at once. */
#define SETTLED_MS 4000
#define PROMPT_MS  10
/* And the daemon's tick finds what no event tells. */
#define TICK_BOUND_MS 300
#define AGAIN_MS      1250
/* The time that a few clients need to begin a wait. */
#define LATE_NS 300000

/* The latest time for the answer of each waiter. */
static const struct {
	const char *name;
	int64_t bound_ms;
} modes[CALM_MODES] = {
    [CALM_SERVED] = {"served", 1600}, [CALM_ALONE] = {"alone", 1600}, [CALM_FROZEN] = {"frozen", 77000}};

static int64_t results[SIM_PIDS]; /* when the process writes its marker or dies; 0: it has done so */
static int64_t next_result, last_result;
static int64_t calm_since;	 /* when the faults ended */
static bool must_mark[SIM_PIDS]; /* it would otherwise end unseen by a waiter that waits for its start */
static int64_t late_at;		 /* when the clients add processes at the end; 0: they do not */

const char *calm_mode_name(int mode)
{
	return modes[mode].name;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t next_ns(void)
{
	int64_t next = daemon_next_ns();

	for (int i = 0; i < SIM_CLIENTS; i++)
		next = earlier(next, client_next_ns(i));
	return next;
}

static void pass_time(void)
{
	int64_t left = next_ns() - world.now;

	if (dice_hit(512)) {
		world.now += dice_below(3000000);
		return;
	}
	left = earlier(left, 2 * NS_PER_S);
	if (left > 0)
		world.now += dice_hit(512) ? left : (int64_t)(dice() % (uint64_t)left);
}

static void cut_a_connection(void)
{
	struct stream *stream = &world.streams[dice_below(POOL_STREAMS / 8)];
	unsigned left[2];

	if (!stream->used || stream->cut)
		return;
	for (int i = 0; i < 2; i++)
		left[i] = dice_below(stream->flow[i].len + 1);
	STORY("the connection of client %d is cut", stream->client);
	stream_cut(stream, left);
}

static void post_a_lie(void)
{
	struct inotify *inotify = &world.inotifies[dice_below(4)];

	if (inotify->used)
		inotify_post(inotify, (int)dice_below(4), dice_hit(800) ? IN_DELETE : IN_DELETE_SELF,
		    SIM_FIRST_PID + (pid_t)dice_below(world.pid_count));
}

/* The faults between two steps of the actors. */
static void disturb(void)
{
	if (fault(FAULT_CUT))
		cut_a_connection();
	if (fault(FAULT_HINT_SPURIOUS))
		post_a_lie();
	if (fault(FAULT_DAEMON_KILLED))
		daemon_kill();
	if (fault(FAULT_DAEMON_STOPPED))
		daemon_stop();
	if (daemon_is_frozen() ? dice_hit(200) : fault(FAULT_DAEMON_FROZEN))
		daemon_freeze(!daemon_is_frozen());
	if (!daemon_lives() && dice_hit(300))
		daemon_start();
}

static void step(void)
{
	int client = (int)dice_below(SIM_CLIENTS);
	unsigned what = dice_below(16);

	figures.steps++;
	if (what < 6) {
		if (client_is_runnable(client) || fault(FAULT_HINT_SPURIOUS))
			client_step(client);
	} else if (what < 10) {
		if (daemon_is_runnable())
			daemon_step();
	} else if (what < 12) {
		faults_move();
	} else if (what < 13) {
		disturb();
	} else if (what < 14 && dice_hit(100)) {
		client_change(client);
	} else {
		pass_time();
	}
}

static void start(void)
{
	faults_choose();
	world_reset();
	for (unsigned i = 0; i < world.pid_count; i++)
		if (dice_hit(900))
			world_spawn((int)i, 1000);
	clients_start();
	if (dice_hit(850))
		daemon_start();
}

/* Not at once: a start raises no event, so a process that ends within a tick of it may be missed. */
static int64_t result_in(unsigned longest_ms)
{
	return world.now + (100 + dice_below(longest_ms)) * NS_PER_MS;
}

/* Its own marker exists, and every waiter can see that it is its own. */
static bool is_marked(const struct life *life, int i)
{
	const struct sim_marker *marker = &world_dir()->markers[i];

	return world_is_own(life, marker) && !marker->same_stamp &&
	       (marker->arrived > calm_since || !history_may_look_stale(life));
}

/* A process cannot rewrite the file of another user. One that is old, or from before the clock was set, may
 * have been moved to the name. */
static uint32_t way_of_writing(const struct life *life, int i)
{
	const struct sim_marker *marker = &world_dir()->markers[i];
	bool can_rewrite = marker->state == MARKER_IS_FILE && marker->uid == life->uid && !marker->moved &&
			   marker->born_sets == world.clock_sets;

	return can_rewrite && dice_hit(512) ? 0 : IN_CREATE;
}

/* The process becomes ready or ends. */
static void finish(int i)
{
	struct life *life = world_life_of(SIM_FIRST_PID + i);

	results[i] = 0;
	last_result = world.now;
	if (life == NULL || !life->alive) {
		world_spawn(i, 1000);
		results[i] = result_in(1000);
		return;
	}
	if (is_marked(life, i))
		return;
	/* Sometimes it does both at once. */
	if (faults.odds[FAULT_OVERFLOW] > 0)
		world_make_noise();
	world.silent = dice_hit(faults.odds[FAULT_SILENT] / 2);
	faults.counts[FAULT_SILENT] += world.silent;
	if (must_mark[i] || dice_hit(800))
		world_write_marker(i, MARKER_IS_FILE, life->uid, way_of_writing(life, i));
	world.silent = false;
	if (!must_mark[i] && dice_hit(400))
		world_exit(i);
	else if (!is_marked(life, i))
		results[i] = result_in(1000);
}

void schedule_tick(void)
{
	if (world.now < next_result)
		return;
	for (unsigned i = 0; i < world.pid_count; i++)
		if (results[i] != 0 && results[i] <= world.now)
			finish((int)i);
	next_result = INT64_MAX;
	for (unsigned i = 0; i < world.pid_count; i++)
		if (results[i] != 0)
			next_result = earlier(next_result, results[i]);
}

/* A process without a marker, which becomes ready or ends while clients begin to wait for it. */
static void start_afresh(int i)
{
	struct life *life = world_life_of(SIM_FIRST_PID + i);

	if (life != NULL && life->alive)
		world_exit(i);
	if (world_dir()->markers[i].state != NO_MARKER)
		world_remove_marker(i);
	world_spawn(i, 1000);
	must_mark[i] = clients_await_start();
	results[i] = world.now + dice_below(LATE_NS);
	next_result = earlier(next_result, results[i]);
}

static void add_late(void)
{
	int i = (int)dice_below(world.pid_count);

	if (late_at == 0 || late_at > world.now)
		return;
	late_at = 0;
	start_afresh(i);
	for (int client = 0; client < SIM_CLIENTS; client++)
		if (dice_hit(512))
			client_add(client, SIM_FIRST_PID + i);
}

static bool run_someone(void)
{
	bool ran = false;

	for (int i = 0; i < SIM_CLIENTS; i++)
		if (client_is_runnable(i)) {
			client_step(i);
			ran = true;
		}
	if (daemon_is_runnable()) {
		daemon_step();
		ran = true;
	}
	return ran;
}

static enum calm_mode calm_down(void)
{
	enum calm_mode mode = (enum calm_mode)dice_below(CALM_MODES);
	unsigned longest = dice_hit(60) ? CALM_LONG_MS : CALM_SHORT_MS;

	faults_end();
	world_make_directory();
	for (unsigned i = 0; i < world.pid_count; i++) {
		results[i] = result_in(longest);
		must_mark[i] = false;
	}
	next_result = 0;
	last_result = calm_since = world.now;
	late_at = dice_hit(512) ? world.now + 2 * SETTLED_MS * NS_PER_MS : 0;
	if (!daemon_lives() && mode != CALM_ALONE)
		daemon_start();
	if (mode == CALM_ALONE)
		daemon_kill();
	daemon_freeze(mode == CALM_FROZEN);
	STORY("the faults have ended; the daemon is %s", modes[mode].name);
	return mode;
}

/* Events are lost without a descriptor, and by a watch on a removed directory if the removal was not seen. */
static bool events_tell(void)
{
	return faults.odds[FAULT_FD_REFUSED] == 0 && faults.odds[FAULT_SILENT] == 0 &&
	       (faults.odds[FAULT_DIRECTORY] == 0 ||
		   (faults.odds[FAULT_HINT_LOST] == 0 && faults.odds[FAULT_MOUNT_UNSEEN] == 0));
}

/* A check without descriptors is repeated with the next one. */
static int64_t bound_ms(enum calm_mode mode)
{
	return modes[mode].bound_ms + (faults.odds[FAULT_FD_REFUSED] > 0 ? AGAIN_MS : 0);
}

static void note_latest(enum calm_mode mode, int64_t since)
{
	pid_t late = 0, prompted = 0;
	int64_t latest = clients_latest_ns(since, 0, &late);
	int64_t prompt = clients_latest_ns(since, since + SETTLED_MS * NS_PER_MS, &prompted);

	if (figures.latest_ms[mode] < latest / NS_PER_MS)
		figures.latest_ms[mode] = latest / NS_PER_MS;
	if (latest > bound_ms(mode) * NS_PER_MS)
		fail("a waiter is not told of %d %lld ms after it could have been (%s)", late,
		    (long long)(latest / NS_PER_MS), modes[mode].name);
	if (mode == CALM_SERVED && faults.odds[FAULT_FD_REFUSED] == 0) {
		if (figures.tick_ms < prompt / NS_PER_MS)
			figures.tick_ms = prompt / NS_PER_MS;
		if (prompt > TICK_BOUND_MS * NS_PER_MS)
			fail("a tick tells a waiter of %d only after %lld ms", prompted,
			    (long long)(prompt / NS_PER_MS));
	}
	if (mode == CALM_FROZEN || !events_tell())
		return;
	if (figures.prompt_ms < prompt / NS_PER_MS)
		figures.prompt_ms = prompt / NS_PER_MS;
	if (prompt > PROMPT_MS * NS_PER_MS)
		fail("an event tells a waiter of %d only after %lld ms (%s)", prompted,
		    (long long)(prompt / NS_PER_MS), modes[mode].name);
}

static void check_spin(const char *what)
{
	static int64_t since;
	static unsigned steps;

	if (world.now - since > NS_PER_S || world.now < since) {
		since = world.now;
		steps = 0;
	}
	if (++steps > SPIN_STEPS)
		fail("%s", what);
}

static void await_answers(enum calm_mode mode)
{
	int64_t since = world.now, next;

	while ((clients_wait() || late_at != 0) && failure == NULL) {
		figures.steps++;
		check_spin("the programs spin");
		schedule_tick();
		add_late();
		note_latest(mode, since);
		if (clients_wait() && next_result == INT64_MAX &&
		    world.now - last_result > (bound_ms(mode) + 1000) * NS_PER_MS)
			fail("a waiter has missed its process");
		if (run_someone())
			continue;
		next = earlier(next_ns(), next_result);
		if (late_at != 0)
			next = earlier(next, late_at);
		if (next == INT64_MAX)
			fail("a waiter sleeps forever");
		else if (next > world.now)
			world.now = next;
	}
}

/* Everything has ended: gives the daemon time to notice. */
static void leave_nothing(void)
{
	int64_t end = world.now + 10 * NS_PER_S;

	next_result = INT64_MAX;
	clients_end();
	for (unsigned i = 0; i < world.pid_count; i++)
		if (world.holder[i] != SIM_NONE && world.lives[world.holder[i]].alive)
			world_exit((int)i);
	daemon_freeze(false);
	while (world.now < end && failure == NULL) {
		check_spin("the daemon spins");
		if (!daemon_is_runnable())
			world.now = earlier(end, daemon_next_ns());
		daemon_step();
	}
	daemon_check_leaks();
}

void schedule_run(uint64_t seed)
{
	unsigned steps;

	failure = NULL;
	dice_state = (seed + 1) * 0x9E3779B97F4A7C15ULL;
	start();
	steps = 40 + dice_below(200);
	for (unsigned i = 0; i < steps && failure == NULL; i++)
		step();
	await_answers(calm_down());
	leave_nothing();
	daemon_end();
	figures.schedules++;
}
