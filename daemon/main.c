#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/options.h"
#include "daemon/rights.h"
#include "daemon/sandbox.h"
#include "daemon/scout.h"
#include "daemon/server.h"
#include "daemon/supervisor.h"
#include "src/process_root.h"
#include "src/program.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

#ifdef HAVE_JEMALLOC
/* One thread, few allocations: a single arena, no caches, and unused pages are returned at once. */
const char *malloc_conf = "narenas:1,tcache:false,dirty_decay_ms:0,muzzy_decay_ms:0";
#endif

/* Dispositions, masks, timers and the working directory are inherited; a guest's first process may have set
 * any. With a mask of 0777, the lock file could not be opened a second time. All paths are absolute, so the
 * file system that the daemon was started in need not stay busy. */
static void reset_inherited(void)
{
	/* That of a timer which an earlier program has set, also where it is pending already. A log that has
	 * reached the limit of a file's size is not worth the end of the daemon. */
	static const int ignored[] = {SIGPIPE, SIGXFSZ, SIGALRM, SIGVTALRM, SIGPROF};
	sigset_t none;

	(void)umask(077);
	(void)!chdir("/");
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Before there is a descriptor that a scout must not hold; those that were inherited it closes. */
static void start_spawner(struct server_config *config)
{
	struct account account = config->account;

	account.group = NULL; /* it creates nothing */
	config->spawner = spawner_start(config->ready_fd, &account, &config->spawner_pid);
	if (config->spawner < 0)
		log_warning(
		    "cannot start the process that starts scouts: %s; processes with another root are "
		    "unreachable",
		    strerror(errno));
}

/* Without the user or the group that was asked for, the daemon does not serve. */
static int refuse_to_stay(const struct account *account)
{
	if (account->name != NULL)
		log_error("cannot change to the user %s: %s; start readyd as root, or without --user",
		    account->name, strerror(errno));
	else
		log_error(
		    "cannot change to the group of --socket-group: %s; start readyd as root, or without it",
		    strerror(errno));
	return -1;
}

/* Before the socket is bound: what the daemon can do at the start, it can then do again later. */
static int give_up_rights(const struct account *account)
{
	const char *no_filter;

	if (rights_reduce(RIGHTS_OF_LOOP, account) != 0) {
		if (account->name != NULL || account->group != NULL)
			return refuse_to_stay(account);
		log_warning("cannot give up rights: %s", strerror(errno));
	}
	no_filter = sandbox_start();
	if (no_filter != NULL)
		log_info("no filter of system calls: %s", no_filter);
	/* As in a unit of systemd with RestrictSUIDSGID=. */
	if (!process_root_can_open())
		log_warning("openat2() is not available; processes with another root are unreachable");
	return 0;
}

int main(int argc, char **argv)
{
	struct server_config config;

	program_fill_standard_descriptors();
	log_find_journal();
	switch (options_parse(argc, argv, &config)) {
	case OPTIONS_DONE:
		if (fflush(stdout) == 0)
			return EXIT_OK;
		fprintf(stderr, "readyd: cannot write to standard output: %s\n", strerror(errno));
		return EXIT_FAILED;
	case OPTIONS_BAD:
		return EXIT_USAGE;
	case OPTIONS_SERVE:
		break;
	}
	reset_inherited();
	/* Every client and every ready process uses a descriptor. */
	if (program_raise_descriptor_limit() != 0)
		log_warning("cannot raise the descriptor limit: %s", strerror(errno));
	start_spawner(&config);
	if (give_up_rights(&config.account) != 0)
		return EXIT_FAILED;
	loop_prepare();
	config.inherited = supervisor_inherited();
	if (config.inherited == -2)
		return EXIT_FAILED;
	return server_run(&config) == 0 ? EXIT_OK : EXIT_FAILED;
}
