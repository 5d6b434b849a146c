#include "config.h"

#include <event2/event.h>

#include "daemon/registry.h"
#include "daemon/loop.h"
#include "daemon/xalloc.h"
#include "daemon/pidwatch.h"

struct pidwatch {
	struct event *event;
	struct registry_entry *entry;
	void (*ended)(struct registry_entry *entry, void *context);
	void *context;
};

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct pidwatch *watch = arg;

	(void)fd;
	(void)what;
	watch->ended(watch->entry, watch->context);
}

void pidwatch_start(struct event_base *base, struct registry_entry *entry,
    void (*ended)(struct registry_entry *entry, void *context), void *context)
{
	struct pidwatch *watch;

	if (entry->process.fd < 0)
		return;
	watch = xalloc_new(sizeof(*watch));
	watch->entry = entry;
	watch->ended = ended;
	watch->context = context;
	watch->event = event_new(base, entry->process.fd, EV_READ | EV_PERSIST, on_readable, watch);
	loop_add(watch->event, NULL);
	entry->watch = watch;
}

void pidwatch_stop(struct registry_entry *entry)
{
	if (entry->watch == NULL)
		return;
	event_free(entry->watch->event);
	xalloc_free(entry->watch);
	entry->watch = NULL;
}
