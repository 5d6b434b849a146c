/* readyd's command line. */
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include "daemon/server.h"

enum options_result {
	OPTIONS_SERVE,
	OPTIONS_DONE, /* --help or --version: answered */
	OPTIONS_BAD   /* the reason has been printed */
};

enum options_result options_parse(int argc, char **argv, struct server_config *config);

#endif
