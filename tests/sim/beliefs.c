#include "config.h"

#include "daemon/registry.h"
#include "src/clock.h"
#include "tests/sim/beliefs.h"
#include "tests/sim/history.h"
#include "tests/sim/world.h"

/* The life that an entry is about. */
static const struct life *life_of(const struct registry_entry *entry)
{
	const struct life *life = world_life_of(entry->process.pid);

	return life != NULL && entry->process.start_known && entry->process.start == life->start ? life
												 : NULL;
}

/* The path has led to the same directory since before the process was started. */
static bool is_settled(const struct life *life)
{
	return world_dir()->present && world.moved_at < life->born && world.no_directory_at < life->born;
}

/* It knows by which offset of the clock the file was stamped. That of another machine's clock is not known.
 */
static bool is_dated(const struct sim_marker *marker)
{
	return world.clock_is_followed && !marker->clock_unsure && !marker->moved &&
	       world_dir()->fs.skew == 0;
}

/* By the clock that the file was stamped with, which is the only one that fits. */
static bool was_written_before(const struct life *life, const struct sim_marker *marker)
{
	int64_t unclear = world_dir()->fs.unclear;

	return is_dated(marker) && life->born - marker->arrived > unclear &&
	       world.now - marker->arrived + 2 * unclear < world.nearest_offsets;
}

/* Two lives of one tick are one process to it. */
static bool is_certainly_own(const struct life *life, const struct sim_marker *marker)
{
	return world_is_own(life, marker) && is_dated(marker) && !marker->same_stamp &&
	       !history_is_soon_after_another(life);
}

static bool is_file(const struct marker_stat *seen, const struct sim_marker *marker)
{
	return seen->kind == MARKER_FILE && seen->ino == marker->ino &&
	       clock_to_ns(&seen->ctime) == marker->stamp;
}

static void check_entry(
    const struct history *history, const struct life *life, const struct sim_marker *marker)
{
	if (history->latched && history_was_seen_before(life))
		fail("the daemon has forgotten that it saw the file of %d before", life->pid);
	if (history->latched && was_written_before(life, marker))
		fail("the daemon believes that a leftover is the marker of %d", life->pid);
	if (history->has_leftover && is_file(&history->leftover, marker) && is_certainly_own(life, marker))
		fail("the daemon believes that the marker of %d is a leftover", life->pid);
}

void beliefs_check(const struct registry *registry)
{
	for (unsigned i = 0; i < world.pid_count; i++) {
		const struct sim_marker *marker = &world_dir()->markers[i];
		const struct registry_entry *entry;
		const struct life *life;

		if (marker->state != MARKER_IS_FILE)
			continue;
		entry = registry_find(registry, SIM_FIRST_PID + (pid_t)i);
		life = entry == NULL ? NULL : life_of(entry);
		if (life != NULL && is_settled(life))
			check_entry(&entry->history, life, marker);
	}
}
