#include <stdlib.h>

#include "probe/failure.h"
#include "probe/report.h"

const char *reading_error_name(enum reading_error error)
{
	switch (error) {
	case READING_OK:
		return "ok";
	case READING_PTRACE_SEIZE:
		return "ptrace-seize";
	case READING_PTRACE_INTERRUPT:
		return "ptrace-interrupt";
	case READING_WAITPID:
		return "waitpid";
	case READING_GET_REGSET:
		return "get-regset";
	case READING_PROCESS_VM_READV:
		return "process-vm-readv";
	case READING_TLS_ARITHMETIC:
		return "tls-arithmetic";
	}
	return "unknown";
}

/* Room for one more element after count; doubles when count is a power of two. */
static void *grow(void *array, size_t count, size_t size)
{
	if ((count & (count - 1)) != 0)
		return array;
	array = reallocarray(array, count == 0 ? 1 : 2 * count, size);
	if (array == NULL)
		failure_out_of_memory();
	return array;
}

struct snapshot *report_add(struct report *report)
{
	report->snapshots = grow(report->snapshots, report->count, sizeof(*report->snapshots));
	report->snapshots[report->count] = (struct snapshot){0};
	return &report->snapshots[report->count++];
}

struct reading *snapshot_add(struct snapshot *snapshot, pid_t tid)
{
	snapshot->readings = grow(snapshot->readings, snapshot->count, sizeof(*snapshot->readings));
	snapshot->readings[snapshot->count] = (struct reading){.tid = tid};
	return &snapshot->readings[snapshot->count++];
}

bool report_is_failure(const struct report *report)
{
	for (size_t i = 0; i < report->count; i++)
		for (size_t j = 0; j < report->snapshots[i].count; j++)
			if (report->snapshots[i].readings[j].error == READING_OK)
				return false;
	return report->count > 0;
}

void report_fini(struct report *report)
{
	for (size_t i = 0; i < report->count; i++)
		free(report->snapshots[i].readings);
	free(report->snapshots);
}
