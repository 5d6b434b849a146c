#include "config.h"

#include "daemon/registry.h"
#include "daemon/loop.h"
#include "daemon/xalloc.h"
#include "daemon/pidwatch.h"

struct pidwatch {
	struct loop_fd *event;
	struct registry_entry *entry;
	void (*ended)(struct registry_entry *entry, void *context);
	void *context;
};

static void on_readable(int fd, void *context)
{
	struct pidwatch *watch = context;

	(void)fd;
	watch->ended(watch->entry, watch->context);
}

void pidwatch_start(struct loop *loop, struct registry_entry *entry,
    void (*ended)(struct registry_entry *entry, void *context), void *context)
{
	struct pidwatch *watch;

	if (entry->process.fd < 0)
		return;
	watch = xalloc_new(sizeof(*watch));
	watch->entry = entry;
	watch->ended = ended;
	watch->context = context;
	watch->event = loop_fd_new(loop, entry->process.fd, LOOP_READ, on_readable, watch);
	loop_fd_start(watch->event);
	entry->watch = watch;
}

void pidwatch_stop(struct registry_entry *entry)
{
	if (entry->watch == NULL)
		return;
	loop_fd_free(entry->watch->event);
	xalloc_free(entry->watch);
	entry->watch = NULL;
}
