/* The command line. */
#ifndef PROBE_OPTIONS_H
#define PROBE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum options_result {
	OPTIONS_RUN,
	OPTIONS_HELP,
	OPTIONS_VERSION,
	OPTIONS_WRONG,
};

struct options {
	pid_t pid;
	bool json;
	unsigned snapshots;
	/* 0: not given. */
	unsigned interval_ms, abort_after_ms;
	/* NULL: not given. */
	const char *sidecar;
};

/* An option is given by its whole name. After OPTIONS_WRONG, error says why. */
enum options_result options_parse(struct options *options, char **argv, char error[256]);

#endif
