#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/abi.h"
#include "client/lib/settings.h"
#include "src/number.h"
#include "src/process.h"
#include "src/sock.h"
#include "src/trust.h"

/* An empty variable counts as unset, an empty option is an error. A set-user-ID program does not obey the
 * environment of its caller. */
static const char *from_env(const char *given, const char *name)
{
	const char *value = secure_getenv(name);

	if (given != NULL)
		return given;
	return value != NULL && value[0] != '\0' ? value : NULL;
}

static int choose_backend(struct settings *settings, enum readyd_backend wanted)
{
	const char *word = from_env(NULL, "READYD_BACKEND");

	if ((int)wanted < READYD_BACKEND_AUTO || wanted > READYD_BACKEND_FILE) {
		errno = EINVAL;
		return -1;
	}
	settings->backend = wanted;
	if (wanted != READYD_BACKEND_AUTO || word == NULL || strcmp(word, "auto") == 0)
		return 0;
	if (strcmp(word, "daemon") == 0) {
		settings->backend = READYD_BACKEND_DAEMON;
		return 0;
	}
	if (strcmp(word, "file") == 0) {
		settings->backend = READYD_BACKEND_FILE;
		return 0;
	}
	errno = EINVAL;
	return -1;
}

/* The largest number is no user. */
static int choose_trusted(struct settings *settings)
{
	const char *word = from_env(NULL, "READYD_TRUST_UID");
	uint64_t uid;

	settings->trust_uid = TRUST_NO_UID;
	if (word == NULL)
		return 0;
	if (number_parse(word, strlen(word), UINT32_MAX - 1, &uid) != 0) {
		errno = EINVAL;
		return -1;
	}
	settings->trust_uid = (uid_t)uid;
	return 0;
}

static int choose_socket(struct settings *settings, const char *given)
{
	const char *socket = from_env(given, "READYD_SOCKET");

	if (socket == NULL)
		socket = READYD_DEFAULT_SOCKET;
	settings->is_vsock = vsock_is_address(socket);
	if (settings->is_vsock) {
		errno = EINVAL;
		return vsock_parse(socket, &settings->vsock);
	}
	socket = sock_path(socket);
	if (socket[0] == '\0' || strlen(socket) >= sizeof(settings->socket)) {
		errno = socket[0] == '\0' ? EINVAL : ENAMETOOLONG;
		return -1;
	}
	strcpy(settings->socket, socket);
	return 0;
}

/* No look of ours says anything of a process of another kernel. */
static int choose_remote(struct settings *settings, unsigned flags)
{
	settings->await_end = (flags & READYD_OPTION_AWAIT_END) != 0;
	if (!settings->is_vsock && (flags & READYD_OPTION_REMOTE) == 0) {
		errno = EINVAL;
		return settings->await_end ? -1 : 0;
	}
	if (settings->backend == READYD_BACKEND_FILE) {
		errno = EINVAL;
		return -1;
	}
	settings->backend = READYD_BACKEND_REMOTE;
	return 0;
}

/* READYD_DIR names a directory of this system, so it says nothing about that of a remote daemon. */
static int choose_place(struct settings *settings, const struct readyd_options *options)
{
	const char *dir = settings_is_remote(settings) ? options->dir : from_env(options->dir, "READYD_DIR");

	settings->place_given = dir != NULL || options->prefix != NULL;
	return marker_place_init(&settings->place, dir, options->prefix);
}

int settings_init(struct settings *settings, const struct readyd_options *given)
{
	struct readyd_options known;
	const struct readyd_options *options = &known;

	memset(settings, 0, sizeof(*settings));
	if (abi_take_options(&known, given) != 0)
		return -1;
	if (choose_socket(settings, options->socket) != 0 || choose_trusted(settings) != 0 ||
	    choose_backend(settings, options->backend) != 0 || choose_remote(settings, options->flags) != 0)
		return -1;
	if (choose_place(settings, options) != 0)
		return -1;
	settings->await_start = (options->flags & READYD_OPTION_AWAIT_START) != 0;
	settings->fail_stale = (options->flags & READYD_OPTION_FAIL_STALE) != 0;
	settings->strict_age = (options->flags & READYD_OPTION_STRICT_AGE) != 0;
	return 0;
}

/* What is not known (0) is no reason to refuse the daemon. */
static bool is_another(uint64_t its, uint64_t own)
{
	return its != 0 && own != 0 && its != own;
}

/* All that can be compared are the names. */
static bool agree_remotely(struct settings *settings, const struct wire_hello *hello)
{
	if (settings->place_given && (strcmp(settings->place.prefix, hello->place.prefix) != 0 ||
					 strcmp(settings->place.dir, hello->place.dir) != 0))
		return false;
	settings->place = hello->place;
	return true;
}

/* In another pid namespace the daemon means other processes by the same pids, in another time namespace it
 * reports other starts, and in another mount namespace the same path may name another directory. */
bool settings_agree(struct settings *settings, const struct wire_hello *hello)
{
	const struct marker_place *place = settings->place_given ? &settings->place : &hello->place;
	dev_t dev = 0;
	ino_t ino = 0;

	if (settings_is_remote(settings))
		return agree_remotely(settings, hello);
	if (is_another(hello->pidns, process_own_namespace("pid")) ||
	    is_another(hello->timens, process_own_namespace("time")))
		return false;
	if (settings->place_given && strcmp(settings->place.prefix, hello->place.prefix) != 0)
		return false;
	/* If it is missing, both sides have 0. */
	(void)marker_place_identify(place, &dev, &ino);
	if (dev != hello->dev || ino != hello->ino)
		return false;
	if (!settings->place_given)
		settings->place = hello->place;
	return true;
}
