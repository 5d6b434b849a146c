#include "config.h"

#include <errno.h>
#include <linux/magic.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>

#include "tests/sim/faults.h"
#include "tests/sim/history.h"
#include "tests/sim/world.h"

#define TICK_NS (10 * NS_PER_MS)
/* The grain of the clock for stamps. */
#define STAMP_NS   (4 * NS_PER_MS)
#define UNCLEAR	   (60 * NS_PER_MS) /* tick and grain, as src/evidence.c has them, and a little more */
#define MARGIN	   (5 * NS_PER_S)
#define BOOTED_NS  (1000 * NS_PER_S)
#define OFFSETS	   8 /* fewer than the product remembers */
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

void world_forget_sights(void)
{
	for (unsigned i = 0; i < 2 * SIM_PIDS; i++)
		world.dirs[i / SIM_PIDS].markers[i % SIM_PIDS].daemon_saw = 0;
}

void world_reset(void)
{
	memset(&world, 0, offsetof(struct world, streams));
	for (unsigned i = 0; i < POOL_STREAMS; i++)
		world.streams[i].used = false;
	world.now = dice_hit(100) ? 1 + dice_below(1000000) : BOOTED_NS + dice_below(10000000);
	world.offset = world.boot_offset = WALL_CLOCK - BOOTED_NS;
	world.nearest_offsets = INT64_MAX;
	world.daemon_sees_hidden = dice_hit(700);
	world.pidfd_tells_uids = dice_hit(700);
	world.pid_count = dice_hit(100) ? SIM_PIDS : 1 + dice_below(4);
	for (unsigned i = 0; i < SIM_PIDS; i++)
		world.holder[i] = SIM_NONE;
	for (unsigned i = 0; i < SIM_PIDS; i++)
		world.hidden[i] = fault(FAULT_HIDDEN);
	world_make_directory();
}

/* What the clock was set from, and when. */
static int64_t offsets[OFFSETS], set_at[OFFSETS];

static int64_t offset_at(int64_t then)
{
	for (unsigned i = world.clock_sets < OFFSETS ? 0 : world.clock_sets - OFFSETS; i < world.clock_sets;
	     i++)
		if (then < set_at[i % OFFSETS])
			return offsets[i % OFFSETS];
	return world.offset;
}

void world_set_clock(int64_t step)
{
	int64_t difference;

	set_at[world.clock_sets % OFFSETS] = world.now;
	offsets[world.clock_sets++ % OFFSETS] = world.offset;
	world.offset += step;
	world.clock_was_set = true;
	for (unsigned i = 0; i < world.clock_sets && i < OFFSETS; i++) {
		difference =
		    world.offset > offsets[i] ? world.offset - offsets[i] : offsets[i] - world.offset;
		if (world.nearest_offsets > difference)
			world.nearest_offsets = difference;
	}
	STORY("the clock is set by %lld s", (long long)(step / NS_PER_S));
	world_observe();
}

void world_note_clock(unsigned sets_missed)
{
	if (world.current->id != SIM_DAEMON)
		return;
	world.clock_sets_noted = world.clock_sets;
	if (sets_missed > 1 || world.clock_sets >= OFFSETS)
		world.clock_is_followed = false;
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

/* A stamp of a finer clock does not fall on a whole second, which would look rounded to it. */
int64_t world_stamp(const struct sim_fs *fs)
{
	int64_t now = world.now + world.offset + fs->skew;

	return fs->grain < NS_PER_S ? now - (now - 1) % fs->grain : now - now % fs->grain;
}

bool world_is_own(const struct life *life, const struct sim_marker *marker)
{
	return marker->state == MARKER_IS_FILE && (marker->uid == 0 || marker->uid == life->uid) &&
	       marker->arrived >= life->born;
}

static void note_due(struct life *life, bool in_place)
{
	life->due_in_place |= in_place;
	if (life->due == 0)
		life->due = world.now;
}

/* Whether it looks younger than the process by another offset than that at its birth: by the one of now,
 * which each observer applies, or that at boot, which is all that is known of the past. */
static bool is_misdated(const struct life *life, const struct sim_marker *marker)
{
	int64_t least = world.offset < world.boot_offset ? world.offset : world.boot_offset;

	return marker->moved && marker->written - least > life->born - world_dir()->fs.unclear;
}

static void observe(struct life *life, const struct sim_marker *marker)
{
	bool own = world_dir()->present && world_is_own(life, marker);

	if (!life->alive || own)
		note_due(life, own && marker->in_place);
	else
		life->due = 0;
	life->marked_late |= world_dir()->present && marker->state == MARKER_IS_FILE && marker->uid != 0 &&
			     marker->uid != life->uid;
	if (life->alive && own && life->witnessed == 0)
		life->witnessed = world.now;
	if (life->alive && world_dir()->present && marker->state == MARKER_IS_FILE)
		life->misled |= is_misdated(life, marker);
	if (life->alive && world_dir()->present && marker->state == MARKER_IS_FILE &&
	    (world.clock_was_set || life->born - marker->arrived < world_dir()->fs.unclear))
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
	    .hidden = world.hidden[pid_index],
	    .alive = true};
	world.holder[pid_index] = world.life_count++;
	STORY("process %d starts (start %llu, uid %u%s)", life->pid, (unsigned long long)life->start, uid,
	    life->hidden ? ", hidden" : "");
	world_observe();
	return world.holder[pid_index];
}

