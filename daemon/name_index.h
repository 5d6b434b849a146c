/*
 * An index of items by the directory and the number in the name of their marker, so that an event finds those
 * that it may concern. Pure.
 */
#ifndef DAEMON_NAME_INDEX_H
#define DAEMON_NAME_INDEX_H

#include <sys/queue.h>
#include <sys/types.h>

struct name_list;

/* One item; embed it. */
struct name_item {
	struct name_list *list; /* NULL: not in the index */
	LIST_ENTRY(name_item) link;
};

struct name_key {
	int wd; /* of the watch on the directory (src/dirwatch.h); 0: it is ours */
	pid_t ns_pid;
};

struct name_index {
	struct name_list *lists;
};

/* Adds the item, or moves it to another name. */
void name_index_set(struct name_index *index, struct name_item *item, struct name_key key);
/* Ignores an item that is not there. */
void name_index_remove(struct name_index *index, struct name_item *item);

/* The items of one name, in no order: the first, and then the next, which is to be asked for before an item
 * is removed. NULL: none. */
struct name_item *name_index_first(const struct name_index *index, struct name_key key);
static inline struct name_item *name_index_next(const struct name_item *item)
{
	return LIST_NEXT(item, link);
}

/* The name of an item that is in the index. */
struct name_key name_index_key(const struct name_item *item);

#endif
