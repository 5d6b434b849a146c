#include "config.h"

#include "daemon/agenda.h"

void agenda_init(struct agenda *agenda)
{
	turns_init(&agenda->turns);
	TAILQ_INIT(&agenda->users);
	agenda->polled = 0;
}

void agenda_user_init(struct agenda_user *user)
{
	turns_user_init(&user->turns);
	TAILQ_INIT(&user->polled);
}

static void begin_polling(struct agenda *agenda, struct agenda_user *user, struct agenda_item *item)
{
	if (item->user != NULL)
		return;
	if (TAILQ_EMPTY(&user->polled))
		TAILQ_INSERT_TAIL(&agenda->users, user, link);
	TAILQ_INSERT_TAIL(&user->polled, item, link);
	item->user = user;
	agenda->polled++;
}

static void end_polling(struct agenda *agenda, struct agenda_item *item)
{
	struct agenda_user *user = item->user;

	if (user == NULL)
		return;
	TAILQ_REMOVE(&user->polled, item, link);
	item->user = NULL;
	agenda->polled--;
	if (TAILQ_EMPTY(&user->polled))
		TAILQ_REMOVE(&agenda->users, user, link);
}

void agenda_poll(struct agenda *agenda, struct agenda_user *user, struct agenda_item *item, bool polled)
{
	if (polled)
		begin_polling(agenda, user, item);
	else
		end_polling(agenda, item);
}

void agenda_queue(struct agenda *agenda, struct agenda_user *user, struct agenda_item *item)
{
	turns_queue(&agenda->turns, &user->turns, &item->due);
}

void agenda_move(struct agenda *agenda, struct agenda_user *user, struct agenda_item *item)
{
	const bool polled = item->user != NULL, due = item->due.user != NULL;

	agenda_drop(agenda, item);
	agenda_poll(agenda, user, item, polled);
	if (due)
		agenda_queue(agenda, user, item);
}

void agenda_drop(struct agenda *agenda, struct agenda_item *item)
{
	end_polling(agenda, item);
	turns_cancel(&agenda->turns, &item->due);
}

static void tick_user(struct agenda *agenda, struct agenda_user *user)
{
	struct agenda_item *first = TAILQ_FIRST(&user->polled), *item = first;

	for (unsigned n = 0; n < AGENDA_OF_TICK && (n == 0 || item != first); n++) {
		TAILQ_REMOVE(&user->polled, item, link);
		TAILQ_INSERT_TAIL(&user->polled, item, link);
		agenda_queue(agenda, user, item);
		item = TAILQ_FIRST(&user->polled);
	}
}

void agenda_tick(struct agenda *agenda)
{
	struct agenda_user *user;

	TAILQ_FOREACH (user, &agenda->users, link)
		tick_user(agenda, user);
}

struct agenda_item *agenda_next(struct agenda *agenda, uint64_t pass)
{
	struct turns_client *client = turns_next(&agenda->turns, pass);

	return (struct agenda_item *)client;
}

bool agenda_is_due(const struct agenda *agenda)
{
	return agenda->turns.count > 0;
}