void world_exit(int pid_index)
{
	struct life *life = &world.lives[world.holder[pid_index]];

	life->alive = false;
	life->died = world.now;
	if (life->hidden)
		world.hidden_until[pid_index] = world.now;
	life->status = (int)dice_below(4) << 8;
	world_observe();
	/* Its parent has reaped it. */
	if (dice_hit(512))
		world.holder[pid_index] = SIM_NONE;
	STORY("process %d dies", life->pid);
}

/* Its names have changed. */
static void stamp_directory(void)
{
	world_dir()->changed = world_stamp(&world_dir()->fs);
}

static void post_all(uint32_t mask, pid_t pid)
{
	unsigned serial = world_dir()->serial;

	if (world.silent && pid != 0)
		return;

	for (unsigned i = 0; i < POOL_SMALL; i++) {
		struct inotify *inotify = &world.inotifies[i];

		for (unsigned n = 0; inotify->used && n < inotify->watch_count; n++)
			if (inotify->watches[n].serial == serial && (inotify->watches[n].mask & mask) != 0)
				inotify_post(inotify, inotify->watches[n].wd, mask, pid);
	}
}

void world_write_marker(int pid_index, enum marker_state state, uid_t uid, uint32_t mask)
{
	struct sim_marker *marker = &world_dir()->markers[pid_index];
	int64_t stamp = world_stamp(&world_dir()->fs);

	if (!world_dir()->present)
		return;
	*marker = (struct sim_marker){.state = state,
	    .uid = uid,
	    .ino = mask == 0 ? marker->ino : ++world.inos,
	    .size = dice_hit(900) ? 6 : 0,
	    .stamp = stamp,
	    .modified = stamp,
	    .born = mask == 0 ? marker->born : stamp,
	    .born_sets = mask == 0 ? marker->born_sets : world.clock_sets,
	    .moved = mask == 0 && marker->moved,
	    .linked = mask == 0 && marker->linked,
	    .written = world.now + world.offset,
	    .arrived = world.now,
	    .clock_unsure = world.clock_sets != world.clock_sets_noted,
	    .in_place = mask == 0,
	    .same_stamp = mask == 0 && (stamp == marker->stamp || marker->same_stamp)};
	STORY("marker of %d is written by uid %u%s%s (stamp %lld)", SIM_FIRST_PID + pid_index, uid,
	    state == MARKER_IS_FILE ? "" : " (not a file)", mask == 0 ? " in place" : "", (long long)stamp);
	world_observe();
	if (mask != 0)
		stamp_directory();
	if (mask != 0)
		post_all(mask, SIM_FIRST_PID + pid_index);
	if (mask != IN_MOVED_TO && state == MARKER_IS_FILE)
		post_all(IN_CLOSE_WRITE, SIM_FIRST_PID + pid_index);
}

