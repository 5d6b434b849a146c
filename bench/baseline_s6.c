/* s6: the waiters subscribe to a fifo directory; the worker notifies it after writing its marker. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/baseline.h"
#include "bench/tool.h"

/* Exit status of s6-ftrig-wait if its helper has not started within seconds, as on a busy machine. */
#define STARTED_TOO_LATE 111

static char *fifodir_of(const struct trial *trial)
{
	static char path[BENCH_PATH_SIZE + 16];

	snprintf(path, sizeof(path), "%s/fifodir", trial->bench->dir);
	return path;
}

static void make_fifodir(struct trial *trial)
{
	char *argv[] = {"s6-mkfifodir", fifodir_of(trial), NULL};

	tool_expect_success(tool_start(argv, NULL), "s6-mkfifodir");
}

/* Counts the subscriptions, each of which is a fifo, and removes them on request. */
static int walk_subscriptions(const struct trial *trial, bool remove)
{
	const char *fifodir = fifodir_of(trial);
	char path[BENCH_PATH_SIZE + 300];
	DIR *dir = opendir(fifodir);
	struct dirent *entry;
	int count = 0;

	if (dir == NULL)
		fail_errno("%s", fifodir);
	while ((entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, "ftrig1:", 7) != 0)
			continue;
		count++;
		snprintf(path, sizeof(path), "%s/%s", fifodir, entry->d_name);
		if (remove && unlink(path) != 0)
			fail_errno("%s", path);
	}
	closedir(dir);
	return count;
}

static int count_subscriptions(struct trial *trial)
{
	return walk_subscriptions(trial, false);
}

static void remove_fifodir(struct trial *trial)
{
	walk_subscriptions(trial, true);
	if (rmdir(fifodir_of(trial)) != 0)
		fail_errno("%s", fifodir_of(trial));
}

static int wait_for_event(struct trial *trial, int i)
{
	char *argv[] = {"s6-ftrig-wait", fifodir_of(trial), "r", NULL};

	int status;

	(void)i;
	while (!trial_marker_exists(trial)) {
		status = tool_wait(tool_start(argv, NULL), "s6-ftrig-wait");
		if (status != 0 && status != STARTED_TOO_LATE)
			fail("s6-ftrig-wait: exit status %d", status);
	}
	return 0;
}

static void notify(struct trial *trial)
{
	char *argv[] = {"s6-ftrig-notify", fifodir_of(trial), "r", NULL};

	tool_expect_success(tool_start(argv, NULL), "s6-ftrig-notify");
}

const struct baseline baseline_s6 = {.name = "s6",
    .program = "s6-ftrig-wait",
    .wait = wait_for_event,
    .max_waiters = 200,
    .max_reason = "three processes for each waiter take longer to start than all other baselines together",
    .extra_processes = 2,
    .open = make_fifodir,
    .count_armed = count_subscriptions,
    .announce = notify,
    .close = remove_fifodir};
