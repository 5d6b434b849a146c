#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/target.h"

static int by_tid(const void *a, const void *b)
{
	const pid_t left = ((const struct reading *)a)->tid, right = ((const struct reading *)b)->tid;

	return (left > right) - (left < right);
}

static void add_threads(DIR *directory, struct snapshot *snapshot)
{
	const struct dirent *entry;

	/* POSIX: an error is told from the end by errno. */
	for (errno = 0; (entry = readdir(directory)) != NULL; errno = 0)
		if (entry->d_name[0] != '.')
			snapshot_add(snapshot, (pid_t)strtol(entry->d_name, NULL, 10));
}

int target_list_threads(const struct target *target, struct snapshot *snapshot, struct failure *failure)
{
	char path[64];
	DIR *directory;
	int error;

	snprintf(path, sizeof(path), "/proc/%ld/task", (long)target->pid);
	directory = opendir(path);
	if (directory == NULL)
		return failure_set(
		    failure, FAILURE_TID_ENUMERATION, "cannot open %s: %s", path, strerror(errno));
	add_threads(directory, snapshot);
	error = errno;
	closedir(directory);
	if (error != 0)
		return failure_set(
		    failure, FAILURE_TID_ENUMERATION, "cannot read %s: %s", path, strerror(error));
	if (snapshot->count > 1)
		qsort(snapshot->readings, snapshot->count, sizeof(*snapshot->readings), by_tid);
	return 0;
}

/* Sets text to the file of the thread; empty if it cannot be read. */
static void read_file(const struct target *target, pid_t tid, const char *name, char *text, size_t size)
{
	char path[96];
	FILE *file;

	text[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%ld/task/%ld/%s", (long)target->pid, (long)tid, name);
	file = fopen(path, "re");
	if (file == NULL)
		return;
	text[fread(text, 1, size - 1, file)] = '\0';
	fclose(file);
}

void target_describe_thread(const struct target *target, struct reading *reading)
{
	char stat[1024];
	const char *end;

	read_file(target, reading->tid, "comm", reading->comm, sizeof(reading->comm));
	reading->comm[strcspn(reading->comm, "\n")] = '\0';
	read_file(target, reading->tid, "stat", stat, sizeof(stat));
	/* The name may contain anything; field 3 follows it, and the start time is field 22. */
	end = strrchr(stat, ')');
	if (end == NULL ||
	    sscanf(end + 1,
		" %*c" /* 4 to 21 */
		" %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64,
		&reading->start_time) != 1)
		reading->start_time = 0;
}
