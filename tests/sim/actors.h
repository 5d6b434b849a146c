/* The programs of a schedule: one daemon at a time, and its clients. */
#ifndef TESTS_SIM_ACTORS_H
#define TESTS_SIM_ACTORS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process;

/* daemon.c: server.c of the product with another listener and the event loop of loop.c. */
bool daemon_lives(void);
bool daemon_is_frozen(void);
void daemon_start(void);
/* Kills the daemon, at any moment: closes its descriptors as the kernel does. Its memory is freed between two
 * steps. */
void daemon_kill(void);
void daemon_stop(void); /* SIGTERM */
void daemon_freeze(bool frozen);
bool daemon_is_runnable(void);
/* One pass of its event loop. */
void daemon_step(void);
int64_t daemon_next_ns(void); /* when its next timer is due; INT64_MAX: never */
/* Fails the schedule if anything of a client is left. */
void daemon_check_leaks(void);
void daemon_end(void);
uint64_t daemon_cpu_time(pid_t pid);

/* client.c: N waiters of the product. */
void clients_start(void);
bool client_is_runnable(int client);
void client_step(int client);
void client_add(int client, pid_t pid);
int64_t client_next_ns(int client);
/* A client cancels one of its waits, or adds one. */
void client_change(int client);
/* How long the longest overdue answer has been possible, counted from due_from at the earliest, and about
 * which pid. */
int64_t clients_latest_ns(int64_t calm_since, int64_t due_from, pid_t *pid);
bool clients_wait(void);
bool clients_await_start(void);
void clients_end(void);
/* The current actor has opened a process. */
void client_opened(const struct process *p, uint64_t start);

#endif
