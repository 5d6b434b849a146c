/* The check of what the daemon believes, whether it has told a client or not. */
#ifndef TESTS_SIM_BELIEFS_H
#define TESTS_SIM_BELIEFS_H

struct registry;

/* Fails the schedule where the daemon knows better than it believes. */
void beliefs_check(const struct registry *registry);

#endif
