#include "config.h"

#include <stdlib.h>

#include "client/ctl/endings.h"

#define LOOK_MS 100

/* It may have ended, and its pid may have been reused: the start decides. */
int endings_add(struct endings *endings, const struct readyd_answer *ready)
{
	size_t room = endings->room == 0 ? 4 : 2 * endings->room;
	struct ending *more;

	if (endings->count == endings->room) {
		more = reallocarray(endings->each, room, sizeof(*more));
		if (more == NULL)
			return -1;
		endings->each = more;
		endings->room = room;
	}
	endings->each[endings->count].ready = *ready;
	endings->each[endings->count].process = (struct process){.fd = -1};
	if (ready->backend != READYD_BACKEND_REMOTE)
		process_open_exact(&endings->each[endings->count].process, ready->pid, ready->start);
	endings->count++;
	return 0;
}

void endings_free(struct endings *endings)
{
	for (size_t i = 0; i < endings->count; i++)
		process_close(&endings->each[i].process);
	free(endings->each);
}

/* The daemon may know the status of one that was reaped. */
static void add_status(const struct readyd_options *options, struct readyd_answer *answer)
{
	struct readyd_answer said = READYD_ANSWER_INIT;

	if (readyd_query_exact(options, answer->pid, answer->start, &said) != 0 ||
	    said.start != answer->start)
		return;
	answer->wait_status = said.wait_status;
	answer->flags |= said.flags & READYD_FLAG_STATUS_HIDDEN;
}

/* It was ready: that cannot become untrue, whatever is left of the marker. */
static struct readyd_answer answer_of(const struct ending *ending, const struct readyd_options *options)
{
	struct readyd_answer answer = ending->ready;

	answer.verdict = READYD_EXITED;
	answer.reason = READYD_REASON_NONE;
	answer.flags = 0;
	answer.wait_status = process_wait_status(&ending->process);
	if (answer.wait_status < 0)
		add_status(options, &answer);
	return answer;
}

bool endings_next(struct endings *endings, const struct readyd_options *options, struct readyd_answer *answer)
{
	for (size_t i = 0; i < endings->count; i++) {
		struct ending *ending = &endings->each[i];

		if (!process_gone(&ending->process))
			continue;
		*answer = answer_of(ending, options);
		process_close(&ending->process);
		*ending = endings->each[--endings->count];
		return true;
	}
	return false;
}

void endings_fill(const struct endings *endings, struct pollfd *fds)
{
	for (size_t i = 0; i < endings->count; i++)
		fds[i] = (struct pollfd){.fd = endings->each[i].process.fd, .events = POLLIN};
}

int endings_interval(const struct endings *endings)
{
	for (size_t i = 0; i < endings->count; i++)
		if (endings->each[i].process.fd < 0)
			return LOOK_MS;
	return -1;
}

const char *endings_state(const struct ending *ending)
{
	const char *word;

	if (ending->ready.backend == READYD_BACKEND_REMOTE)
		return "remote";
	word = process_state_word(process_state(&ending->process));
	return word != NULL ? word : "alive";
}
