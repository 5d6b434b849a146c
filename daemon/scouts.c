#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/reserve.h"
#include "daemon/scout.h"
#include "daemon/scout_accounts.h"
#include "daemon/scout_starter.h"
#include "daemon/scouts.h"
#include "daemon/xalloc.h"
#include "src/clock.h"
#include "src/dirwatch.h"
#include "src/process_root.h"
#include "src/sock.h"

/* A scout that is stuck for this long is killed. */
#define KILL_MS 1000
/* A scout that is not used for this long ends. */
#define IDLE_MS 10000
/* A scout that waits for the CPU is not stuck; it has this many times the patience. */
#define BUSY_FACTOR 10

enum scout_state {
	SCOUT_IDLE,
	SCOUT_ASKED,  /* its reply is waited for */
	SCOUT_STUCK,  /* it is late */
	SCOUT_KILLED, /* it was; it ends when the kernel lets it */
	SCOUT_ENDING  /* the same, but it has replied in time for that */
};

struct scout {
	LIST_ENTRY(scout) link;
	struct scouts *scouts;
	int fd;
	pid_t pid;
	enum scout_state state;
	struct loop_fd *event;
	int64_t since; /* of the state, in ms */
	/* The look that it makes. */
	pid_t target;
	uint64_t start;
	uid_t uid;
	int wd; /* 0: none */
};

struct scouts {
	struct scouts_config config;
	struct loop *loop;
	struct scout_starter starter;
	struct process_root_ours ours;
	struct loop_timer *timer; /* runs while there are scouts */
	LIST_HEAD(, scout) scouts;
	size_t count;
	uint64_t asked;
	struct scout_accounts accounts;
	/* The view that has come late, while late() is called; NULL else. */
	const struct scout *late;
	const struct scout_reply *late_reply;
};

static bool is_stuck(const struct scout *scout)
{
	return scout->state == SCOUT_STUCK || scout->state == SCOUT_KILLED;
}

static void set_state(struct scout *scout, enum scout_state state)
{
	scout->state = state;
	scout->since = clock_ms();
}

static void free_scout(struct scout *scout)
{
	struct scouts *scouts = scout->scouts;

	if (is_stuck(scout))
		scout_accounts_freed(&scouts->accounts, scout->uid, scout->target, scout->start, false);
	loop_fd_free(scout->event);
	close(scout->fd);
	LIST_REMOVE(scout, link);
	scouts->count--;
	xalloc_free(scout);
}

static void on_scout(int fd, void *context);

static void enter_scout(int fd, pid_t pid, void *context)
{
	struct scouts *scouts = context;
	struct scout *scout = xalloc_new(sizeof(*scout));

	scout->scouts = scouts;
	scout->fd = fd;
	scout->pid = pid;
	set_state(scout, SCOUT_IDLE);
	scout->event = loop_fd_new(scouts->loop, fd, LOOP_READ, on_scout, scout);
	loop_fd_start(scout->event);
	LIST_INSERT_HEAD(&scouts->scouts, scout, link);
	scouts->count++;
	if (!loop_timer_runs(scouts->timer))
		loop_timer_start(scouts->timer, KILL_MS);
}

static struct scout *first_idle(const struct scouts *scouts)
{
	struct scout *scout;

	LIST_FOREACH (scout, &scouts->scouts, link)
		if (scout->state == SCOUT_IDLE)
			return scout;
	return NULL;
}

static struct scout *find_idle(struct scouts *scouts)
{
	struct scout *scout = first_idle(scouts);

	if (scout != NULL || scouts->count > SCOUT_STUCK_ALL)
		return scout;
	scout_starter_start(&scouts->starter);
	return first_idle(scouts);
}

/* Whether the look at this process is under way. */
static bool is_looked_at(const struct scouts *scouts, const struct process *p)
{
	const struct scout *scout;

	LIST_FOREACH (scout, &scouts->scouts, link)
		if (is_stuck(scout) && scout->target == p->pid && scout->start == p->start)
			return true;
	return false;
}

