/* The programs of a schedule: one daemon at a time, and its clients. */
#ifndef TESTS_SIM_ACTORS_H
#define TESTS_SIM_ACTORS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process;

/* daemon.c: server.c of the product on a listener of its own and the event loop of events.c. */
bool daemon_lives(void);
bool daemon_is_frozen(void);
void daemon_start(void);
/* At any moment, also in the middle of its own work: the kernel's part. What is left of its memory is freed
 * between two steps. */
void daemon_kill(void);
void daemon_stop(void); /* SIGTERM */
void daemon_freeze(bool frozen);
bool daemon_is_runnable(void);
/* One pass of its event loop. */
void daemon_step(void);
int64_t daemon_next_ns(void); /* when a timer of it is due; INT64_MAX: never */
/* Nothing is left of any client. */
void daemon_check_leaks(void);
void daemon_end(void);
uint64_t daemon_cpu_time(pid_t pid);

/* client.c: N waiters of the product. */
void clients_start(void);
bool client_is_runnable(int client);
void client_step(int client);
void client_add(int client, pid_t pid);
int64_t client_next_ns(int client);
/* The caller stops waiting for one of them, or waits for one more. */
void client_change(int client);
/* For how long the one that has waited longest could have been told, of those that can be since due_from. */
int64_t clients_latest_ns(int64_t calm_since, int64_t due_from);
bool clients_wait(void);
bool clients_await_start(void);
void clients_end(void);
/* A process has been opened by the current actor. */
void client_opened(const struct process *p, uint64_t start);

#endif
