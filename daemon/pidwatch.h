/* Notices that a registry entry's process has ended: one event on its pidfd. */
#ifndef DAEMON_PIDWATCH_H
#define DAEMON_PIDWATCH_H

struct loop;
struct registry_entry;

/* ended(entry, context) is a hint to recheck. An entry without a pidfd is not watched: the tick covers
 * it. */
void pidwatch_start(struct loop *loop, struct registry_entry *entry,
    void (*ended)(struct registry_entry *entry, void *context), void *context);
void pidwatch_stop(struct registry_entry *entry);

#endif
