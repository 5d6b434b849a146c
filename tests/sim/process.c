/* src/process.h, src/marker_dir.h, src/collision.h and src/process_root.h in the simulated world. All
 * processes are in one mount and pid namespace here. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "daemon/ns_index.h"
#include "src/collision.h"
#include "src/marker_dir.h"
#include "src/process.h"
#include "src/process_root.h"
#include "src/procfs.h"
#include "tests/sim/actors.h"
#include "tests/sim/faults.h"
#include "tests/sim/world.h"

/* As with hidepid=2 of proc(5): the process exists, and nothing of it can be read. */
static bool is_hidden(const struct life *life)
{
	return life->hidden && (world.current->id != SIM_DAEMON || !world.daemon_sees_hidden);
}

static void read_identity(struct process *p, const struct life *life)
{
	bool hidden = is_hidden(life);

	if (!hidden)
		p->start = life->start;
	p->start_known = !hidden;
	p->uids_known = !hidden || (p->fd >= 0 && world.pidfd_tells_uids);
	if (p->uids_known)
		p->uids[0] = p->uids[1] = p->uids[2] = life->uid;
}

/* Reads the life that has the pid now, as /proc/<pid>/stat is read between pidfd_open(2) and the check that
 * the process lives. */
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
	/* Without a pidfd, it may be another process by now. */
	if (p->fd < 0)
		life = world_life_of(pid);
	p->no_such_process = life == NULL;
	p->unread = life != NULL && fault(FAULT_FD_REFUSED);
	if (life == NULL || p->unread)
		return;
	read_identity(p, life);
	/* It has been reaped: nothing can be read. */
	if (p->fd >= 0 && world_life_of(pid) != life) {
		p->start = 0;
		p->start_known = p->uids_known = false;
	}
}

void process_open_exact(struct process *p, pid_t pid, uint64_t start)
{
	process_open(p, pid);
	if (start != 0) {
		if (p->start_known && p->start != start) {
			process_close(p);
			p->no_such_process = p->reused = true;
		}
		p->identity_unknown =
		    !p->no_such_process && !p->start_known && process_life(p) != PROCESS_GONE;
		p->start = start;
		p->start_known = !p->identity_unknown;
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
	if (life != NULL && is_hidden(life))
		return PROCESS_LIVES;
	return life == NULL || !life->alive ||
		       ((p->start_known || p->identity_unknown) && p->start != life->start)
		   ? PROCESS_GONE
		   : PROCESS_LIVES;
}

/* The first process starts with the simulation. */
bool process_start_of(pid_t pid, uint64_t *start)
{
	*start = 0;
	return pid == 1;
}

bool process_exists(pid_t pid)
{
	faults_tick();
	return world_life_of(pid) != NULL;
}

bool process_keeps_pid(const struct process *p)
{
	faults_tick();
	return p->fd >= 0 && fd_get(world.current, p->fd) != NULL &&
	       world_life_of(p->pid) == &world.lives[world.current->fds[p->fd].index];
}

bool process_has_successor(const struct process *p)
{
	const struct life *life;

	if (p->fd >= 0)
		return !process_keeps_pid(p) && process_exists(p->pid);
	faults_tick();
	life = world_life_of(p->pid);
	return !p->no_such_process && p->start_known && life != NULL && !is_hidden(life) &&
	       life->start != p->start;
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
	return life == NULL || life->alive || is_hidden(life) || life->start != p->start ? -1 : life->status;
}

enum process_uid process_check_uid(const struct process *p, uid_t uid)
{
	const struct life *life;

	faults_tick();
	if (fault(FAULT_FD_REFUSED))
		return PROCESS_UID_UNKNOWN;
	/* It cannot be read after reaping, with a pidfd or without. */
	life = world_life_of(p->pid);
	if (p->fd >= 0 && fd_get(world.current, p->fd) != NULL &&
	    life != &world.lives[world.current->fds[p->fd].index])
		life = NULL;
	if (life == NULL || (is_hidden(life) && (p->fd < 0 || !world.pidfd_tells_uids)))
		return p->uids_known && p->uids[0] == uid ? PROCESS_UID_OWN : PROCESS_UID_UNREADABLE;
	return life->uid == uid ? PROCESS_UID_OWN : PROCESS_UID_FOREIGN;
}

bool process_real_uid(const struct process *p, uid_t *uid)
{
	const struct life *life = world_life_of(p->pid);

	*uid = life == NULL ? 0 : life->uid;
	return life != NULL;
}

enum process_root process_root_find_nowait(const struct process *p, struct process_root_ours *ours)
{
	(void)ours;
	(void)p;
	return PROCESS_ROOT_OURS;
}

void process_read_comm(struct process *p)
{
	(void)p;
}

char process_state(const struct process *p)
{
	return process_gone(p) ? 'X' : 'S';
}

pid_t process_ns_pid_of(pid_t pid)
{
	return pid;
}

enum procfs_state procfs_state(void)
{
	return PROCFS_OURS;
}

const char *procfs_word(void)
{
	return "ok";
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

const struct marker_viewer marker_viewer_direct = {.view = view_directly};

/* daemon/ns_index.h: there are no pid namespaces. */
void ns_index_init(struct ns_index *index)
{
	(void)index;
}

void ns_index_fini(struct ns_index *index)
{
	(void)index;
}

void ns_index_tick(struct ns_index *index)
{
	(void)index;
}

size_t ns_index_list(
    struct ns_index *index, pid_t ns_pid, const struct marker_stat *seen, pid_t *pids, size_t most)
{
	(void)index;
	(void)ns_pid;
	(void)seen;
	(void)pids;
	(void)most;
	return 0;
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