void world_move_old_file(int pid_index, uid_t uid, int64_t age)
{
	struct sim_marker *marker = &world_dir()->markers[pid_index];
	int64_t stamp = world_stamp(&world_dir()->fs), created = world.now - age;
	int64_t born = stamp - world.offset + offset_at(created) - age;

	*marker = (struct sim_marker){.state = MARKER_IS_FILE,
	    .uid = uid,
	    .ino = ++world.inos,
	    .size = 6,
	    .stamp = stamp,
	    .modified = born,
	    .born = born,
	    .moved = true,
	    .linked = !world_dir()->fs.births || dice_hit(512),
	    .written = created + offset_at(created),
	    .arrived = created};
	STORY("an old file of uid %u is %s to the marker of %d", uid, marker->linked ? "linked" : "renamed",
	    SIM_FIRST_PID + pid_index);
	world_observe();
	stamp_directory();
	post_all(marker->linked ? IN_CREATE : IN_MOVED_TO, SIM_FIRST_PID + pid_index);
}

void world_remove_marker(int pid_index)
{
	world_dir()->markers[pid_index].state = NO_MARKER;
	STORY("marker of %d is removed", SIM_FIRST_PID + pid_index);
	world_observe();
	stamp_directory();
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

/* Of files that were written long before the boot, by programs that nothing is known of. */
static void leave_old_files(struct directory *directory)
{
	for (unsigned i = 0; i < world.pid_count; i++) {
		struct sim_marker *marker = &directory->markers[i];
		int64_t age = (10 + dice_below(3600)) * NS_PER_S;

		if (!fault(FAULT_OLD_FILES))
			continue;
		*marker = (struct sim_marker){.state = MARKER_IS_FILE,
		    .uid = dice_hit(300) ? 0 : 1000,
		    .ino = ++world.inos,
		    .stamp = world_stamp(&directory->fs) - age,
		    .written = world.now + world.offset - age,
		    .arrived = world.now - age,
		    .clock_unsure = world.clock_was_set};
		marker->modified = marker->born = marker->stamp;
		STORY("an old file has the name of the marker of %d (stamp %lld)", SIM_FIRST_PID + (int)i,
		    (long long)marker->stamp);
	}
}

/* Whole seconds without a way to measure that, and with. */
static struct sim_fs coarse_fs(void)
{
	if (dice_hit(512))
		return (struct sim_fs){
		    .type = MSDOS_SUPER_MAGIC, .grain = 2 * NS_PER_S, .unclear = UNCLEAR + 2 * NS_PER_S};
	return (struct sim_fs){
	    .type = EXT4_SUPER_MAGIC, .grain = NS_PER_S, .unnamed = true, .unclear = UNCLEAR + NS_PER_S};
}

static int64_t either_way(int64_t ns)
{
	return dice_hit(512) ? ns : -ns;
}

/* A server's clock within the margin, or any clock where it can be measured. */
static struct sim_fs skewed_fs(void)
{
	if (dice_hit(512))
		return (struct sim_fs){.type = NFS_SUPER_MAGIC,
		    .grain = STAMP_NS,
		    .skew = either_way(dice_below(4900) * NS_PER_MS),
		    .unclear = UNCLEAR + 2 * MARGIN};
	return (struct sim_fs){.type = FUSE_SUPER_MAGIC,
	    .grain = STAMP_NS,
	    .skew = either_way(dice_below(4900) * NS_PER_MS),
	    .unnamed = true,
	    .unclear = UNCLEAR + 2 * MARGIN};
}

static struct sim_fs fs_by_clock(void)
{
	if (fault(FAULT_COARSE_STAMPS))
		return coarse_fs();
	if (fault(FAULT_SKEWED_STAMPS))
		return skewed_fs();
	return (struct sim_fs){.type = TMPFS_MAGIC, .grain = STAMP_NS, .unnamed = true, .unclear = UNCLEAR};
}

static struct sim_fs any_fs(void)
{
	struct sim_fs fs = fs_by_clock();

	fs.births = dice_hit(700);
	return fs;
}

static void fresh_directory(struct directory *directory)
{
	memset(directory, 0, sizeof(*directory));
	directory->present = true;
	directory->serial = ++world.serials;
	directory->ino = ++world.inos;
	directory->fs = any_fs();
	directory->changed = world_stamp(&directory->fs);
	leave_old_files(directory);
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
