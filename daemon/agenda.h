/*
 * Which of the processes that are waited for are checked next. Pure.
 *
 * Most are checked when an event or the directory's stamp says so, and in sweeps. The others are *polled*:
 * each tick makes some of them due, of each user so many at most. What is due is served by turns, so that no
 * user has to wait for those of another one.
 */
#ifndef DAEMON_AGENDA_H
#define DAEMON_AGENDA_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "daemon/turns.h"

/* Polled items of one user that a tick makes due: at 10 us each and 4 ticks a second 0.3 % of a CPU. */
#define AGENDA_OF_TICK 64

struct agenda_item;

/* What a user has on the agenda; embed it. */
struct agenda_user {
	struct turns_user turns;
	TAILQ_HEAD(, agenda_item) polled; /* those that were made due last are at the end */
	TAILQ_ENTRY(agenda_user) link;	  /* in agenda->users while polled is not empty */
};

/* A process; embed it. */
struct agenda_item {
	struct turns_client due;  /* first: cast back to the item */
	struct agenda_user *user; /* NULL: not polled */
	TAILQ_ENTRY(agenda_item) link;
};

struct agenda {
	struct turns turns;
	TAILQ_HEAD(, agenda_user) users;
	size_t polled;
};

void agenda_init(struct agenda *agenda);
void agenda_user_init(struct agenda_user *user);

/* From now on, the item is polled, or not. */
void agenda_poll(struct agenda *agenda, struct agenda_user *user, struct agenda_item *item, bool polled);
/* The item is due. */
void agenda_queue(struct agenda *agenda, struct agenda_user *user, struct agenda_item *item);
/* If it is polled or due, it is so as that user's from now on. */
void agenda_move(struct agenda *agenda, struct agenda_user *user, struct agenda_item *item);
/* It is neither polled nor due any more. */
void agenda_drop(struct agenda *agenda, struct agenda_item *item);

/* A tick: makes polled items due. */
void agenda_tick(struct agenda *agenda);

/* Takes the next item that is due, of a user that has budget left in this pass of the loop; NULL: none. */
struct agenda_item *agenda_next(struct agenda *agenda, uint64_t pass);
/* Whether an item is due, in this pass or a later one. */
bool agenda_is_due(const struct agenda *agenda);

#endif
