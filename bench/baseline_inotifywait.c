/* inotifywait of inotify-tools, as careful shell scripts use it: one that stays, and whose lines are read. */
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
	fail("inotifywait does not watch: %s", line);
}

/* The watch, then a look, then the lines. */
static int wait_by_lines(struct trial *trial, int i)
{
	char line[512];

	(void)i;
	start_watching(trial);
	trial_armed(trial);
	while (!trial_marker_is_there(trial))
		if (fgets(line, sizeof(line), lines) == NULL)
			return -1;
	return 0;
}

static void leave(struct trial *trial)
{
	(void)trial;
	kill(tool, SIGKILL);
	waitpid(tool, NULL, 0);
	if (lines != NULL)
		fclose(lines);
	lines = NULL;
}

const struct baseline baseline_inotifywait = {.name = "inotifywait",
    .wait = wait_by_lines,
    .leave = leave,
    .most = 1000,
    .why_most = "with two processes for each waiter it would use up the time of all others",
    .processes = 1,
    .watches = true};

/* One inotifywait alone, whose lines nobody reads: what is the least that such a program costs for each file
 * in the directory? */
static int only_watch(struct trial *trial, int i)
{
	char *argv[] = {
	    "inotifywait", "-m", "-q", "-e", "create", "-e", "moved_to", (char *)trial->bench->markers, NULL};

	(void)i;
	tool = tool_start(argv, NULL);
	trial_armed(trial);
	futex_wait(&trial->shared->done, 0);
	return 0;
}

/* Its watch shows in its list of descriptors. */
static int monitors(struct trial *trial)
{
	struct tree tree = {0};
	int watching = 0;

	tree_look(&tree);
	for (size_t i = 0; i < tree.count; i++)
		watching += server_name(tree.pids[i]) == NULL &&
			    descriptors_of(tree.pids[i], "anon_inode:inotify") > 0;
	tree_fini(&tree);
	return trial->shared->armed == 0 ? 0 : watching;
}

const struct baseline baseline_monitor = {.name = "inotifywait -m",
    .unasked = true,
    .wait = only_watch,
    .leave = leave,
    .armed = monitors,
    .most = 1,
    .why_most = "it stands for one program that watches",
    .processes = 1,
    .watches = true};