static int ask(struct scout *scout, const struct process *p, bool watch)
{
	const struct scout_request request = {.place = *scout->scouts->config.place,
	    .pid = p->pid,
	    .ns_pid = p->ns_pid,
	    .start = p->start,
	    .watch = watch};
	int inotify = scout->scouts->config.dirs->fd;
	ssize_t n;

	scout->target = p->pid;
	scout->start = p->start;
	scout->wd = 0;
	set_state(scout, SCOUT_ASKED);
	n = watch && inotify >= 0 ? sock_send_fd(scout->fd, &request, sizeof(request), inotify)
				  : sock_send(scout->fd, &request, sizeof(request));
	return n == (ssize_t)sizeof(request) ? 0 : -1;
}

/* 1: the view, 0: not yet, -1: the scout has ended. */
static int take_reply(struct scout *scout, struct scout_reply *reply)
{
	ssize_t n;

	for (;;) {
		n = recv(scout->fd, reply, sizeof(*reply), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n != (ssize_t)sizeof(*reply))
			return -1;
		if (reply->kind != SCOUT_WATCHED)
			return 1;
		scout->wd = dirwatch_adopt_extra(scout->scouts->config.dirs, reply->wd);
	}
}

/* The state is R while it has or waits for a CPU, and another one while a file system makes it wait. */
static bool is_running(const struct scout *scout)
{
	const struct process p = {.pid = scout->pid, .fd = -1};

	return process_state(&p) == 'R';
}

static int await_reply(struct scout *scout, int patience, struct scout_reply *reply)
{
	int64_t deadline;
	int result = 0;

	for (int i = 0; result == 0 && i < BUSY_FACTOR; i++) {
		deadline = clock_ms() + patience;
		while (scout_await(scout->fd, deadline) && (result = take_reply(scout, reply)) == 0)
			;
		if (result == 0 && !is_running(scout))
			return 0;
	}
	return result;
}

static void view_ours(const struct marker_place *place, const struct process *p, enum marker_dir where,
    struct marker_view *view)
{
	memset(view, 0, sizeof(*view));
	view->where = where;
	marker_stat(place, p->ns_pid, &view->marker);
}

static enum marker_dir where_if_hidden(const struct marker_place *place)
{
	struct stat st;

	return stat(place->dir, &st) == 0 ? MARKER_DIR_HIDDEN : MARKER_DIR_SAME;
}

static void view_nothing(struct marker_view *view, enum marker_dir where)
{
	memset(view, 0, sizeof(*view));
	view->where = where;
	view->marker.kind = MARKER_UNKNOWN;
}

/* Which user to charge: the user that has started the process, since only that one can have given it another
 * root. */
static uid_t user_of(const struct process *p)
{
	uid_t uid;

	return process_real_uid(p, &uid) ? uid : (uid_t)-1;
}

static void hang(struct scouts *scouts, struct scout *scout)
{
	set_state(scout, SCOUT_STUCK);
	scout_accounts_hung(&scouts->accounts, scout->uid, scout->target, scout->start, scout->since);
	log_debug("the marker directory of process %ld does not answer", (long)scout->target);
}

static void note_watch(const struct scout *scout, struct scouts_eye *eye)
{
	if (scout->wd != 0)
		eye->wd = scout->wd;
}

static void rest(struct scout *scout)
{
	set_state(scout, SCOUT_IDLE);
	if (!reserve_allows(scout->fd))
		free_scout(scout);
}

static void look(struct scouts *scouts, const struct process *p, int patience, struct scouts_eye *eye,
    struct marker_view *view)
{
	struct scout *scout = find_idle(scouts);
	int64_t began = clock_ms();
	struct scout_reply reply;
	int result;

	view_nothing(view, MARKER_DIR_HANGS);
	if (scout == NULL)
		return;
	scout->uid = user_of(p);
	scouts->asked++;
	result = ask(scout, p, eye->watched == p->pid) == 0 ? await_reply(scout, patience, &reply) : -1;
	note_watch(scout, eye);
	if (result < 0) {
		free_scout(scout);
		return;
	}
	if (result == 0) {
		hang(scouts, scout);
		return;
	}
	*view = reply.view;
	if (clock_ms() - began > SCOUT_SLOW_MS)
		scout_accounts_slow(&scouts->accounts, scout->uid, clock_ms());
	rest(scout);
}

