/*
 * The event loop's failures. Like an allocation that fails, an event that cannot be added would leave
 * somebody waiting for ever; so the daemon stops, and its clients go on by the marker file.
 */
#ifndef DAEMON_LOOP_H
#define DAEMON_LOOP_H

struct event;
struct timeval;

/* event_add(3) that cannot fail: the process ends instead, after one line on stderr. */
void loop_add(struct event *event, const struct timeval *timeout);

/* Has libevent's own words logged: as debugging, since who calls it says what a failure means. */
void loop_take_log(void);

#endif
