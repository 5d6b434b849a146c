#include "config.h"

#include <poll.h>

#include "client/lib/waiter.h"
#include "src/clock.h"

/* While daemon or watch should tell, the own look is only for what they cannot see. */
#define BACKSTOP_MS 1000
/* With a daemon such a look comes after half of the time waited: a frozen one then costs at most that, and no
 * more than a minute, and waiting costs nothing in the long run. */
#define BACKSTOP_MOST_MS 60000
/* Polling starts quick and slows down, so that thousands of pollers leave the worker some CPU. */
#define POLL_FIRST_MS 10
#define POLL_LAST_MS  100
/* Nothing announces that a process is born. */
#define NOT_STARTED_MS 50

/* Watch, then look. */
void file_start(struct readyd_waiter *w)
{
	if (w->fallback || w->settings.backend == READYD_BACKEND_DAEMON)
		return;
	w->fallback = true;
	w->poll_ms = POLL_FIRST_MS;
	w->look_at = 0;
	file_check(w);
	waiter_look_all(w);
}

void file_check(struct readyd_waiter *w)
{
	bool had = w->file.fd >= 0;

	if (!w->fallback)
		return;
	(void)filewatch_arm(&w->file, &w->settings.place);
	if (!had && w->file.fd >= 0 && poll_add(w, w->file.fd, POLLIN, SOURCE_FILE, 0) != 0)
		filewatch_close(&w->file);
}

void file_stop(struct readyd_waiter *w)
{
	w->fallback = false;
	filewatch_close(&w->file);
}

/* Of one that lives elsewhere: it may be gone by the time that it is looked at, and its directory with it. */
static void take_posted(struct readyd_waiter *w, const struct filewatch_news *news)
{
	struct target *t, *next;

	TARGETS_EACH (w, t, next)
		if (t->history.extra_watch == news->wd && t->process.ns_pid == news->name)
			t->history.arrived |= news->came;
}

void file_on_readable(struct readyd_waiter *w)
{
	struct filewatch_news news[64];
	struct target *t;
	bool doubt;
	int n = filewatch_read(&w->file, &w->settings.place, news, sizeof(news) / sizeof(news[0]), &doubt);

	for (int i = 0; i < n; i++)
		if (news[i].wd != 0)
			take_posted(w, &news[i]);
	if (doubt)
		file_check(w);
	if (doubt || (n > 0 && w->nested)) {
		waiter_look_all(w);
		return;
	}
	for (int i = 0; i < n; i++) {
		t = target_find(w, news[i].name);
		if (t != NULL && !t->done)
			target_look(w, t);
	}
}

static int64_t backstop(const struct readyd_waiter *w)
{
	int64_t half = (clock_ms() - w->since) / 2;

	if (half < BACKSTOP_MS)
		return BACKSTOP_MS;
	return half < BACKSTOP_MOST_MS ? half : BACKSTOP_MOST_MS;
}

int64_t file_interval(struct readyd_waiter *w)
{
	if (w->not_started > 0)
		return clock_jitter(NOT_STARTED_MS);
	if (!w->fallback)
		return clock_jitter(backstop(w));
	if (w->file.wd >= 0)
		return clock_jitter(BACKSTOP_MS);
	w->poll_ms += w->poll_ms / 10;
	if (w->poll_ms > POLL_LAST_MS)
		w->poll_ms = POLL_LAST_MS;
	return clock_jitter(w->poll_ms);
}
