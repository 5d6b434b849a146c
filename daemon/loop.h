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

/*
 * Calls the timer's callback in the next pass of the loop, after the kernel has been asked for events again:
 * for work that is done in slices. event_active(3) does not do that: libevent 2.1 serves what a callback
 * activates in the same pass, so the slices would follow each other before any other event is seen. A timer
 * without a delay is served after the events that are found with it.
 */
void loop_soon(struct event *timer);

/* Has libevent's own words logged: as debugging, since who calls it says what a failure means. */
void loop_take_log(void);

#endif
