#include "config.h"

#include <string.h>

#include "src/clock_steps.h"

/* What differs by less is covered by the grain of stamps. */
#define STEP_LEAST_NS 10000000LL

static bool is_step(int64_t a, int64_t b)
{
	return a - b > STEP_LEAST_NS || b - a > STEP_LEAST_NS;
}

static void include(struct clock_offsets *offsets, int64_t offset)
{
	if (offsets->least > offset)
		offsets->least = offset;
	if (offsets->most < offset)
		offsets->most = offset;
}

static const struct clock_offsets none = {INT64_MAX, INT64_MIN};

static void drop_oldest(struct clock_steps *steps)
{
	if (!steps->lost)
		steps->lost_offsets = none;
	steps->lost = true;
	include(&steps->lost_offsets, steps->regimes[0].offset);
	memmove(&steps->regimes[0], &steps->regimes[1], sizeof(steps->regimes) - sizeof(steps->regimes[0]));
	steps->count--;
}

void clock_steps_note(struct clock_steps *steps, int64_t now, int64_t offset)
{
	if (steps->count > 0 && !is_step(offset, steps->regimes[steps->count - 1].offset))
		return;
	if (steps->count == CLOCK_STEPS_MOST)
		drop_oldest(steps);
	steps->regimes[steps->count].since = now;
	steps->regimes[steps->count++].offset = offset;
}

/* Whether the stamp was written between two moments, if the clock differed by that offset then. */
static void try(struct clock_offsets *found, int64_t stamp, int64_t offset, int64_t from, int64_t to)
{
	if (stamp - offset >= from && stamp - offset <= to)
		include(found, offset);
}

/* The clock may have been set just now, and not be noted yet. */
static void try_regimes(struct clock_offsets *found, const struct clock_steps *steps,
    const struct clock_view *view, int64_t stamp, int64_t slack)
{
	for (unsigned i = 0; i < steps->count; i++)
		try(found, stamp, steps->regimes[i].offset, steps->regimes[i].since - slack,
		    (i + 1 < steps->count ? steps->regimes[i + 1].since : view->now) + slack);
	if (steps->count > 0 && is_step(view->offset, steps->regimes[steps->count - 1].offset))
		try(found, stamp, view->offset, steps->regimes[steps->count - 1].since - slack,
		    view->now + slack);
}

/* Before the history begins, the clock was as it was then, or as at boot. What was dropped may have been at
 * any time before. A stamp that was from the future then may be due by now: that the clock has caught up with
 * it does not show that it was written since. */
static void try_earlier(struct clock_offsets *found, const struct clock_steps *steps,
    const struct clock_view *view, int64_t stamp, int64_t slack)
{
	int64_t end = (steps->count > 0 ? steps->regimes[0].since : view->now) + slack;
	int64_t first = steps->count > 0 ? steps->regimes[0].offset : view->offset;
	int64_t least = view->at_boot.least > stamp - end ? view->at_boot.least : stamp - end;

	if (stamp - first <= end)
		include(found, first);
	/* A stamp from the future of now says nothing. */
	if (found->least > found->most)
		return;
	if (steps->lost) {
		include(found, steps->lost_offsets.least);
		include(found, steps->lost_offsets.most);
	}
	if (view->was_set && least <= view->at_boot.most) {
		include(found, least);
		include(found, view->at_boot.most);
	}
}

struct clock_offsets clock_steps_offsets(
    const struct clock_steps *steps, const struct clock_view *view, int64_t stamp, int64_t slack)
{
	static const struct clock_steps unknown;
	struct clock_offsets found = none;

	if (steps == NULL)
		steps = &unknown;
	try_regimes(&found, steps, view, stamp, slack);
	try_earlier(&found, steps, view, stamp, slack);
	if (found.least > found.most)
		found.least = found.most = view->offset;
	return found;
}
