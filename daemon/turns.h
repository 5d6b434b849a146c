/*
 * Which client is served next: users in turn, and the clients of one user in turn. Pure.
 *
 * In each pass of the loop a user has a budget, however many clients it has; what is left over waits in the
 * queue for the next pass. So a client waits for one budget of each other user, not for their clients.
 */
#ifndef DAEMON_TURNS_H
#define DAEMON_TURNS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/* The budget, and what it is spent on. The unit is half a microsecond on a fast machine: a line that shares
 * the look of the line before it. What another user waits for is one budget; a pass of the loop takes several
 * units itself, so the budget holds several looks. The event of a marker is a look, and a search for other
 * processes of that number; examining one of these takes half as long as a look. A scout is waited for during
 * a whole budget, and may take longer: then that user's next look is at least one pass later. */
#define TURNS_BUDGET   64
#define TURNS_LINE     1
#define TURNS_LOOK     15
#define TURNS_NAMESAKE 8
#define TURNS_SCOUT    TURNS_BUDGET
#define TURNS_EVENT    32
#define TURNS_END      15

struct turns_user;

/* A client; embed it. */
struct turns_client {
	struct turns_user *user; /* NULL: not in the queue */
	TAILQ_ENTRY(turns_client) link;
};

struct turns_user {
	TAILQ_HEAD(, turns_client) clients; /* that wait for their turn */
	TAILQ_ENTRY(turns_user) link;	    /* in turns->users while there are any */
	uint64_t pass;			    /* in which budget is what is left */
	unsigned budget;
};

struct turns {
	TAILQ_HEAD(, turns_user) users;
	unsigned count; /* of users */
};

void turns_init(struct turns *turns);
void turns_user_init(struct turns_user *user);

/* Whether a client of the user need not wait: no other one does, and there is budget left in this pass. */
bool turns_is_free(struct turns_user *user, uint64_t pass);
unsigned turns_budget(struct turns_user *user, uint64_t pass);
/* Budget that is not there is not owed. */
void turns_spend(struct turns_user *user, uint64_t cost);

/* Puts the client at the end of its user's queue, unless it is there. */
void turns_queue(struct turns *turns, struct turns_user *user, struct turns_client *client);
/* Ignores a client that is not there. */
void turns_cancel(struct turns *turns, struct turns_client *client);
/* Removes and returns the next client in the queue with a user that has budget left in this pass; NULL: none.
 */
struct turns_client *turns_next(struct turns *turns, uint64_t pass);

#endif
