#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "probe/clock.h"
#include "probe/interrupt.h"
#include "probe/snapshot.h"
#include "probe/tracee.h"

/* A number alone may belong to another thread by now. */
struct known_thread {
	pid_t tid;
	uint64_t start_time, pointer;
};

struct job {
	const struct target *target;
	struct report *report;
	struct snapshot *snapshot;
	const struct pointers *before;
	struct pointers after;
};

/* The threads are in the order of their numbers. NULL also where the start time is not known. */
static const struct known_thread *find_known(const struct pointers *pointers, const struct reading *reading)
{
	size_t low = 0, high = pointers->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (pointers->threads[middle].tid < reading->tid)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == pointers->count || pointers->threads[low].tid != reading->tid ||
	    pointers->threads[low].start_time != reading->start_time || reading->start_time == 0)
		return NULL;
	return &pointers->threads[low];
}

static enum reading_error fail(struct reading *reading, enum reading_error error, const char *why)
{
	snprintf(reading->text, sizeof(reading->text), "thread %ld: %s: %s", (long)reading->tid,
	    reading_error_name(error), why);
	return error;
}

/* What a program that was executed in the meantime has at these addresses is not a counter. */
static enum reading_error read_counters(
    const struct target *target, struct reading *reading, uint64_t pointer)
{
	const size_t size = sizeof(uint64_t);
	const struct iovec local[] = {{&reading->allocated, size}, {&reading->deallocated, size}};
	struct iovec remote[] = {{NULL, size}, {NULL, size}};
	uint64_t allocated, deallocated;
	ssize_t got;

	if (tls_address(&target->layout, pointer, target->offsets.allocated, size, &allocated) != 0 ||
	    tls_address(&target->layout, pointer, target->offsets.deallocated, size, &deallocated) != 0)
		return fail(
		    reading, READING_TLS_ARITHMETIC, "the thread pointer is not that of such a program");
	remote[0].iov_base = (void *)(uintptr_t)allocated;
	remote[1].iov_base = (void *)(uintptr_t)deallocated;
	got = process_vm_readv(reading->tid, local, 2, remote, 2, 0);
	if (got < 0)
		return fail(reading, READING_PROCESS_VM_READV, strerror(errno));
	if (got != (ssize_t)(2 * size))
		return fail(reading, READING_PROCESS_VM_READV, "one counter only is in readable memory");
	if (target_memory_is_gone(target))
		return fail(reading, READING_PROCESS_VM_READV, "the program has ended or was replaced");
	return READING_OK;
}

static void read_thread(struct job *job, struct reading *reading)
{
	const struct known_thread *known = find_known(job->before, reading);
	uint64_t pointer = 0;
	int signal = 0;

	if (known != NULL) {
		pointer = known->pointer;
		reading->error = read_counters(job->target, reading, pointer);
	} else {
		reading->error =
		    tracee_stop(reading->tid, &pointer, &signal, reading->text, sizeof(reading->text));
		if (reading->error != READING_OK)
			return;
		reading->error = read_counters(job->target, reading, pointer);
		tracee_release(reading->tid, signal);
	}
	if (reading->error == READING_OK)
		job->after.threads[job->after.count++] =
		    (struct known_thread){reading->tid, reading->start_time, pointer};
}

static void *read_threads(void *data)
{
	struct job *job = data;
	struct snapshot *snapshot = job->snapshot;
	size_t done = 0;

	for (; done < snapshot->count && !interrupt_pending(); done++) {
		target_describe_thread(job->target, &snapshot->readings[done]);
		read_thread(job, &snapshot->readings[done]);
	}
	job->report->interrupted = done < snapshot->count;
	snapshot->count = done;
	return NULL;
}

/* In a thread of its own, since the kernel then lets go what did not stop in time. */
static int run(struct job *job, struct failure *failure)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, read_threads, job);

	if (error != 0)
		return failure_set(failure, FAILURE_OTHER, "cannot start a thread: %s", strerror(error));
	pthread_join(thread, NULL);
	return 0;
}

int snapshot_take(const struct target *target, struct report *report, struct pointers *pointers,
    int64_t start_ns, struct failure *failure)
{
	struct job job = {target, report, report_add(report), pointers, {0}};
	int result;

	job.snapshot->unix_sec = (uint64_t)time(NULL);
	job.snapshot->elapsed_ns = (uint64_t)(clock_ns() - start_ns);
	if (target_list_threads(target, job.snapshot, failure) != 0)
		return -1;
	job.after.threads = calloc(job.snapshot->count + 1, sizeof(*job.after.threads));
	if (job.after.threads == NULL)
		failure_out_of_memory();
	result = run(&job, failure);
	pointers_fini(pointers);
	*pointers = job.after;
	return result;
}

void pointers_fini(struct pointers *pointers)
{
	free(pointers->threads);
}
