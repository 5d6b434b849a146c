#include "config.h"

#include <string.h>

#include "client/ctl/notify_message.h"

static void take_line(struct notify_message *m, const char *line, size_t length)
{
	static const char ready[] = "READY=1", status[] = "STATUS=";
	size_t begin = sizeof(status) - 1, rest;

	if (length == sizeof(ready) - 1 && memcmp(line, ready, length) == 0)
		m->ready = true;
	if (length < begin || memcmp(line, status, begin) != 0)
		return;
	rest = length - begin;
	if (rest >= sizeof(m->status))
		rest = sizeof(m->status) - 1;
	memcpy(m->status, line + begin, rest);
	m->status[rest] = '\0';
	m->has_status = true;
}

void notify_message_parse(struct notify_message *m, const char *text, size_t length)
{
	const char *end;

	*m = (struct notify_message){.ready = false};
	while ((end = memchr(text, '\n', length)) != NULL) {
		take_line(m, text, (size_t)(end - text));
		length -= (size_t)(end - text) + 1;
		text = end + 1;
	}
	take_line(m, text, length);
}
