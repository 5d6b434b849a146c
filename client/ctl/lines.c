#include "config.h"

#include <string.h>

#include "client/ctl/lines.h"

static void end_line(struct lines *l)
{
	l->current[l->length] = '\0';
	if (l->current[0] != '\0')
		memcpy(l->last, l->current, l->length + 1);
	l->length = 0;
	if (l->on_line != NULL)
		l->on_line(l->current, l->context);
}

static void add(struct lines *l, const char *data, size_t count)
{
	size_t room = LINES_SIZE - 1 - l->length;

	if (count > room)
		count = room;
	memcpy(l->current + l->length, data, count);
	l->length += count;
}

void lines_feed(struct lines *l, const char *data, size_t count)
{
	const char *end;

	while (count > 0 && (end = memchr(data, '\n', count)) != NULL) {
		size_t length = (size_t)(end - data);

		add(l, data, length);
		end_line(l);
		data = end + 1;
		count -= length + 1;
	}
	add(l, data, count);
}

void lines_end(struct lines *l)
{
	if (l->length > 0)
		end_line(l);
}

const char *lines_last(struct lines *l)
{
	l->current[l->length] = '\0';
	return l->current[0] != '\0' ? l->current : l->last;
}
