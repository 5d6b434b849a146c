/* Peers that must make the bench fail; peer_send.c has one more. */
#include "config.h"

#include <signal.h>
#include <unistd.h>

#include "bench/peer.h"

static int never_wake(struct field *field, int i)
{
	(void)i;
	field_armed(field);
	futex_wait(&field->shared->over, 0);
	return 0;
}

const struct peer peer_never_wakes = {.name = "never-wakes", .unasked = true, .wait = never_wake};

/* One of them, when it is woken; the others see the marker. */
static int die(struct field *field, int i)
{
	field_armed(field);
	futex_wait(&field->shared->called, 0);
	if (i == 0)
		raise(SIGKILL);
	return 0;
}

static void call(struct field *field)
{
	field->shared->called = 1;
	futex_wake_all(&field->shared->called);
}

const struct peer peer_dies = {.name = "dies", .unasked = true, .wait = die, .announce = call};

static int lie(struct field *field, int i)
{
	(void)i;
	field_armed(field);
	return 0;
}

const struct peer peer_lies = {.name = "lies", .unasked = true, .wait = lie};
