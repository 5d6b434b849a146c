/* What the probe has read. */
#ifndef PROBE_REPORT_H
#define PROBE_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum reading_error {
	READING_OK,
	READING_PTRACE_SEIZE,
	READING_PTRACE_INTERRUPT,
	READING_WAITPID,
	READING_GET_REGSET,
	READING_PROCESS_VM_READV,
	READING_TLS_ARITHMETIC,
};

/* Of one thread in one snapshot. */
struct reading {
	pid_t tid;
	/* Empty or 0: could not be read. */
	char comm[16];
	uint64_t start_time;
	enum reading_error error;
	/* Unless READING_OK: what went wrong. */
	char text[160];
	uint64_t allocated, deallocated;
};

struct snapshot {
	uint64_t unix_sec, elapsed_ns;
	struct reading *readings;
	size_t count;
};

struct report {
	pid_t pid;
	uint64_t started_unix_sec;
	/* 0: one snapshot. */
	unsigned interval_ms;
	bool interrupted;
	struct snapshot *snapshots;
	size_t count;
};

const char *reading_error_name(enum reading_error error);

/* Appends an empty snapshot, and returns it. */
struct snapshot *report_add(struct report *report);

/* Appends a reading of this thread. */
struct reading *snapshot_add(struct snapshot *snapshot, pid_t tid);

/* Whether there are snapshots, and no thread was read in any. */
bool report_is_failure(const struct report *report);

void report_fini(struct report *report);

#endif
