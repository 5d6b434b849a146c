#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "fleet/memory.h"
#include "fleet/view.h"

struct view_node *view_find(const struct view *view, const char *node)
{
	struct view_node *found;

	HASH_FIND_STR(view->nodes, node, found);
	return found;
}

static struct view_node *find_or_add(struct view *view, const char *name)
{
	struct view_node *node = view_find(view, name);

	if (node != NULL || view->node_count >= VIEW_NODES_MAX)
		return node;
	node = memory_new(sizeof(*node));
	memcpy(node->name, name, strlen(name) + 1);
	HASH_ADD_STR(view->nodes, name, node);
	view->node_count++;
	return node;
}

/* A retained message counts from the time that it states, if that is near: by then the node lived. */
static void note_life(struct view_node *node, const struct view_moment *moment)
{
	int64_t age = moment->real_ms - node->status.time_ms;

	if (!moment->retained)
		age = 0;
	else if (age < 0)
		age = -age;
	if (age >= VIEW_SILENCE_MS)
		return;
	if (!node->is_alive || moment->ms - age > node->heard_at)
		node->heard_at = moment->ms - age;
	node->is_alive = true;
}

static bool recalls(
    const struct view_node *node, const struct payload_status *status, const struct view_moment *moment)
{
	return node->has_status && (node->status.state != PAYLOAD_OFFLINE || node->is_recalled) &&
	       status->state == PAYLOAD_OFFLINE && moment->retained;
}

enum view_change view_put_status(struct view *view, const char *name, const struct payload_status *status,
    const struct view_moment *moment)
{
	struct view_node *node = find_or_add(view, name);
	bool same;

	if (node == NULL)
		return VIEW_FULL;
	same = node->has_status && node->status.state == status->state && node->status.epoch == status->epoch;
	if (!node->has_status || !node->is_fresh) {
		node->met_at = moment->ms;
		node->is_recalled = recalls(node, status, moment);
	} else if (!moment->retained)
		node->is_recalled = false;
	node->has_status = node->is_fresh = true;
	node->status = *status;
	note_life(node, moment);
	return same ? VIEW_SAME : VIEW_CHANGED;
}

static struct view_process *find_exact(const struct view_node *node, pid_t pid, uint64_t start)
{
	struct view_process *found, key = {.key = {start, (uint64_t)pid}};

	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): all bytes of the key are set */
	HASH_FIND(hh, node->processes, &key.key, sizeof(key.key), found);
	return found;
}

static struct view_process *add_process(struct view *view, struct view_node *node, pid_t pid, uint64_t start)
{
	struct view_process *process;

	if (view->process_count >= VIEW_PROCESSES_MAX)
		return NULL;
	process = memory_new(sizeof(*process));
	process->key.start = start;
	process->key.pid = (uint64_t)pid;
	HASH_ADD(hh, node->processes, key, sizeof(process->key), process);
	view->process_count++;
	return process;
}

/* Within an epoch, transitions have an order: a message that is delivered twice, or late, changes nothing. */
static enum view_change update(struct view_process *process, const struct payload_process *state)
{
	const struct payload_process *known = &process->state;
	bool is_same = known->epoch == state->epoch && known->verdict == state->verdict;

	if (process->is_fresh && known->epoch == state->epoch && known->seq > state->seq)
		return VIEW_SAME;
	process->is_fresh = true;
	process->state = *state;
	return is_same ? VIEW_SAME : VIEW_CHANGED;
}

enum view_change view_put_process(struct view *view, const char *name, pid_t pid, uint64_t start,
    const struct payload_process *state, struct view_process **process)
{
	struct view_node *node = find_or_add(view, name);

	*process = node != NULL ? find_exact(node, pid, start) : NULL;
	if (*process != NULL)
		return update(*process, state);
	if (node != NULL)
		*process = add_process(view, node, pid, start);
	if (*process == NULL)
		return VIEW_FULL;
	(*process)->state = *state;
	(*process)->is_fresh = true;
	return VIEW_CHANGED;
}

