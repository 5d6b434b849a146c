/*
 * The event loop: timers, descriptors and signals. The only module that uses libevent.
 *
 * An event that cannot be added would leave a client waiting forever, so the process ends, as it does when
 * an allocation fails: its clients then rely on the marker file. All callbacks get their context last.
 */
#ifndef DAEMON_LOOP_H
#define DAEMON_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct loop_timer;
struct loop_fd;
struct loop_signal;

/* Call it before the first loop. Makes the library allocate with xalloc and write to the log; what is not
 * an error becomes a debug message, since the caller reports what a failure means. */
void loop_prepare(void);
/* The library's version, and the loop's polling method; for the log. */
const char *loop_version(void);
const char *loop_method(const struct loop *loop);

/* NULL and errno. */
struct loop *loop_new(void);
/* Timers, descriptor events and signals of the loop must be freed first. */
void loop_free(struct loop *loop);
/* Runs until loop_stop() is called or no event is left that could occur. -1 and errno if the kernel
 * refuses. */
int loop_run(struct loop *loop);
/* Takes effect after the current callback. */
void loop_stop(struct loop *loop);
/* One pass: serves pending events; if there are none and may_wait is set, waits for the next. */
void loop_turn(struct loop *loop, bool may_wait);
/* A number that is the same for all callbacks of a pass, and another one in the next. */
uint64_t loop_pass_number(const struct loop *loop);
/* Runs passes until one finds nothing to serve. */
void loop_settle(struct loop *loop);

/* A timer fires once for each start. Starting a running timer moves it. */
struct loop_timer *loop_timer_new(struct loop *loop, void (*fired)(void *context), void *context);
void loop_timer_start(struct loop_timer *timer, int64_t ms);
void loop_timer_stop(struct loop_timer *timer);
bool loop_timer_runs(const struct loop_timer *timer);
/* NULL: nothing to do. */
void loop_timer_free(struct loop_timer *timer);

/*
 * Fires the timer in the next pass of the loop, after the kernel has been polled again: for work done in
 * slices. loop_fd_raise() is not enough: libevent 2.1 serves what a callback activates in the same pass, so
 * the slices would follow each other before any other event is seen. A timer without a delay is served
 * after the events that are found with it.
 */
void loop_soon(struct loop_timer *timer);

/* LOOP_EDGE: once for each change, only where loop_has_edges(). */
enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_EDGE = 4 };
bool loop_has_edges(const struct loop *loop);

/* Calls ready(fd, context) whenever fd is ready for one of `what`, from start to stop. Free it before the
 * descriptor is closed. */
struct loop_fd *loop_fd_new(
    struct loop *loop, int fd, unsigned what, void (*ready)(int fd, void *context), void *context);
/* As loop_fd_new(), with `size` bytes in the same block, which are the context: for what there is thousands
 * of. They are zero, aligned for pointers, and freed with the event. */
void *loop_fd_new_with(
    struct loop *loop, int fd, unsigned what, void (*ready)(int fd, void *context), size_t size);
/* The event of such a context. */
struct loop_fd *loop_fd_of(void *context);
int loop_fd_number(const struct loop_fd *event);
/* Stops it; it is ready for another `what` from the next start on. */
void loop_fd_change(struct loop_fd *event, unsigned what);
void loop_fd_start(struct loop_fd *event);
/* As loop_fd_start(), for a caller that handles failure (fs.epoll.max_user_watches): -1 and errno. */
int loop_fd_try_start(struct loop_fd *event);
void loop_fd_stop(struct loop_fd *event);
/* Calls ready() in this pass of the loop, also while it is stopped. */
void loop_fd_raise(struct loop_fd *event);
/* NULL: nothing to do. */
void loop_fd_free(struct loop_fd *event);
/* Calls ready(fd) once, when fd is readable. Calls still pending when the loop is freed are dropped. */
void loop_once(struct loop *loop, int fd, void (*ready)(int fd));

/* Handles the signal from now on. */
struct loop_signal *loop_signal_new(
    struct loop *loop, int signal, void (*raised)(int signal, void *context), void *context);
void loop_signal_free(struct loop_signal *event);

#endif
