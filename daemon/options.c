#include "config.h"

#include <errno.h>
#include <fcntl.h>
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
#include "src/arguments.h"
#include "src/escape.h"
#include "src/number.h"
#include "src/vsock.h"

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
	OPT_LISTEN,
	OPT_VSOCK_CID,
	OPT_STREAM
};

#define READYD 1u

static const struct arguments_option table[] = {
    {'d', 'd', "dir", "DIR", "the marker directory (READYD_DIR, else " READYD_MARKER_DIR ")", READYD},
    {OPT_PREFIX, 0, "prefix", "NAME", "the marker's name without the pid (" READYD_MARKER_NAME_PREFIX ")",
	READYD},
    {'s', 's', "socket", "PATH",
	"the socket to listen on (READYD_SOCKET, else " READYD_DEFAULT_SOCKET ");\n@NAME: an abstract socket",
	READYD},
    {OPT_MODE, 0, "socket-mode", "MODE", "its permissions, octal (0666: every user may connect)", READYD},
    {OPT_SOCKET_GROUP, 0, "socket-group", "G", "its group, a name or GID; also give --socket-mode 0660",
	READYD},
    {OPT_LISTEN, 0, "listen", "vsock:PORT", "serve also clients of other kernels, the host or guests",
	READYD},
    {OPT_VSOCK_CID, 0, "vsock-cid", "CID",
	"of these, only the one with this context ID, as 2 for the host; may be\nrepeated", READYD},
    {OPT_STREAM, 0, "stream", "PATH",
	"serve also the client at the other side of this device or socket, as\n"
	"/dev/virtio-ports/NAME",
	READYD},
    {OPT_READY_FD, 0, "ready-fd", "N", "write a newline to descriptor N when serving, and close it", READYD},
    {OPT_MAX_CLIENTS, 0, "max-clients", "N", "maximum number of connections (16384)", READYD},
    {OPT_MAX_WAITS, 0, "max-waits", "N", "maximum number of waits per connection (4096)", READYD},
    {OPT_USER, 0, "user", "NAME", "run as this user, or as UID[:GID], with little more than its rights",
	READYD},
    {OPT_TRUSTED_GROUP, 0, "trusted-group", "G",
	"with hidepid, tell the members of this group, a name or GID, all", READYD},
    {OPT_LOG_LEVEL, 0, "log-level", "LEVEL", "error, warning, info or debug (info); logs to standard error",
	READYD},
    {'h', 'h', "help", NULL, "print this help and exit", READYD},
    {'V', 'V', "version", NULL, "print the versions of readyd, libevent and the allocator, and exit", READYD},
    {0, 0, NULL, NULL, NULL, 0},
};

static void print_help(void)
{
	puts("Usage: readyd [OPTION]...\n"
	     "Watches a directory for worker-ready markers and lets any number of programs wait for them.\n"
	     "Stays in the foreground and serves until SIGTERM or SIGINT.\n");
	arguments_print(table, READYD);
	puts("\nNOTIFY_SOCKET and LISTEN_FDS are honoured. See readyd(8).");
}

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

static enum options_result lacks(const char *option, const char *other)
{
	fprintf(stderr,
	    "readyd: %s has no effect without %s: add that, or leave this out; try 'readyd --help'\n", option,
	    other);
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

static enum options_result bad_option(const struct arguments *arguments)
{
	char text[1024];

	fprintf(stderr, "readyd: option '%s': %s%s 'readyd --help'\n",
	    escape_text(text, sizeof(text), arguments->what), arguments->hint,
	    arguments->hint[strlen(arguments->hint) - 1] == '?' ? " Try" : "; try");
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
		return bad(opt == OPT_MAX_CLIENTS ? "--max-clients" : "--max-waits", value,
		    "a number from 1 to 2147483647");
	*(opt == OPT_MAX_CLIENTS ? &config->max_clients : &config->max_waits) = n;
	return OPTIONS_SERVE;
}

static enum options_result set_socket(const char *what, const char *value, struct server_config *config)
{
	_Static_assert(ENDPOINT_PATH_MAX == 103, "the message gives the limit");
	_Static_assert(ENDPOINT_NAME_MAX == 107, "the message gives the limit");
	if (value[0] == '@' && (value[1] == '\0' || strlen(value) > ENDPOINT_NAME_MAX))
		return bad(what, value, "an abstract name of 1 to 106 bytes after the @");
	if (value[0] != '/' && value[0] != '@')
		return bad(what, value, "an absolute path, or @NAME for an abstract socket");
	if (value[0] == '/' && strlen(value) > ENDPOINT_PATH_MAX)
		return bad(what, value, "a path of at most 103 bytes");
	config->socket = value;
	return OPTIONS_SERVE;
}

static enum options_result set_dir(const char *what, const char *value, const char **dir)
{
	struct marker_place place;

	_Static_assert(MARKER_DIR_SIZE == 512, "the message gives the limit");
	if (marker_place_init(&place, value, NULL) != 0)
		return bad(
		    what, value, errno == ENAMETOOLONG ? "a path of at most 511 bytes" : "an absolute path");
	*dir = value;
	return OPTIONS_SERVE;
}

static enum options_result set_prefix(const char *value, const char **prefix)
{
	struct marker_place place;

	_Static_assert(MARKER_PREFIX_SIZE == 64, "the message gives the limit");
	if (marker_place_init(&place, NULL, value) != 0)
		return bad("--prefix", value,
		    errno == ENAMETOOLONG ? "a name of at most 63 bytes" : "a name without a slash");
	*prefix = value;
	return OPTIONS_SERVE;
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

static enum options_result set_listen(const char *value, struct vsock_listener_config *vsock)
{
	static const char scheme[] = "vsock:";
	const char *port = value + sizeof(scheme) - 1;

