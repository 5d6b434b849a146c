/* inotifywait of inotify-tools as careful shell scripts use it: with -m, so that no event is lost between two
 * runs, and its output is read line by line. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "bench/baseline.h"
#include "bench/tool.h"

static FILE *lines;
static pid_t tool;

static void start_watching(struct trial *trial)
{
	char *argv[] = {"inotifywait", "-m", "-e", "create", "-e", "moved_to", "--format", "%f",
	    (char *)trial->bench->markers, NULL};
	char line[512];
	int out;

	tool = tool_start(argv, &out);
	lines = fdopen(out, "r");
	while (fgets(line, sizeof(line), lines) != NULL)
		if (strncmp(line, "Watches established", 19) == 0)
			return;
	fail("inotifywait has not established its watch: %s", line);
}

static int wait_by_lines(struct trial *trial, int i)
{
	char line[512];

	(void)i;
	start_watching(trial);
	trial_report_armed(trial);
	while (!trial_marker_exists(trial))
		if (fgets(line, sizeof(line), lines) == NULL)
			return -1;
	return 0;
}

static void clean_up(struct trial *trial)
{
	(void)trial;
	kill(tool, SIGKILL);
	waitpid(tool, NULL, 0);
	if (lines != NULL)
		fclose(lines);
	lines = NULL;
}

const struct baseline baseline_inotifywait = {.name = "inotifywait",
    .program = "inotifywait",
    .wait = wait_by_lines,
    .clean_up = clean_up,
    .max_waiters = 1000,
    .max_reason = "two processes for each waiter would take the time that the other baselines need",
    .extra_processes = 1,
    .uses_inotify = true};

/* A single inotifywait with its output discarded: the least that a watching program costs for each file in
 * the directory. */
static int run_monitor(struct trial *trial, int i)
{
	char *argv[] = {
	    "inotifywait", "-m", "-q", "-e", "create", "-e", "moved_to", (char *)trial->bench->markers, NULL};

	(void)i;
	tool = tool_start(argv, NULL);
	trial_report_armed(trial);
	futex_wait(&trial->shared->done, 0);
	return 0;
}

/* The waiter cannot tell when its inotifywait is watching, but /proc/<pid>/fd shows the inotify instance. */
static int count_monitors(struct trial *trial)
{
	struct tree tree = {0};
	int watching = 0;

	tree_scan(&tree);
	for (size_t i = 0; i < tree.count; i++)
		watching += server_name(tree.pids[i]) == NULL &&
			    descriptors_of(tree.pids[i], "anon_inode:inotify") > 0;
	tree_fini(&tree);
	return trial->shared->armed == 0 ? 0 : watching;
}

const struct baseline baseline_monitor = {.name = "inotifywait -m",
    .program = "inotifywait",
    .only_by_name = true,
    .wait = run_monitor,
    .clean_up = clean_up,
    .count_armed = count_monitors,
    .max_waiters = 1,
    .max_reason = "it measures a single watching program",
    .extra_processes = 1,
    .uses_inotify = true};
