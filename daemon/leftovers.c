#include "config.h"

#include "daemon/leftovers.h"
#include "daemon/ns_index.h"
#include "src/clock.h"
#include "src/dirwatch.h"

/* Leftovers that are remembered. */
#define LEFTOVERS 4096

void leftovers_init(struct leftovers *leftovers, const struct marker_place *place, struct dirwatch *dirs,
    struct ns_index *namespaces)
{
	*leftovers = (struct leftovers){.place = place, .dirs = dirs, .namespaces = namespaces};
	sightings_init(&leftovers->sightings, LEFTOVERS);
}

void leftovers_fini(struct leftovers *leftovers)
{
	sightings_fini(&leftovers->sightings);
}

void leftovers_look(struct leftovers *leftovers, pid_t ns_pid, struct sighting *seen)
{
	*seen = (struct sighting){.ns_pid = ns_pid, .position = dirwatch_position(leftovers->dirs)};
	marker_stat(leftovers->place, ns_pid, &seen->marker);
	seen->seen = clock_now_ns(CLOCK_BOOTTIME);
}

void leftovers_note(struct leftovers *leftovers, const struct sighting *seen)
{
	sightings_note(&leftovers->sightings, seen);
}

/* Whether another process may have the number of p, by now if that has ended. */
static bool has_namesake(struct leftovers *leftovers, const struct process *p, const struct marker_stat *seen)
{
	pid_t pids[2] = {p->pid, p->pid};
	size_t count = ns_index_list(leftovers->namespaces, p->ns_pid, seen, pids, 2);

	if (!process_keeps_pid(p) && process_exists(p->pid))
		return true;
	return count > 2 || pids[0] != p->pid || pids[1] != p->pid ||
	       (process_in_child_ns(p) && process_exists(p->ns_pid));
}

bool leftovers_note_of(struct leftovers *leftovers, const struct process *p, const struct history *history,
    struct marker_stat *marker)
{
	struct sighting seen;

	marker->kind = MARKER_ABSENT;
	if (history->in_other_dir)
		return false;
	leftovers_look(leftovers, p->ns_pid, &seen);
	*marker = seen.marker;
	seen.alone = !has_namesake(leftovers, p, marker);
	leftovers_note(leftovers, &seen);
	return seen.alone && marker->kind == MARKER_FILE;
}

bool leftovers_note_ready(struct leftovers *leftovers, const struct process *p, const struct history *history)
{
	struct marker_stat marker;

	return history->latched && p->fd >= 0 && leftovers_note_of(leftovers, p, history, &marker);
}

void leftovers_recall(struct leftovers *leftovers, const struct process *process, struct history *history)
{
	const struct marker_stat *leftover = sightings_leftover(&leftovers->sightings, process);

	*history = (struct history){0};
	if (leftover == NULL)
		return;
	history->has_leftover = true;
	history->leftover = *leftover;
}

bool leftovers_rewritten(struct leftovers *leftovers, pid_t ns_pid, uint64_t position)
{
	return sightings_rewritten(&leftovers->sightings, ns_pid, position);
}

bool leftovers_is_later(const struct leftovers *leftovers, pid_t ns_pid, uint64_t position)
{
	return sightings_is_later(&leftovers->sightings, ns_pid, position);
}

bool leftovers_are_full(const struct leftovers *leftovers)
{
	return sightings_count(&leftovers->sightings) >= LEFTOVERS;
}
