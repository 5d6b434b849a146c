/* Messages to the service manager; see sd_notify(3). */
#ifndef FLEET_NOTIFY_H
#define FLEET_NOTIFY_H

/* Best effort: without NOTIFY_SOCKET, or if it has no room, nothing is sent. */
void notify(const char *text);

#endif
