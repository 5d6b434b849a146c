/* src/process.h, src/marker_dir.h, src/collision.h and src/rootcheck.h in the simulated world. All
 * processes are in one mount and pid namespace here. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "src/rootcheck.h"
#include "src/collision.h"
#include "src/marker_dir.h"
#include "src/process.h"
#include "tests/sim/actors.h"
#include "tests/sim/faults.h"
#include "tests/sim/world.h"

/* Of the life that had the pid at that instant, as /proc/<pid>/stat is read between pidfd_open(2) and a check
 * that it lives. */
void process_open(struct process *p, pid_t pid)
{
	struct life *life;

	faults_tick();
	life = world_life_of(pid);
	*p = (struct process){.pid = pid, .ns_pid = pid, .fd = -1};
	p->no_such_process = life == NULL;
	if (life == NULL)
		return;
	p->fd = fd_new(world.current, FD_PIDFD, (int)(life - world.lives), 0);
	faults_tick();
	/* Without a descriptor it may be another one by now. */
	if (p->fd < 0)
		life = world_life_of(pid);
	p->no_such_process = life == NULL;
	p->unread = life != NULL && fault(FAULT_FD_REFUSED);
	if (life == NULL || p->unread)
		return;
	p->start = life->start;
	/* It is gone with its pid: nothing can be read of it. */
	if (p->fd >= 0 && world_life_of(pid) != life)
		p->start = 0;
}

void process_open_exact(struct process *p, pid_t pid, uint64_t start)
{
	process_open(p, pid);
	if (start != 0) {
		if (!p->no_such_process && p->start != 0 && p->start != start) {
			process_close(p);
			p->no_such_process = p->reused = true;
		}
		p->start = start;
	}
	client_opened(p, start);
}

void process_close(struct process *p)
{
	if (p->fd >= 0 && fd_get(world.current, p->fd) != NULL)
		fd_close(world.current, p->fd);
	p->fd = -1;
}

enum process_life process_life(const struct process *p)
{
	const struct life *life;

	faults_tick();
	if (p->no_such_process)
		return PROCESS_GONE;
	if (p->fd >= 0 && fd_get(world.current, p->fd) == NULL)
		return PROCESS_UNKNOWN;
	if (p->fd >= 0)
		return world.lives[world.current->fds[p->fd].index].alive ? PROCESS_LIVES : PROCESS_GONE;
	life = world_life_of(p->pid);
	if (life != NULL && fault(FAULT_FD_REFUSED))
		return PROCESS_UNKNOWN;
	return life == NULL || !life->alive || (p->start != 0 && p->start != life->start) ? PROCESS_GONE
											  : PROCESS_LIVES;
}

bool process_exists(pid_t pid)
{
	faults_tick();
	return world_life_of(pid) != NULL;
}

bool process_is_active(pid_t pid, uint64_t *cpu)
{
	uint64_t used = daemon_cpu_time(pid), before = *cpu;

	*cpu = used;
	return used > before;
}

int process_wait_status(const struct process *p)
{
	const struct life *life;

	if (p->fd >= 0 && fd_get(world.current, p->fd) != NULL)
		return world.lives[world.current->fds[p->fd].index].status;
	life = world_life_of(p->pid);
	return life == NULL || life->alive || life->start != p->start ? -1 : life->status;
}

enum process_uid process_check_uid(const struct process *p, uid_t uid)
{
	const struct life *life;

	faults_tick();
	if (fault(FAULT_FD_REFUSED))
		return PROCESS_UID_UNKNOWN;
	/* Of one that has been reaped it cannot be read, with a pidfd or without. */
	life = world_life_of(p->pid);
	if (p->fd >= 0 && fd_get(world.current, p->fd) != NULL &&
	    life != &world.lives[world.current->fds[p->fd].index])
		life = NULL;
	return life == NULL || life->uid == uid ? PROCESS_UID_OWN : PROCESS_UID_FOREIGN;
}

bool process_real_uid(const struct process *p, uid_t *uid)
{
	const struct life *life = world_life_of(p->pid);

	*uid = life == NULL ? 0 : life->uid;
	return life != NULL;
}

enum rootcheck rootcheck(const struct process *p)
{
	(void)p;
	return ROOTCHECK_OURS;
}

char process_state(const struct process *p)
{
	return process_gone(p) ? 'X' : 'S';
}

pid_t process_ns_pid_of(pid_t pid)
{
	return pid;
}

pid_t process_newest(void)
{
	return 0;
}

uint64_t process_own_namespace(const char *kind)
{
	return (uint64_t)kind[0];
}

void marker_view(const struct marker_place *place, const struct process *p, struct marker_view *view)
{
	*view = (struct marker_view){.where = MARKER_DIR_SAME};
	marker_stat(place, p->ns_pid, &view->marker);
}

enum marker_dir marker_dir_visit(const struct marker_place *place, const struct process *p,
    void (*visit)(const char *dir, void *context), void *context)
{
	(void)place;
	(void)p;
	(void)visit;
	(void)context;
	return MARKER_DIR_SAME;
}

static void view_directly(
    const struct marker_place *place, const struct process *p, struct marker_view *view, void *context)
{
	(void)context;
	marker_view(place, p, view);
}

const struct marker_viewer marker_viewer_direct = {view_directly, NULL};

bool collision_is_possible(const struct process *p)
{
	(void)p;
	return false;
}

void collisions_catch_up(struct collisions *collisions)
{
	(void)collisions;
}

struct collisions *collisions_lone(void)
{
	static struct collisions lone;

	return &lone;
}

enum collision collision_find(struct collisions *collisions, const struct marker_place *place,
    const struct process *p, const struct marker_view *view, const struct marker_viewer *viewer)
{
	(void)collisions;
	(void)place;
	(void)p;
	(void)view;
	(void)viewer;
	return COLLISION_NONE;
}
