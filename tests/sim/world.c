#include "config.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>

#include "tests/sim/faults.h"
#include "tests/sim/history.h"
#include "tests/sim/world.h"

#define TICK_NS (10 * NS_PER_MS)
/* The grain of the clock for stamps, which do not fall on whole seconds: these would look rounded to them. */
#define STAMP_NS   (4 * NS_PER_MS)
#define UNCERTAIN  (60 * NS_PER_MS) /* tick and grain, as src/evaluate.c has them, and a little more */
#define BOOTED_NS  (1000 * NS_PER_S)
#define WALL_CLOCK (1700000000 * NS_PER_S)

struct world world;
uint64_t dice_state;

/* xorshift64*: fast, and random enough. */
uint64_t dice(void)
{
	dice_state ^= dice_state >> 12;
	dice_state ^= dice_state << 25;
	dice_state ^= dice_state >> 27;
	return dice_state * 0x2545F4914F6CDD1DULL;
}

unsigned dice_below(unsigned limit)
{
	return (unsigned)((dice() >> 32) * limit >> 32);
}

bool dice_hit(unsigned of_1024)
{
	return of_1024 > 0 && dice_below(1024) < of_1024;
}

void world_reset(void)
{
	memset(&world, 0, offsetof(struct world, streams));
	for (unsigned i = 0; i < POOL_STREAMS; i++)
		world.streams[i].used = false;
	world.now = BOOTED_NS + dice_below(10000000);
	world.offset = world.boot_offset = WALL_CLOCK - BOOTED_NS;
	for (unsigned i = 0; i < SIM_PIDS; i++)
		world.holder[i] = SIM_NONE;
	world_make_directory();
}

int world_pid_index(pid_t pid)
{
	int index = pid - SIM_FIRST_PID;

	return index >= 0 && index < SIM_PIDS ? index : SIM_NONE;
}

struct life *world_life_of(pid_t pid)
{
	int index = world_pid_index(pid);

	return index == SIM_NONE || world.holder[index] == SIM_NONE ? NULL
								    : &world.lives[world.holder[index]];
}

bool world_is_own(const struct life *life, const struct sim_marker *marker)
{
	return marker->state == MARKER_IS_FILE && (marker->uid == 0 || marker->uid == life->uid) &&
	       marker->arrived >= life->born;
}

static void observe(struct life *life, const struct sim_marker *marker)
{
	bool own = world_dir()->present && world_is_own(life, marker);

	if (!life->alive || own)
		life->due = life->due != 0 ? life->due : world.now;
	else
		life->due = 0;
	life->marked_late |= world_dir()->present && marker->state == MARKER_IS_FILE && marker->uid != 0 &&
			     marker->uid != life->uid;
	if (life->alive && own && life->witnessed == 0)
		life->witnessed = world.now;
	if (life->alive && world_dir()->present && marker->state == MARKER_IS_FILE &&
	    (world.clock_was_set || life->born - marker->arrived < UNCERTAIN))
		life->uncertain |= marker->uid == 0 || marker->uid == life->uid;
}

static void observe_the_dead(pid_t pid)
{
	for (int i = 0; i < world.life_count; i++)
		world.lives[i].marked_late |= world.lives[i].pid == pid && !world.lives[i].alive;
}

void world_observe(void)
{
	for (unsigned i = 0; i < world.pid_count; i++) {
		if (world.holder[i] != SIM_NONE)
			observe(&world.lives[world.holder[i]], &world_dir()->markers[i]);
		if (world_dir()->present && world_dir()->markers[i].state == MARKER_IS_FILE)
			observe_the_dead(SIM_FIRST_PID + (pid_t)i);
	}
}

int world_spawn(int pid_index, uid_t uid)
{
	struct life *life = &world.lives[world.life_count];

	if (world.life_count == SIM_LIVES)
		return SIM_NONE;
	world.now += 1000;
	*life = (struct life){.pid = SIM_FIRST_PID + pid_index,
	    .uid = uid,
	    .start = (uint64_t)(world.now / TICK_NS),
	    .born = world.now,
	    .alive = true};
	world.holder[pid_index] = world.life_count++;
	STORY("process %d starts (start %llu, uid %u)", life->pid, (unsigned long long)life->start, uid);
	world_observe();
	return world.holder[pid_index];
}

