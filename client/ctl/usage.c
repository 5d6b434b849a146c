#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl/usage.h"
#include "src/escape.h"
#include "src/marker.h"
#include "src/number.h"
#include "src/sock.h"
#include "src/vsock.h"

static const char *command;

void usage_set_command(const char *name)
{
	command = name;
}

void usage_report(const char *what, const char *value, const char *hint)
{
	char text[1024];
	const char *quote = value[0] != '\0' ? "'" : "";
	bool asks = hint[strlen(hint) - 1] == '?';

	fprintf(stderr, "readyctl: %s%s%s%s%s: %s%s 'readyctl %s%s--help'\n", what,
	    quote[0] != '\0' ? " " : "", quote, escape_text(text, sizeof(text), value), quote, hint,
	    asks ? " Try" : "; try", command != NULL ? command : "", command != NULL ? " " : "");
}

static int check_socket(const char *what, const char *path)
{
	struct vsock_address vsock;
	struct sockaddr_un addr;

	if (vsock_is_address(path))
		return vsock_parse(path, &vsock) == 0
			   ? 0
			   : usage(what, path, "use vsock:CID:PORT, with two numbers");
	path = sock_path(path);
	if (path[0] == '\0')
		return usage(what, path, "the path is empty");
	_Static_assert(sizeof(addr.sun_path) == 108, "the message gives the limit");
	return sock_address(&addr, path) != 0
		   ? 0
		   : usage(what, path, "too long for a socket; use at most 107 bytes");
}

static int check_dir(const char *what, const char *dir)
{
	struct marker_place place;

	if (dir[0] == '\0')
		return usage(what, dir, "the directory is empty; use an absolute path");
	if (marker_place_init(&place, dir, NULL) == 0)
		return 0;
	_Static_assert(MARKER_DIR_SIZE == 512, "the message gives the limit");
	return usage(what, dir,
	    errno == ENAMETOOLONG ? "too long; use at most 511 bytes" : "relative; use an absolute path");
}

static int check_prefix(const char *what, const char *prefix)
{
	struct marker_place place;

	if (prefix[0] == '\0')
		return usage(what, prefix, "the prefix is empty");
	if (marker_place_init(&place, NULL, prefix) == 0)
		return 0;
	_Static_assert(MARKER_PREFIX_SIZE == 64, "the message gives the limit");
	return usage(what, prefix,
	    errno == ENAMETOOLONG ? "too long; use at most 63 bytes" : "use a name without a slash");
}

static int check_backend(const char *what, const char *word)
{
	if (strcmp(word, "auto") == 0 || strcmp(word, "daemon") == 0 || strcmp(word, "file") == 0)
		return 0;
	return usage(what, word, "use auto, daemon or file");
}

static int check_uid(const char *what, const char *word)
{
	uint64_t uid;

	if (number_parse(word, strlen(word), UINT32_MAX - 1, &uid) == 0)
		return 0;
	return usage(what, word, "use the number of a user");
}

const char *usage_socket(const struct readyd_options *options)
{
	const char *variable = secure_getenv("READYD_SOCKET");

	if (options->socket != NULL)
		return options->socket;
	return variable != NULL && variable[0] != '\0' ? variable : READYD_DEFAULT_SOCKET;
}

/* Checks the option if it is given, else the variable if it is set and not empty. */
static int check_one(const char *option, const char *given, const char *variable,
    int (*check)(const char *what, const char *value))
{
	const char *value = variable != NULL ? secure_getenv(variable) : NULL;

	if (given != NULL)
		return check(option, given);
	return value != NULL && value[0] != '\0' ? check(variable, value) : 0;
}

int usage_check(const struct readyd_options *options)
{
	if (check_one("--socket", options->socket, "READYD_SOCKET", check_socket) != 0 ||
	    check_one("--dir", options->dir, "READYD_DIR", check_dir) != 0 ||
	    check_one("--prefix", options->prefix, NULL, check_prefix) != 0 ||
	    check_one(NULL, NULL, "READYD_TRUST_UID", check_uid) != 0)
		return -1;
	if (options->backend != READYD_BACKEND_AUTO)
		return 0;
	return check_one(NULL, NULL, "READYD_BACKEND", check_backend);
}
