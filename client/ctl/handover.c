#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "client/ctl/command_line.h"
#include "client/ctl/handover.h"
#include "client/ctl/interrupts.h"
#include "src/escape.h"

static const int changed[] = {SIGPIPE, SIGCHLD};
static struct sigaction actions[sizeof(changed) / sizeof(changed[0])];
static struct rlimit descriptors;
static bool has_limit;

void handover_prepare(void)
{
	for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++)
		(void)sigaction(changed[i], NULL, &actions[i]);
	has_limit = getrlimit(RLIMIT_NOFILE, &descriptors) == 0;
}

void handover_restore_signals(void)
{
	for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++)
		(void)sigaction(changed[i], &actions[i], NULL);
}

int handover(char **command)
{
	char name[1024];
	int error;

	/* One that came when the wait was over is not lost. */
	if (interrupts_caught() != 0)
		interrupts_die(interrupts_caught());
	handover_restore_signals();
	if (has_limit)
		(void)prlimit(0, RLIMIT_NOFILE, &descriptors, NULL);
	(void)execvp(command[0], command);
	error = errno;
	fprintf(stderr, "readyctl: cannot execute %s: %s\n", escape_text(name, sizeof(name), command[0]),
	    strerror(error));
	return error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTED;
}
