#include "config.h"

#include "daemon/xalloc.h"
/* Before uthash.h, which on a failed allocation would exit(-1) without a message. */
#define uthash_malloc(size)	 xalloc_new(size)
#define uthash_free(block, size) xalloc_free(block)
#include <uthash.h>

#include "daemon/name_index.h"

struct name_list {
	struct name_key key;
	LIST_HEAD(, name_item) items;
	UT_hash_handle hh;
};

static struct name_list *find(const struct name_index *index, struct name_key key)
{
	struct name_list *list;

	HASH_FIND(hh, index->lists, &key, sizeof(key), list);
	return list;
}

static struct name_list *add_list(struct name_index *index, struct name_key key)
{
	struct name_list *list = xalloc_new(sizeof(*list));

	list->key = key;
	LIST_INIT(&list->items);
	HASH_ADD(hh, index->lists, key, sizeof(key), list);
	return list;
}

void name_index_set(struct name_index *index, struct name_item *item, struct name_key key)
{
	struct name_list *list;

	if (item->list != NULL && item->list->key.wd == key.wd && item->list->key.ns_pid == key.ns_pid)
		return;
	name_index_remove(index, item);
	list = find(index, key);
	if (list == NULL)
		list = add_list(index, key);
	LIST_INSERT_HEAD(&list->items, item, link);
	item->list = list;
}

void name_index_remove(struct name_index *index, struct name_item *item)
{
	struct name_list *list = item->list;

	if (list == NULL)
		return;
	LIST_REMOVE(item, link);
	item->list = NULL;
	if (!LIST_EMPTY(&list->items))
		return;
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): the list is in the table, so there is one */
	HASH_DEL(index->lists, list);
	xalloc_free(list);
}

struct name_item *name_index_first(const struct name_index *index, struct name_key key)
{
	struct name_list *list = find(index, key);

	return list == NULL ? NULL : LIST_FIRST(&list->items);
}

struct name_key name_index_key(const struct name_item *item)
{
	return item->list->key;
}
