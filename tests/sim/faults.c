#include "config.h"

#include <string.h>
#include <sys/inotify.h>

#include "tests/sim/actors.h"
#include "tests/sim/faults.h"
#include "tests/sim/history.h"
#include "tests/sim/schedule.h"
#include "tests/sim/world.h"

#define WORKER_UID  1000
#define FOREIGN_UID 1001

struct faults faults;

/* The highest odds of each fault, of 1024 each time that it can occur. */
static const struct {
	const char *name;
	unsigned odds;
} kinds[FAULT_KINDS] = {
    [FAULT_HINT_LOST] = {"hint-lost", 300},
    [FAULT_HINT_LATE] = {"hint-late", 300},
    [FAULT_HINT_DOUBLED] = {"hint-doubled", 300},
    [FAULT_HINT_SPURIOUS] = {"hint-spurious", 150},
    [FAULT_OVERFLOW] = {"overflow", 1024},
    [FAULT_MOUNT_UNSEEN] = {"mount-unseen", 500},
    [FAULT_DAEMON_KILLED] = {"daemon-killed", 60},
    [FAULT_DAEMON_STOPPED] = {"daemon-stopped", 60},
    [FAULT_DAEMON_FROZEN] = {"daemon-frozen", 150},
    [FAULT_CUT] = {"connection-cut", 100},
    [FAULT_FRAGMENT] = {"fragment", 400},
    [FAULT_FD_REFUSED] = {"descriptor-refused", 60},
    [FAULT_FOREIGN_MARKER] = {"foreign-marker", 80},
    [FAULT_NOT_A_FILE] = {"not-a-file", 100},
    [FAULT_MARKER_REMOVED] = {"marker-removed", 400},
    [FAULT_MARKER_REPLACED] = {"marker-replaced", 300},
    [FAULT_DIED] = {"died", 200},
    [FAULT_PID_REUSED] = {"pid-reused", 900},
    [FAULT_DIRECTORY] = {"directory-replaced", 120},
    [FAULT_CLOCK_SET] = {"clock-set", 60},
    [FAULT_HIDDEN] = {"hidden-process", 600},
    [FAULT_COARSE_STAMPS] = {"coarse-stamps", 1024},
    [FAULT_SKEWED_STAMPS] = {"skewed-stamps", 1024},
    [FAULT_OLD_FILES] = {"old-files", 700},
    [FAULT_OLD_FILE_MOVED] = {"old-file-moved", 150},
    [FAULT_REWRITTEN] = {"marker-rewritten", 300},
    [FAULT_SILENT] = {"silent-marker", 1024},
};

const char *fault_name(enum fault fault)
{
	return kinds[fault].name;
}

/* Each schedule has about a third of the faults, so that one does not hide another. */
void faults_choose(void)
{
	unsigned share = 100 + dice_below(500);

	for (int i = 0; i < FAULT_KINDS; i++)
		faults.odds[i] = dice_hit(share) ? 1 + dice_below(kinds[i].odds) : 0;
	faults.queue_limit = faults.odds[FAULT_OVERFLOW] > 0 ? 1 + dice_below(4) : INOTIFY_EVENTS;
	faults.until_move = 20;
	faults.calm = false;
}

void faults_end(void)
{
	faults.calm = true;
	for (int i = 0; i < POOL_SMALL; i++)
		for (unsigned n = 0; n < world.inotifies[i].len; n++)
			world.inotifies[i].queue[n].at = world.now;
}

bool fault(enum fault fault)
{
	if (faults.calm || faults.odds[fault] == 0 || !dice_hit(faults.odds[fault]))
		return false;
	faults.counts[fault]++;
	return true;
}

static uint32_t way_of_writing(void)
{
	return dice_hit(512) ? IN_CREATE : IN_MOVED_TO;
}

/* Of a file that was created before the process. */
static int64_t old_age(const struct life *life)
{
	return world.now - life->born + world_dir()->fs.unclear + (1 + dice_below(3600)) * NS_PER_S;
}

/* The process writes its marker, or something else changes the file. */
static void move_unmarked(int i, const struct life *life)
{
	if (fault(FAULT_FOREIGN_MARKER)) {
		world_write_marker(i, MARKER_IS_FILE, FOREIGN_UID, way_of_writing());
	} else if (fault(FAULT_NOT_A_FILE)) {
		world_write_marker(i, MARKER_IS_OTHER, life->uid, IN_CREATE);
	} else if (fault(FAULT_DIED)) {
		world_exit(i);
	} else if (world_dir()->present && fault(FAULT_OLD_FILE_MOVED)) {
		world_move_old_file(i, dice_hit(200) ? 0 : life->uid, old_age(life));
	} else if (dice_hit(250)) {
		world_write_marker(i, MARKER_IS_FILE, dice_hit(50) ? 0 : life->uid, way_of_writing());
		if (fault(FAULT_DIED))
			world_exit(i);
	}
}

/* A process that writes into a file which was moved there makes no new marker. */
static bool is_rewritable(int i)
{
	const struct sim_marker *marker = &world_dir()->markers[i];

	return marker->state == MARKER_IS_FILE && !marker->moved;
}

static void move_marked(int i, const struct life *life)
{
	if (fault(FAULT_MARKER_REMOVED))
		world_remove_marker(i);
	else if (world_dir()->markers[i].uid == life->uid && is_rewritable(i) && fault(FAULT_REWRITTEN))
		world_write_marker(i, MARKER_IS_FILE, life->uid, 0);
	else if (fault(FAULT_MARKER_REPLACED))
		world_write_marker(i, MARKER_IS_FILE, fault(FAULT_FOREIGN_MARKER) ? FOREIGN_UID : life->uid,
		    way_of_writing());
	else if (fault(FAULT_DIED))
		world_exit(i);
}

static void move_process(void)
{
	int i = (int)dice_below(world.pid_count);
	struct life *life = world_life_of(SIM_FIRST_PID + i);

	if (life != NULL && life->alive) {
		if (world_dir()->present && world_dir()->markers[i].state != NO_MARKER)
			move_marked(i, life);
		else
			move_unmarked(i, life);
	} else if (fault(FAULT_PID_REUSED)) {
		world_spawn(i, dice_hit(800) ? WORKER_UID : FOREIGN_UID);
	} else if (world_dir()->markers[i].state != NO_MARKER && fault(FAULT_MARKER_REMOVED)) {
		world_remove_marker(i);
	}
}

static void move_directory(void)
{
	if (!world_dir()->present) {
		world_make_directory();
		return;
	}
	switch (dice_below(4)) {
	case 0:
		world_mount_over();
		return;
	case 1:
		world_unmount();
		return;
	case 2:
		world_remove_directory(dice_hit(512));
		return;
	default:
		world_remove_directory(dice_hit(512));
		world_make_directory();
	}
}

static void set_clock(void)
{
	int64_t step = (1 + dice_below(3600)) * NS_PER_S;

	world_set_clock(dice_hit(512) ? step : -step);
}

void faults_move(void)
{
	if (fault(FAULT_DIRECTORY))
		move_directory();
	else if (fault(FAULT_CLOCK_SET))
		set_clock();
	else if (dice_hit(50) && fault(FAULT_DAEMON_KILLED))
		daemon_kill();
	else
		move_process();
}

void faults_tick(void)
{
	world.now += 200 + dice_below(20000);
	if (faults.calm)
		schedule_tick();
	if (faults.calm || --faults.until_move > 0)
		return;
	faults.until_move = 1 + (int)dice_below(120);
	faults_move();
}
