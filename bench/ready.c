/* A wait for a marker that exists already: the time from starting a process to its end, which is what a shell
 * script waits. */
#include "config.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/measures.h"
#include "bench/server.h"
#include "readyd/marker.h"

#define RUNS_PER_TURN 20
#define COMMANDS      5

extern char **environ;

struct command {
	const char *name;
	char *argv[8];
	struct samples cost;
};

static void run_once(struct command *command)
{
	int64_t began = now_ns();
	int status;
	pid_t pid;

	if (posix_spawn(&pid, command->argv[0], NULL, NULL, command->argv, environ) != 0)
		fail("%s: cannot be started", command->argv[0]);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		fail("%s: wait status %#x", command->argv[0], (unsigned)status);
	samples_add(&command->cost, now_ns() - began);
}

static void run_all(const struct bench *bench, struct command *commands)
{
	for (int turn = 0; turn < bench->rounds && (turn == 0 || now_ns() < bench->until_ns); turn++)
		for (int i = 0; i < RUNS_PER_TURN; i++)
			for (struct command *c = commands; c->name != NULL; c++)
				run_once(c);
}

/* Leaves out a command that was not built. */
static void add(struct command *commands, const char *name, char *const *argv)
{
	struct command *c = commands;

	if (access(argv[0], X_OK) != 0) {
		left_out("%s: not found", name);
		return;
	}
	while (c->name != NULL)
		c++;
	c->name = name;
	for (int i = 0; argv[i] != NULL; i++)
		c->argv[i] = argv[i];
}

static void print_all(struct command *commands)
{
	printf("command,runs,cost_us,p99_us\n");
	for (struct command *c = commands; c->name != NULL; c++)
		printf("%s,%zu,%.1f,%.1f\n", c->name, c->cost.count,
		    (double)samples_quantile(&c->cost, 0.5) / 1e3,
		    (double)samples_quantile(&c->cost, 0.99) / 1e3);
}

/* The commands wait for the bench itself, which is alive. */
void measure_ready(const struct bench *bench)
{
	static struct command commands[COMMANDS + 1];
	char pid[16], marker[BENCH_PATH_SIZE + 64], dynamic_path[BENCH_PATH_SIZE],
	    static_path[BENCH_PATH_SIZE];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), out = dup(STDOUT_FILENO);

	server_start(bench, SERVER_READYD);
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	snprintf(marker, sizeof(marker), "%s/" READYD_MARKER_NAME_PREFIX "%s", bench->markers, pid);
	snprintf(dynamic_path, sizeof(dynamic_path), "%s/client/readyctl", bench->bin);
	snprintf(static_path, sizeof(static_path), "%s/client/readyctl",
	    bench->static_bin != NULL ? bench->static_bin : "not built");
	setenv("READYD_SOCKET", server_socket(bench, SERVER_READYD), 1);
	setenv("READYD_DIR", bench->markers, 1);
	if (readyd_marker_write(marker) != 0)
		fail_errno("%s", marker);
	add(commands, "/bin/true", (char *[]){"/bin/true", NULL});
	add(commands, "test -e", (char *[]){"/usr/bin/test", "-e", marker, NULL});
	add(commands, "readyctl wait", (char *[]){dynamic_path, "wait", pid, NULL});
	add(commands, "readyctl wait (static)", (char *[]){static_path, "wait", pid, NULL});
	dup2(null, STDOUT_FILENO);
	run_all(bench, commands);
	dup2(out, STDOUT_FILENO);
	print_all(commands);
	unlink(marker);
}
