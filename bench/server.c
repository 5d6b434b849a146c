#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/server.h"
#include "bench/tool.h"
#include "bench/tree.h"
#include "src/sock.h"

#define START_LIMIT_NS 10000000000LL
#define MAX_ARGUMENTS  24

static const char *const names[] = {"none", "readyd", "redis-server", "memcached"};
static pid_t pids[SERVER_KINDS];

const char *server_socket(const struct bench *bench, enum server_kind kind)
{
	static char paths[SERVER_KINDS][BENCH_PATH_SIZE];

	snprintf(paths[kind], sizeof(paths[kind]), "%s/%s.sock", bench->dir, names[kind]);
	return paths[kind];
}

pid_t server_pid(enum server_kind kind)
{
	return pids[kind];
}

const char *server_name(pid_t pid)
{
	for (int kind = 1; kind < SERVER_KINDS; kind++)
		if (pids[kind] == pid)
			return names[kind];
	return NULL;
}

int64_t server_end(enum server_kind kind, int sig)
{
	struct rusage usage;

	kill(pids[kind], sig);
	if (wait4(pids[kind], NULL, 0, &usage) != pids[kind])
		fail_errno("%s", names[kind]);
	pids[kind] = 0;
	return ((int64_t)usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000 +
	       ((int64_t)usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

void server_stop(enum server_kind kind)
{
	if (pids[kind] != 0)
		(void)server_end(kind, SIGKILL);
}

bool server_is_installed(enum server_kind kind)
{
	return kind == SERVER_NONE || kind == SERVER_READYD || tool_is_installed(names[kind]);
}

int64_t server_cpu(enum server_kind kind)
{
	struct tree tree = {0};
	int64_t sum;

	if (pids[kind] == 0)
		return 0;
	tree_scan_below(&tree, pids[kind]);
	sum = cpu_of(pids[kind]) + tree_cpu(&tree);
	tree_fini(&tree);
	return sum;
}

static void stop_all(void)
{
	for (int kind = 1; kind < SERVER_KINDS; kind++)
		server_stop((enum server_kind)kind);
}

/* As users start them, but with private sockets, and nothing is saved to disk.
 * memcached refuses to run as root without -u; as another user it ignores the option. */
static void fill_arguments(const struct bench *bench, enum server_kind kind, char **argv)
{
	static char readyd[BENCH_PATH_SIZE];
	char *socket = strdup(server_socket(bench, kind));
	char *const of_readyd[] = {readyd, "--socket", socket, "--dir", strdup(bench->markers), "--log-level",
	    "warning", "--max-clients", "32768", "--max-waits", "32768", NULL};
	char *const of_redis[] = {"redis-server", "--port", "0", "--unixsocket", socket, "--save", "",
	    "--appendonly", "no", "--maxclients", "16384", "--dir", strdup(bench->dir), NULL};
	char *const of_memcached[] = {
	    "memcached", "-s", socket, "-U", "0", "-c", "16384", "-u", "root", NULL};
	char *const *const all[] = {NULL, of_readyd, of_redis, of_memcached};

	snprintf(readyd, sizeof(readyd), "%s/daemon/readyd", bench->bin);
	for (int i = 0; i == 0 || argv[i - 1] != NULL; i++)
		argv[i] = all[kind][i];
}

__attribute__((noreturn)) static void exec_server(const struct bench *bench, enum server_kind kind)
{
	char *argv[MAX_ARGUMENTS], path[BENCH_PATH_SIZE + 16];
	int log;

	fill_arguments(bench, kind, argv);
	snprintf(path, sizeof(path), "%s/%s.log", bench->dir, names[kind]);
	log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (log < 0 || dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)
		fail_errno("%s", path);
	execvp(argv[0], argv);
	fail_errno("%s", argv[0]);
}

void server_spawn(const struct bench *bench, enum server_kind kind)
{
	static bool registered;

	if (!registered)
		atexit(stop_all);
	registered = true;
	(void)unlink(server_socket(bench, kind));
	pids[kind] = bench_fork();
	if (pids[kind] == 0)
		exec_server(bench, kind);
}

void server_await(const struct bench *bench, enum server_kind kind)
{
	int64_t limit = now_ns() + START_LIMIT_NS;
	int sock;

	while ((sock = sock_connect(server_socket(bench, kind))) < 0) {
		if (waitpid(pids[kind], NULL, WNOHANG) != 0) {
			pids[kind] = 0;
			fail("%s has failed to start; see %s/%s.log", names[kind], bench->dir, names[kind]);
		}
		if (now_ns() > limit)
			fail("%s does not accept connections", names[kind]);
		sleep_us(100);
	}
	close(sock);
}

void server_start(const struct bench *bench, enum server_kind kind)
{
	if (kind == SERVER_NONE || pids[kind] != 0)
		return;
	server_spawn(bench, kind);
	server_await(bench, kind);
}