static void view_other(
    struct scouts *scouts, const struct process *p, struct scouts_eye *eye, struct marker_view *view)
{
	const struct scout *late = scouts->late;
	int patience;

	if (late != NULL && late->target == p->pid && late->start == p->start) {
		*view = scouts->late_reply->view;
		note_watch(late, eye);
		return;
	}
	patience = is_looked_at(scouts, p)
		       ? 0
		       : scout_accounts_patience(&scouts->accounts, user_of(p), p->pid, p->start, clock_ms());
	if (patience > 0)
		look(scouts, p, patience, eye, view);
	else
		view_nothing(view, MARKER_DIR_HANGS);
}

void scouts_view(
    const struct marker_place *place, const struct process *p, struct marker_view *view, void *context)
{
	struct scouts_eye *eye = context;

	switch (process_root_find_nowait(p, &eye->scouts->ours)) {
	case PROCESS_ROOT_OURS:
		view_ours(place, p, MARKER_DIR_SAME, view);
		return;
	case PROCESS_ROOT_NONE:
		view_ours(place, p, MARKER_DIR_NONE, view);
		return;
	case PROCESS_ROOT_CLOSED:
		view_ours(place, p, where_if_hidden(place), view);
		return;
	case PROCESS_ROOT_UNKNOWN:
		view_nothing(view, MARKER_DIR_UNKNOWN);
		return;
	case PROCESS_ROOT_OTHER:
		view_other(eye->scouts, p, eye, view);
		return;
	}
}

/* The reply comes after all. */
static void take_late(struct scout *scout, const struct scout_reply *reply)
{
	struct scouts *scouts = scout->scouts;

	if (!is_stuck(scout))
		return;
	scout_accounts_freed(&scouts->accounts, scout->uid, scout->target, scout->start, true);
	set_state(scout, scout->state == SCOUT_KILLED ? SCOUT_ENDING : SCOUT_IDLE);
	scouts->late = scout;
	scouts->late_reply = reply;
	scouts->config.late(scout->target, scouts->config.context);
	scouts->late = NULL;
}

static void on_scout(int fd, void *context)
{
	struct scout *scout = context;
	struct scout_reply reply;
	int result = take_reply(scout, &reply);

	(void)fd;
	if (result < 0)
		free_scout(scout);
	else if (result > 0)
		take_late(scout, &reply);
}

static void kill_scout(struct scout *scout)
{
	set_state(scout, SCOUT_KILLED);
	scout_starter_kill(&scout->scouts->starter, scout->pid);
}

static void on_timer(void *context)
{
	struct scouts *scouts = context;
	int64_t now = clock_ms();
	struct scout *scout, *next;

	for (scout = LIST_FIRST(&scouts->scouts); scout != NULL; scout = next) {
		next = LIST_NEXT(scout, link);
		if (scout->state == SCOUT_STUCK && now - scout->since >= KILL_MS)
			kill_scout(scout);
		else if (scout->state == SCOUT_IDLE && now - scout->since >= IDLE_MS)
			free_scout(scout);
	}
	if (!LIST_EMPTY(&scouts->scouts))
		loop_timer_start(scouts->timer, KILL_MS);
}

struct scouts *scouts_new(struct loop *loop, const struct scouts_config *config)
{
	struct scouts *scouts = xalloc_new(sizeof(*scouts));

	scouts->config = *config;
	scouts->loop = loop;
	scouts->timer = loop_timer_new(loop, on_timer, scouts);
	scout_accounts_init(&scouts->accounts, geteuid());
	scout_starter_init(&scouts->starter, loop, config->spawner, config->spawner_pid, enter_scout, scouts);
	return scouts;
}

void scouts_free(struct scouts *scouts)
{
	while (!LIST_EMPTY(&scouts->scouts))
		free_scout(LIST_FIRST(&scouts->scouts));
	scout_starter_fini(&scouts->starter);
	loop_timer_free(scouts->timer);
	scout_accounts_fini(&scouts->accounts);
	xalloc_free(scouts);
}

struct scouts_counts scouts_count(const struct scouts *scouts)
{
	return (struct scouts_counts){scouts->count, scouts->accounts.stuck, scouts->asked};
}
