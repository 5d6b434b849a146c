/*
 * A thread of the target that is stopped for a moment. The kernel lets it go if the tracing thread of the
 * probe ends, for whatever reason; so it does with a thread that did not stop in time.
 */
#ifndef PROBE_TRACEE_H
#define PROBE_TRACEE_H

#include <stdint.h>
#include <sys/types.h>

#include "probe/report.h"

/* Stops the thread, and reads its thread pointer. After READING_OK, tracee_release() must follow, by the same
 * thread, with the signal that is set here; otherwise nothing, and text says what went wrong. */
enum reading_error tracee_stop(pid_t tid, uint64_t *thread_pointer, int *signal, char *text, size_t size);

void tracee_release(pid_t tid, int signal);

#endif
