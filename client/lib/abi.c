#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "client/lib/abi.h"
#include "src/hot.h"

/* Of the first version with sizes. These never change, whatever is added to the structures. */
#define LEAST_OPTIONS	  (offsetof(struct readyd_options, flags) + sizeof(unsigned))
#define LEAST_ANSWER	  (offsetof(struct readyd_answer, start) + sizeof(uint64_t))
#define LEAST_EXPLANATION (offsetof(struct readyd_explanation, path) + 1152)
#define LEAST_EVENT	  (offsetof(struct readyd_event, name) + 64)
/* A structure that was not initialised is refused. */
#define MOST 4096

static int check(size_t size, size_t least)
{
	if (size >= least && size <= MOST)
		return 0;
	errno = EINVAL;
	return -1;
}

static bool is_zero(const unsigned char *bytes, size_t count)
{
	while (count > 0 && bytes[count - 1] == 0)
		count--;
	return count == 0;
}

int abi_take_options(struct readyd_options *options, const struct readyd_options *given)
{
	const size_t known = sizeof(*options);

	*options = (struct readyd_options)READYD_OPTIONS_INIT;
	if (given == NULL)
		return 0;
	if (check(given->size, LEAST_OPTIONS) != 0)
		return -1;
	if (given->size > known && !is_zero((const unsigned char *)given + known, given->size - known)) {
		errno = E2BIG;
		return -1;
	}
	memcpy(options, given, given->size < known ? given->size : known);
	return 0;
}

int abi_check_answer(const struct readyd_answer *answer)
{
	return check(answer->size, LEAST_ANSWER);
}

int abi_check_explanation(const struct readyd_explanation *explanation)
{
	return check(explanation->size, LEAST_EXPLANATION);
}

int abi_check_event(const struct readyd_event *event)
{
	return check(event->size, LEAST_EVENT);
}

/* The size, which comes first, stays that of the caller. */
static void give(void *to, size_t room, const void *from, size_t known)
{
	memset(to, 0, room);
	memcpy(to, from, room < known ? room : known);
	memcpy(to, &room, sizeof(room));
}

HOT void abi_give_answer(struct readyd_answer *to, const struct readyd_answer *answer)
{
	give(to, to->size, answer, sizeof(*answer));
}

void abi_give_explanation(struct readyd_explanation *to, const struct readyd_explanation *explanation)
{
	give(to, to->size, explanation, sizeof(*explanation));
}

void abi_give_event(struct readyd_event *to, const struct readyd_event *event)
{
	give(to, to->size, event, sizeof(*event));
}

struct readyd_answer *abi_next_answer(struct readyd_answer *answer)
{
	return (struct readyd_answer *)((char *)answer + answer->size);
}
