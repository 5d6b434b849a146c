/* The daemon's side of the spawner (daemon/scout.h): has it start and kill scouts. */
#ifndef DAEMON_SCOUT_STARTER_H
#define DAEMON_SCOUT_STARTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct loop;
struct loop_fd;

struct scout_starter {
	int fd; /* -1: there is no spawner */
	pid_t pid;
	struct loop_fd *event;
	bool starting;	 /* it has been asked for a scout, and has not replied */
	bool complained; /* that no scout can be started */
	void (*started)(int fd, pid_t pid, void *context);
	void *context;
};

/* Takes over the spawner with that socket (-1: none) and pid. started() is called for each scout, perhaps
 * late: with its socket, to be closed, and its pid. */
void scout_starter_init(struct scout_starter *starter, struct loop *loop, int fd, pid_t pid,
    void (*started)(int fd, pid_t pid, void *context), void *context);
/* Ends the spawner. May be repeated. */
void scout_starter_fini(struct scout_starter *starter);

/* Asks for a scout and waits for it a moment. */
void scout_starter_start(struct scout_starter *starter);
void scout_starter_kill(struct scout_starter *starter, pid_t scout);

/* Waits until fd can be read or the deadline in ms has passed; false then. */
bool scout_await(int fd, int64_t deadline);

#endif
