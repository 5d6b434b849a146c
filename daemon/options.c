#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef HAVE_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

#include "daemon/account.h"
#include "daemon/endpoint.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/options.h"
#include "readyd/marker.h"
#include "readyd/readyd.h"
#include "src/escape.h"
#include "src/number.h"

enum {
	OPT_MODE = 256,
	OPT_SOCKET_GROUP,
	OPT_READY_FD,
	OPT_LOG_LEVEL,
	OPT_MAX_CLIENTS,
	OPT_MAX_WAITS,
	OPT_PREFIX,
	OPT_TRUSTED_GROUP,
	OPT_USER,
	OPT_VERSION
};

static const struct option longopts[] = {
    {"dir", required_argument, NULL, 'd'},
    {"prefix", required_argument, NULL, OPT_PREFIX},
    {"socket", required_argument, NULL, 's'},
    {"socket-mode", required_argument, NULL, OPT_MODE},
    {"socket-group", required_argument, NULL, OPT_SOCKET_GROUP},
    {"ready-fd", required_argument, NULL, OPT_READY_FD},
    {"max-clients", required_argument, NULL, OPT_MAX_CLIENTS},
    {"max-waits", required_argument, NULL, OPT_MAX_WAITS},
    {"user", required_argument, NULL, OPT_USER},
    {"trusted-group", required_argument, NULL, OPT_TRUSTED_GROUP},
    {"log-level", required_argument, NULL, OPT_LOG_LEVEL},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

static const char help[] =
    "Usage: readyd [OPTION]...\n"
    "Watches a directory for worker-ready markers and lets any number of programs wait for them.\n"
    "Stays in the foreground and serves until SIGTERM or SIGINT.\n"
    "\n"
    "  -d, --dir DIR           the marker directory (" READYD_MARKER_DIR ")\n"
    "      --prefix NAME       the marker's name without the pid (" READYD_MARKER_NAME_PREFIX ")\n"
    "  -s, --socket PATH       the socket to listen on (" READYD_DEFAULT_SOCKET ")\n"
    "      --socket-mode MODE  its permissions, octal (0666: every user may connect)\n"
    "      --socket-group G    its group, a name or GID; also give --socket-mode 0660\n"
    "      --ready-fd N        write a newline to descriptor N when serving, and close it\n"
    "      --max-clients N     maximum number of connections (16384)\n"
    "      --max-waits N       maximum number of waits per connection (4096)\n"
    "      --user NAME         run as this user, or as UID[:GID], with little more than its rights\n"
    "      --trusted-group G   with hidepid, tell the members of this group, a name or GID, all\n"
    "      --log-level LEVEL   error, warning, info or debug (info); logs to standard error\n"
    "  -h, --help              print this help and exit\n"
    "      --version           print the versions of readyd, libevent and the allocator, and exit\n"
    "\n"
    "NOTIFY_SOCKET and LISTEN_FDS are honoured. See readyd(8).\n";

static void print_version(void)
{
	const char *allocator = "none (the C library's malloc)";

#ifdef HAVE_JEMALLOC
	size_t len = sizeof(allocator); /* NOLINT(bugprone-sizeof-expression): it is given a pointer */

	/* Asked of the library itself, so that this line proves that it is linked. */
	if (mallctl("version", &allocator, &len, NULL, 0) != 0)
		allocator = "unknown";
#endif
	printf("readyd %s\nlibevent %s\njemalloc %s\n", PACKAGE_VERSION, loop_version(), allocator);
}

static enum options_result bad(const char *option, const char *value, const char *wanted)
{
	char text[1024];

	fprintf(stderr, "readyd: %s: '%s' is not %s; try 'readyd --help'\n", option,
	    escape_text(text, sizeof(text), value), wanted);
	return OPTIONS_BAD;
}

static int parse_count(const char *text, uint64_t max, uint64_t *value)
{
	return number_parse(text, strlen(text), max, value);
}

static int parse_mode(const char *text, mode_t *mode)
{
	char *end;
	unsigned long value = strtoul(text, &end, 8);

	if (text[0] < '0' || text[0] > '7' || *end != '\0' || value > 0777)
		return -1;
	*mode = (mode_t)value;
	return 0;
}

/* getopt's own message would be a separate line without the hint. */
static enum options_result bad_option(const char *word, bool lacks_value)
{
	char text[1024];

	fprintf(stderr, "readyd: %s '%s'; try 'readyd --help'\n",
	    lacks_value ? "no value for option" : "unknown option, or one that takes no value:",
	    escape_text(text, sizeof(text), word));
	return OPTIONS_BAD;
}

static enum options_result set_number(int opt, const char *value, struct server_config *config)
{
	uint64_t n;

	if (opt == OPT_READY_FD) {
		if (parse_count(value, INT_MAX, &n) != 0 || fcntl((int)n, F_GETFD) < 0)
			return bad("--ready-fd", value, "an open descriptor");
		/* Not inherited by children: its reader waits for end of file. */
		(void)fcntl((int)n, F_SETFD, FD_CLOEXEC);
		config->ready_fd = (int)n;
		return OPTIONS_SERVE;
	}
	if (parse_count(value, INT_MAX, &n) != 0 || n == 0)
		return bad(
		    opt == OPT_MAX_CLIENTS ? "--max-clients" : "--max-waits", value, "a positive number");
	*(opt == OPT_MAX_CLIENTS ? &config->max_clients : &config->max_waits) = n;
	return OPTIONS_SERVE;
}

static enum options_result set_socket(const char *value, struct server_config *config)
{
	_Static_assert(ENDPOINT_PATH_MAX == 103, "the message gives the limit");
	if (value[0] != '/')
		return bad("--socket", value, "an absolute path");
	if (strlen(value) > ENDPOINT_PATH_MAX)
		return bad("--socket", value, "a path of at most 103 bytes");
	config->socket = value;
	return OPTIONS_SERVE;
}

static enum options_result set_dir(const char *value, struct server_config *config)
{
	_Static_assert(MARKER_DIR_SIZE == 512, "the message gives the limit");
	if (marker_place_init(&config->place, value, NULL) == 0)
		return OPTIONS_SERVE;
	return bad(
	    "--dir", value, errno == ENAMETOOLONG ? "a path of at most 511 bytes" : "an absolute path");
}

static enum options_result set_prefix(const char *value, struct server_config *config)
{
	_Static_assert(MARKER_PREFIX_SIZE == 64, "the message gives the limit");
	if (marker_place_init(&config->place, NULL, value) == 0)
		return OPTIONS_SERVE;
	return bad("--prefix", value,
	    errno == ENAMETOOLONG ? "a name of at most 63 bytes" : "a name without a slash");
}

static enum options_result set_user(const char *value, struct server_config *config)
{
	if (account_find(value, &config->account) == 0)
		return OPTIONS_SERVE;
	return bad("--user", value,
	    errno == EINVAL ? "a user in /etc/passwd, or UID[:GID]"
			    : "a number, and /etc/passwd cannot be read; use UID[:GID]");
}

static enum options_result set_group(const char *option, const char *value, gid_t *gid)
{
	if (account_find_group(value, gid) == 0)
		return OPTIONS_SERVE;
	return bad(option, value,
	    errno == EINVAL ? "a group in /etc/group, or a GID other than 65534"
			    : "a number, and /etc/group cannot be read; use a GID");
}

static enum options_result set_trusted_group(const char *value, struct server_config *config)
{
	config->has_trusted_group = true;
	return set_group("--trusted-group", value, &config->trusted_group);
}

static enum options_result set_socket_group(const char *value, struct server_config *config)
{
	config->account.group = &config->socket_group;
	return set_group("--socket-group", value, &config->socket_group);
}

static enum options_result set(
    int opt, char *value, struct server_config *config, const char **dir, const char **prefix)
{
	enum log_level level;

	switch (opt) {
	case 'd':
		*dir = value;
		return set_dir(value, config);
	case OPT_PREFIX:
		*prefix = value;
		return set_prefix(value, config);
	case 's':
		return set_socket(value, config);
	case OPT_MODE:
		if (parse_mode(value, &config->socket_mode) != 0)
			return bad("--socket-mode", value, "octal permissions such as 0660");
		return OPTIONS_SERVE;
	case OPT_USER:
		return set_user(value, config);
	case OPT_SOCKET_GROUP:
		return set_socket_group(value, config);
	case OPT_TRUSTED_GROUP:
		return set_trusted_group(value, config);
	case OPT_LOG_LEVEL:
		if (log_parse_level(value, &level) != 0)
			return bad("--log-level", value, "one of error, warning, info, debug");
		log_set_level(level);
		return OPTIONS_SERVE;
	case OPT_READY_FD:
	case OPT_MAX_CLIENTS:
	case OPT_MAX_WAITS:
		return set_number(opt, value, config);
	case OPT_VERSION:
		print_version();
		return OPTIONS_DONE;
	case 'h':
		fputs(help, stdout);
		return OPTIONS_DONE;
	default:
		return OPTIONS_BAD;
	}
}

enum options_result options_parse(int argc, char **argv, struct server_config *config)
{
	enum options_result result;
	const char *dir = NULL, *prefix = NULL;
	int opt;

	*config = (struct server_config){.socket = READYD_DEFAULT_SOCKET,
	    .socket_mode = 0666,
	    .ready_fd = -1,
	    .inherited = -1,
	    .max_clients = 16384,
	    .max_waits = 4096};
	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":d:s:h", longopts, NULL)) != -1) {
		if (opt == '?' || opt == ':')
			return bad_option(argv[optind - 1], opt == ':');
		result = set(opt, optarg, config, &dir, &prefix);
		if (result != OPTIONS_SERVE)
			return result;
	}
	if (optind < argc)
		return bad("argument", argv[optind], "expected: readyd takes options only");
	/* Each has been checked by itself. */
	(void)marker_place_init(&config->place, dir, prefix);
	return OPTIONS_SERVE;
}
