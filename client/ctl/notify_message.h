/* A message of sd_notify(3). Pure. */
#ifndef CLIENT_NOTIFY_MESSAGE_H
#define CLIENT_NOTIFY_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#define NOTIFY_STATUS_SIZE 256

struct notify_message {
	bool ready;
	bool has_status;
	char status[NOTIFY_STATUS_SIZE]; /* cut, terminated by a NUL */
};

void notify_message_parse(struct notify_message *m, const char *text, size_t length);

#endif