	if (!vsock_is_address(value) || vsock_parse_number(port, strlen(port), &vsock->port) != 0)
		return bad("--listen", value, "vsock:PORT, with the number of a port");
	vsock->is_on = true;
	return OPTIONS_SERVE;
}

static enum options_result set_vsock_cid(const char *value, struct vsock_listener_config *vsock)
{
	_Static_assert(VSOCK_LISTENER_CIDS == 64, "the message gives the limit");
	if (vsock->cid_count == VSOCK_LISTENER_CIDS)
		return bad("--vsock-cid", value, "one of the first 64: no more can be named");
	if (vsock_parse_number(value, strlen(value), &vsock->cids[vsock->cid_count]) != 0)
		return bad("--vsock-cid", value, "a context ID, a number from 0 to 4294967294");
	vsock->cid_count++;
	return OPTIONS_SERVE;
}

static enum options_result set_stream(const char *value, struct server_config *config)
{
	if (value[0] != '/')
		return bad("--stream", value, "an absolute path of a character device or a socket");
	config->stream = value;
	return OPTIONS_SERVE;
}

/* What is checked together, after all options. */
struct choice {
	struct server_config *config;
	const char *dir, *prefix, *mode, *group;
};

static enum options_result set_mode(const char *value, struct choice *choice)
{
	if (parse_mode(value, &choice->config->socket_mode) != 0)
		return bad("--socket-mode", value, "octal permissions from 0 to 0777, such as 0660");
	choice->mode = value;
	return OPTIONS_SERVE;
}

static enum options_result set_log_level(const char *value)
{
	enum log_level level;

	if (log_parse_level(value, &level) != 0)
		return bad("--log-level", value, "one of error, warning, info, debug");
	log_set_level(level);
	return OPTIONS_SERVE;
}

static enum options_result set(int opt, const char *value, struct choice *choice)
{
	struct server_config *config = choice->config;

	switch (opt) {
	case 'd':
		return set_dir("--dir", value, &choice->dir);
	case OPT_PREFIX:
		return set_prefix(value, &choice->prefix);
	case 's':
		return set_socket("--socket", value, config);
	case OPT_MODE:
		return set_mode(value, choice);
	case OPT_USER:
		return set_user(value, config);
	case OPT_SOCKET_GROUP:
		choice->group = value;
		return set_socket_group(value, config);
	case OPT_TRUSTED_GROUP:
		return set_trusted_group(value, config);
	case OPT_LOG_LEVEL:
		return set_log_level(value);
	case OPT_LISTEN:
		return set_listen(value, &config->vsock);
	case OPT_VSOCK_CID:
		return set_vsock_cid(value, &config->vsock);
	case OPT_STREAM:
		return set_stream(value, config);
	case OPT_READY_FD:
	case OPT_MAX_CLIENTS:
	case OPT_MAX_WAITS:
		return set_number(opt, value, config);
	case 'V':
		print_version();
		return OPTIONS_DONE;
	case 'h':
		print_help();
		return OPTIONS_DONE;
	default:
		return OPTIONS_BAD;
	}
}

static const char *variable(const char *name)
{
	const char *value = secure_getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

/* The variables where there is no option; then what depends on several options. */
static enum options_result complete(struct choice *choice)
{
	struct server_config *config = choice->config;
	const char *socket = variable("READYD_SOCKET"), *dir = variable("READYD_DIR");

	if (config->socket == NULL && socket != NULL &&
	    set_socket("READYD_SOCKET", socket, config) != OPTIONS_SERVE)
		return OPTIONS_BAD;
	if (choice->dir == NULL && dir != NULL && set_dir("READYD_DIR", dir, &choice->dir) != OPTIONS_SERVE)
		return OPTIONS_BAD;
	if (config->socket == NULL)
		config->socket = READYD_DEFAULT_SOCKET;
	if (config->socket[0] == '@' && choice->mode != NULL)
		return bad("--socket-mode", choice->mode,
		    "for an abstract socket, which has no permissions: leave it out, or choose a path");
	if (config->socket[0] == '@' && choice->group != NULL)
		return bad("--socket-group", choice->group,
		    "for an abstract socket, which has no group: leave it out, or choose a path");
	if (config->vsock.cid_count > 0 && !config->vsock.is_on)
		return lacks("--vsock-cid", "--listen");
	/* Each has been checked by itself. */
	(void)marker_place_init(&config->place, choice->dir, choice->prefix);
	return OPTIONS_SERVE;
}

static enum options_result take(struct arguments *arguments, int got, struct choice *choice)
{
	if (got == ARGUMENTS_WRONG)
		return bad_option(arguments);
	if (got == ARGUMENTS_WORD || (got == ARGUMENTS_DASHES && *arguments->at != NULL))
		return bad("argument", got == ARGUMENTS_WORD ? arguments->value : *arguments->at,
		    "expected: readyd takes options only");
	return got == ARGUMENTS_DASHES ? OPTIONS_SERVE : set(got, arguments->value, choice);
}

enum options_result options_parse(int argc, char **argv, struct server_config *config)
{
	struct arguments arguments = {.at = argv + (argc > 0), .options = table, .commands = READYD};
	struct choice choice = {.config = config};
	enum options_result result;
	int got;

	*config = (struct server_config){
	    .socket_mode = 0666, .ready_fd = -1, .inherited = -1, .max_clients = 16384, .max_waits = 4096};
	while ((got = arguments_next(&arguments)) != ARGUMENTS_END) {
		result = take(&arguments, got, &choice);
		if (result != OPTIONS_SERVE)
			return result;
	}
	return complete(&choice);
}
