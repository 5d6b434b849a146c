#include "config.h"

#include <stddef.h>

#include "daemon/turns.h"

void turns_init(struct turns *turns)
{
	TAILQ_INIT(&turns->users);
	turns->count = 0;
}

void turns_user_init(struct turns_user *user)
{
	*user = (struct turns_user){.budget = TURNS_BUDGET};
	TAILQ_INIT(&user->clients);
}

unsigned turns_budget(struct turns_user *user, uint64_t pass)
{
	if (user->pass != pass)
		user->budget = TURNS_BUDGET;
	user->pass = pass;
	return user->budget;
}

bool turns_is_free(struct turns_user *user, uint64_t pass)
{
	return TAILQ_EMPTY(&user->clients) && turns_budget(user, pass) > 0;
}

void turns_spend(struct turns_user *user, uint64_t cost)
{
	user->budget -= cost < user->budget ? (unsigned)cost : user->budget;
}

void turns_queue(struct turns *turns, struct turns_user *user, struct turns_client *client)
{
	if (client->user != NULL)
		return;
	if (TAILQ_EMPTY(&user->clients)) {
		TAILQ_INSERT_TAIL(&turns->users, user, link);
		turns->count++;
	}
	client->user = user;
	TAILQ_INSERT_TAIL(&user->clients, client, link);
}

void turns_cancel(struct turns *turns, struct turns_client *client)
{
	struct turns_user *user = client->user;

	if (user == NULL)
		return;
	client->user = NULL;
	TAILQ_REMOVE(&user->clients, client, link);
	if (!TAILQ_EMPTY(&user->clients))
		return;
	TAILQ_REMOVE(&turns->users, user, link);
	turns->count--;
}

struct turns_client *turns_next(struct turns *turns, uint64_t pass)
{
	struct turns_client *client;
	struct turns_user *user;

	for (unsigned n = 0; n < turns->count; n++) {
		user = TAILQ_FIRST(&turns->users);
		TAILQ_REMOVE(&turns->users, user, link);
		TAILQ_INSERT_TAIL(&turns->users, user, link);
		if (turns_budget(user, pass) == 0)
			continue;
		client = TAILQ_FIRST(&user->clients);
		turns_cancel(turns, client);
		return client;
	}
	return NULL;
}