static void remove_process(struct view *view, struct view_node *node, struct view_process *process)
{
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it is in the table */
	HASH_DEL(node->processes, process);
	free(process);
	view->process_count--;
}

static void remove_node(struct view *view, struct view_node *node)
{
	struct view_process *process, *next;

	HASH_ITER (hh, node->processes, process, next)
		remove_process(view, node, process);
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it is in the table */
	HASH_DEL(view->nodes, node);
	free(node);
	view->node_count--;
}

enum view_change view_clear_process(struct view *view, const char *name, pid_t pid, uint64_t start)
{
	struct view_node *node = view_find(view, name);
	struct view_process *process = node != NULL ? find_exact(node, pid, start) : NULL;

	if (process == NULL)
		return VIEW_SAME;
	remove_process(view, node, process);
	return VIEW_CHANGED;
}

void view_clear_status(struct view *view, const char *name)
{
	struct view_node *node = view_find(view, name);

	if (node != NULL)
		node->has_status = node->is_alive = false;
}

/* Present before of an earlier epoch, then by start. */
static bool is_better(
    const struct view_node *node, const struct view_process *a, const struct view_process *b)
{
	if (b == NULL || view_is_present(node, a) != view_is_present(node, b))
		return b == NULL || view_is_present(node, a);
	return a->key.start > b->key.start;
}

struct view_process *view_find_process(const struct view_node *node, pid_t pid, uint64_t start)
{
	struct view_process *best = NULL;

	if (start != 0) {
		best = find_exact(node, pid, start);
		return best != NULL && best->is_fresh ? best : NULL;
	}
	for (struct view_process *p = node->processes; p != NULL; p = p->hh.next)
		if (p->is_fresh && p->key.pid == (uint64_t)pid && is_better(node, p, best))
			best = p;
	return best;
}

bool view_is_present(const struct view_node *node, const struct view_process *process)
{
	return node->has_status && node->status.epoch == process->state.epoch;
}

int64_t view_condition_until(const struct view_node *node)
{
	if (node == NULL || !node->has_status || !node->is_fresh)
		return -1;
	if (node->status.state == PAYLOAD_OFFLINE && node->is_recalled)
		return node->met_at + VIEW_RETURN_MS;
	if (node->status.state != PAYLOAD_ONLINE)
		return -1;
	return (node->is_alive ? node->heard_at : node->met_at) + VIEW_SILENCE_MS;
}

enum view_condition view_condition(const struct view_node *node, int64_t ms)
{
	if (node == NULL || !node->has_status || !node->is_fresh)
		return VIEW_NEVER_SEEN;
	if (node->status.state == PAYLOAD_OFFLINE)
		return ms < view_condition_until(node) ? VIEW_DOUBTFUL : VIEW_OFFLINE;
	if (node->status.state == PAYLOAD_UNKNOWN)
		return VIEW_UNKNOWN;
	if (ms >= view_condition_until(node))
		return VIEW_OFFLINE;
	return node->is_alive ? VIEW_ONLINE : VIEW_DOUBTFUL;
}

void view_renew(struct view *view)
{
	for (struct view_node *node = view->nodes; node != NULL; node = node->hh.next) {
		node->is_fresh = node->is_alive = false;
		for (struct view_process *p = node->processes; p != NULL; p = p->hh.next)
			p->is_fresh = false;
	}
}

void view_sweep(struct view *view,
    void (*gone)(const struct view_node *node, const struct view_process *process, void *context),
    void *context)
{
	struct view_process *process, *next;

	for (struct view_node *node = view->nodes; node != NULL; node = node->hh.next) {
		HASH_ITER (hh, node->processes, process, next) {
			if (process->is_fresh)
				continue;
			gone(node, process, context);
			remove_process(view, node, process);
		}
	}
}

void view_free(struct view *view)
{
	struct view_node *node, *next;

	HASH_ITER (hh, view->nodes, node, next)
		remove_node(view, node);
}