void world_exit(int pid_index)
{
	struct life *life = &world.lives[world.holder[pid_index]];

	life->alive = false;
	life->died = world.now;
	life->status = (int)dice_below(4) << 8;
	world_observe();
	/* Its parent has reaped it. */
	if (dice_hit(512))
		world.holder[pid_index] = SIM_NONE;
	STORY("process %d dies", life->pid);
}

static void post_all(uint32_t mask, pid_t pid)
{
	unsigned serial = world_dir()->serial;

	for (unsigned i = 0; i < POOL_SMALL; i++) {
		struct inotify *inotify = &world.inotifies[i];

		for (unsigned n = 0; inotify->used && n < inotify->watch_count; n++)
			if (inotify->watches[n].serial == serial)
				inotify_post(inotify, inotify->watches[n].wd, mask, pid);
	}
}

void world_write_marker(int pid_index, enum marker_state state, uid_t uid, uint32_t mask)
{
	struct sim_marker *marker = &world_dir()->markers[pid_index];
	int64_t stamp = world.now + world.offset;

	if (!world_dir()->present)
		return;
	*marker = (struct sim_marker){.state = state,
	    .uid = uid,
	    .ino = mask == 0 ? marker->ino : ++world.inos,
	    .size = dice_hit(900) ? 6 : 0,
	    .stamp = stamp - (stamp - 1) % STAMP_NS,
	    .arrived = world.now,
	    .in_place = mask == 0};
	STORY("marker of %d is written by uid %u%s%s", SIM_FIRST_PID + pid_index, uid,
	    state == MARKER_IS_FILE ? "" : " (not a file)", mask == 0 ? " in place" : "");
	world_observe();
	if (mask != 0)
		post_all(mask, SIM_FIRST_PID + pid_index);
}

void world_remove_marker(int pid_index)
{
	world_dir()->markers[pid_index].state = NO_MARKER;
	STORY("marker of %d is removed", SIM_FIRST_PID + pid_index);
	world_observe();
	post_all(IN_DELETE, SIM_FIRST_PID + pid_index);
}

static void drop_watches(void)
{
	unsigned serial = world_dir()->serial;

	post_all(IN_IGNORED, 0);
	for (unsigned i = 0; i < POOL_SMALL; i++) {
		struct inotify *inotify = &world.inotifies[i];

		for (unsigned n = 0; inotify->used && n < inotify->watch_count;)
			if (inotify->watches[n].serial == serial)
				inotify->watches[n] = inotify->watches[--inotify->watch_count];
			else
				n++;
	}
}

/* The mount table has changed. */
static void tell_mounts(void)
{
	for (unsigned i = 0; i < POOL_SMALL; i++)
		if (world.mounts[i].used && !fault(FAULT_MOUNT_UNSEEN))
			world.mounts[i].edge = true;
}

static void fresh_directory(struct directory *directory)
{
	memset(directory, 0, sizeof(*directory));
	directory->present = true;
	directory->serial = ++world.serials;
	directory->ino = ++world.inos;
}

void world_mount_over(void)
{
	if (world.top == 1)
		return;
	if (!world_dir()->present)
		return;
	world.top = 1;
	world.moved_at = world.now;
	fresh_directory(world_dir());
	STORY("an empty file system is mounted over the directory");
	tell_mounts();
	world_observe();
}

void world_unmount(void)
{
	if (world.top == 0)
		return;
	STORY("the file system over the directory is unmounted");
	post_all(IN_UNMOUNT, 0);
	drop_watches();
	world.top = 0;
	world.moved_at = world.now;
	if (!world_dir()->present)
		world.no_directory_at = INT64_MAX;
	tell_mounts();
	world_observe();
}

void world_remove_directory(bool renamed)
{
	if (!world_dir()->present)
		return;
	STORY("the directory is %s", renamed ? "renamed" : "removed");
	post_all(renamed ? IN_MOVE_SELF : IN_DELETE_SELF, 0);
	if (!renamed)
		drop_watches();
	world_dir()->present = false;
	world.moved_at = world.now;
	world.no_directory_at = INT64_MAX;
	world_observe();
}

void world_make_directory(void)
{
	if (world_dir()->present)
		return;
	world.no_directory_at = world.now;
	fresh_directory(world_dir());
	STORY("the directory is made");
	world_observe();
}

void world_make_noise(void)
{
	for (unsigned i = 0; i < INOTIFY_EVENTS; i++)
		post_all(IN_CREATE, SIM_FIRST_PID + SIM_PIDS + (pid_t)i);
}
