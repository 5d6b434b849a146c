#include <errno.h>

#include "client/lib/settings.h"
#include "src/process.h"
#include "src/trust.h"
#include "tests/unit.h"

static struct settings settings;

/* Clears the environment, so that only what a test sets is set. */
static void set_up(void)
{
	unsetenv("READYD_SOCKET");
	unsetenv("READYD_DIR");
	unsetenv("READYD_BACKEND");
	unsetenv("READYD_TRUST_UID");
	memset(&settings, 0xff, sizeof(settings));
}

static void set_env(const char *name, const char *value)
{
	if (value != NULL)
		ck_assert_int_eq(setenv(name, value, 1), 0);
}

static const char *long_path(size_t len)
{
	static char path[2048];

	memset(path, 'x', len);
	path[0] = '/';
	path[len] = '\0';
	return path;
}

static const char default_socket[] = READYD_DEFAULT_SOCKET;

/* Options override the environment, which overrides the defaults. */
static const struct {
	const char *option, *env, *result;
} sockets[] = {
    {NULL, NULL, default_socket},
    {NULL, "", default_socket},
    {NULL, "/env", "/env"},
    {"/option", NULL, "/option"},
    {"/option", "/env", "/option"},
    {"@abstract", "/env", "@abstract"},
    {"relative", NULL, "relative"},
};

START_TEST(socket_is_chosen)
{
	const struct readyd_options options = {.size = sizeof(options), .socket = sockets[_i].option};

	set_env("READYD_SOCKET", sockets[_i].env);
	ck_assert_int_eq(settings_init(&settings, &options), 0);
	ck_assert_str_eq(settings.socket, sockets[_i].result);
	ck_assert(!settings.place_given);
}
END_TEST

static const struct {
	const char *dir, *prefix, *env, *result, *result_prefix;
	bool given;
} places[] = {
    {NULL, NULL, NULL, "/tmp", "ktstr-worker-ready-", false},
    {NULL, NULL, "", "/tmp", "ktstr-worker-ready-", false},
    {NULL, NULL, "/env", "/env", "ktstr-worker-ready-", true},
    {"/option", NULL, NULL, "/option", "ktstr-worker-ready-", true},
    {"/option", NULL, "/env", "/option", "ktstr-worker-ready-", true},
    {NULL, "x-", NULL, "/tmp", "x-", true},
    {NULL, "x-", "/env", "/env", "x-", true},
    {"/option", "x-", "/env", "/option", "x-", true},
    {"/tmp", NULL, NULL, "/tmp", "ktstr-worker-ready-", true},
};

START_TEST(place_is_chosen)
{
	const struct readyd_options options = {
	    .size = sizeof(options), .dir = places[_i].dir, .prefix = places[_i].prefix};

	set_env("READYD_DIR", places[_i].env);
	ck_assert_int_eq(settings_init(&settings, &options), 0);
	ck_assert_str_eq(settings.place.dir, places[_i].result);
	ck_assert_str_eq(settings.place.prefix, places[_i].result_prefix);
	ck_assert(settings.place_given == places[_i].given);
	ck_assert_str_eq(settings.socket, default_socket);
}
END_TEST

static const struct {
	enum readyd_backend option;
	const char *env;
	enum readyd_backend result;
} backends[] = {
    {READYD_BACKEND_AUTO, NULL, READYD_BACKEND_AUTO},
    {READYD_BACKEND_AUTO, "", READYD_BACKEND_AUTO},
    {READYD_BACKEND_AUTO, "auto", READYD_BACKEND_AUTO},
    {READYD_BACKEND_AUTO, "daemon", READYD_BACKEND_DAEMON},
    {READYD_BACKEND_AUTO, "file", READYD_BACKEND_FILE},
    {READYD_BACKEND_DAEMON, NULL, READYD_BACKEND_DAEMON},
    {READYD_BACKEND_DAEMON, "file", READYD_BACKEND_DAEMON},
    {READYD_BACKEND_FILE, "daemon", READYD_BACKEND_FILE},
    {READYD_BACKEND_FILE, "auto", READYD_BACKEND_FILE},
};

START_TEST(backend_is_chosen)
{
	const struct readyd_options options = {.size = sizeof(options), .backend = backends[_i].option};

	set_env("READYD_BACKEND", backends[_i].env);
	ck_assert_int_eq(settings_init(&settings, &options), 0);
	ck_assert_int_eq(settings.backend, backends[_i].result);
}
END_TEST

static const struct {
	const char *env;
	uid_t result;
} trusted[] = {
    {NULL, TRUST_NO_UID}, {"", TRUST_NO_UID}, {"0", 0}, {"1000", 1000}, {"4294967294", 4294967294}};

START_TEST(trusted_user_is_chosen)
{
	set_env("READYD_TRUST_UID", trusted[_i].env);
	ck_assert_int_eq(settings_init(&settings, NULL), 0);
	ck_assert_uint_eq(settings.trust_uid, trusted[_i].result);
}
END_TEST

static const char *const bad_users[] = {"x", "-1", " 1", "1 ", "root", "4294967295", "99999999999"};

START_TEST(bad_user_is_refused)
{
	set_env("READYD_TRUST_UID", bad_users[_i]);
	errno = 0;
	ck_assert_int_eq(settings_init(&settings, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(await_start_is_an_option)
{
	struct readyd_options options = {.size = sizeof(options), .flags = READYD_OPTION_AWAIT_START};

	ck_assert_int_eq(settings_init(&settings, &options), 0);
	ck_assert(settings.await_start);
	options.flags = 0;
	ck_assert_int_eq(settings_init(&settings, &options), 0);
	ck_assert(!settings.await_start);
}
END_TEST

/* What the daemon of another kernel is named by. CID 0: a path. */
static const struct {
	const char *socket;
	unsigned flags;
	enum readyd_backend backend, result;
	const char *path;
	unsigned cid, port;
} remotes[] = {
    {"vsock:2:9", 0, READYD_BACKEND_AUTO, READYD_BACKEND_REMOTE, NULL, 2, 9},
    {"vsock:4294967294:4294967294", 0, READYD_BACKEND_DAEMON, READYD_BACKEND_REMOTE, NULL, 4294967294,
	4294967294},
    {"unix:/run/port", READYD_OPTION_REMOTE, READYD_BACKEND_AUTO, READYD_BACKEND_REMOTE, "/run/port", 0, 0},
    {"unix:/run/port", 0, READYD_BACKEND_AUTO, READYD_BACKEND_AUTO, "/run/port", 0, 0},
    {"unix:vsock:2:9", 0, READYD_BACKEND_FILE, READYD_BACKEND_FILE, "vsock:2:9", 0, 0},
};

START_TEST(remote_daemon_is_named)
{
	struct readyd_options options = {.size = sizeof(options),
	    .socket = remotes[_i].socket,
	    .backend = remotes[_i].backend,
	    .flags = remotes[_i].flags};

	set_env("READYD_DIR", "/env/dir");
	ck_assert_int_eq(settings_init(&settings, &options), 0);
	ck_assert_int_eq(settings.backend, remotes[_i].result);
	ck_assert(settings.place_given == !settings_is_remote(&settings));
	ck_assert(settings.is_vsock == (remotes[_i].path == NULL));
	if (settings.is_vsock) {
		ck_assert_uint_eq(settings.vsock.cid, remotes[_i].cid);
		ck_assert_uint_eq(settings.vsock.port, remotes[_i].port);
	} else {
		ck_assert_str_eq(settings.socket, remotes[_i].path);
	}
}
END_TEST

static const char *const no_addresses[] = {"vsock:", "vsock:2", "vsock:2:", "vsock::9", "vsock:2:9 ",
    "vsock:-1:9", "vsock:4294967295:9", "vsock:2:4294967295", "vsock:2:9:1", "vsock:host:9", "unix:"};

START_TEST(wrong_address_is_refused)
{
	struct readyd_options options = {.size = sizeof(options), .socket = no_addresses[_i]};

	ck_assert_int_eq(settings_init(&settings, &options), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(remote_daemon_has_no_files)
{
	struct readyd_options options = {
	    .size = sizeof(options), .socket = "vsock:2:9", .backend = READYD_BACKEND_FILE};

	ck_assert_int_eq(settings_init(&settings, &options), -1);
	ck_assert_int_eq(errno, EINVAL);
	options.backend = READYD_BACKEND_REMOTE;
	ck_assert_int_eq(settings_init(&settings, &options), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(only_a_remote_daemon_tells_of_an_end)
{
	struct readyd_options options = {.size = sizeof(options), .flags = READYD_OPTION_AWAIT_END};

	ck_assert_int_eq(settings_init(&settings, &options), -1);
	ck_assert_int_eq(errno, EINVAL);
	options.socket = "vsock:2:9";
	ck_assert_int_eq(settings_init(&settings, &options), 0);
	ck_assert(settings.await_end);
}
END_TEST

START_TEST(no_options_are_defaults)
{
	ck_assert_int_eq(settings_init(&settings, NULL), 0);
	ck_assert_str_eq(settings.socket, default_socket);
	ck_assert_str_eq(settings.place.dir, "/tmp");
	ck_assert_int_eq(settings.backend, READYD_BACKEND_AUTO);
	ck_assert(!settings.place_given);
}
END_TEST

START_TEST(environment_counts_without_options)
{
	set_env("READYD_SOCKET", "/env/socket");
	set_env("READYD_DIR", "/env/dir");
	set_env("READYD_BACKEND", "file");
	ck_assert_int_eq(settings_init(&settings, NULL), 0);
	ck_assert_str_eq(settings.socket, "/env/socket");
	ck_assert_str_eq(settings.place.dir, "/env/dir");
	ck_assert_int_eq(settings.backend, READYD_BACKEND_FILE);
	ck_assert(settings.place_given);
}
END_TEST

static const struct {
	struct readyd_options options;
	const char *env, *value;
} bad[] = {
    {{.socket = ""}, NULL, NULL},
    {{.dir = ""}, NULL, NULL},
    {{.dir = ""}, "READYD_DIR", "/env"},
    {{.dir = "relative"}, NULL, NULL},
    {{.prefix = ""}, NULL, NULL},
    {{.prefix = "a/b"}, NULL, NULL},
    {READYD_OPTIONS_INIT, "READYD_DIR", "relative"},
    {READYD_OPTIONS_INIT, "READYD_BACKEND", "bogus"},
    {READYD_OPTIONS_INIT, "READYD_BACKEND", "FILE"},
    {READYD_OPTIONS_INIT, "READYD_BACKEND", "file "},
    {READYD_OPTIONS_INIT, "READYD_BACKEND", "daemonic"},
};

START_TEST(bad_value_is_refused)
{
	struct readyd_options options = bad[_i].options;

	if (bad[_i].env != NULL)
		set_env(bad[_i].env, bad[_i].value);
	options.size = sizeof(options);
	errno = 0;
	ck_assert_int_eq(settings_init(&settings, &options), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

/* Not a value of the enum. */
START_TEST(bad_backend_is_refused)
{
	const struct readyd_options options = {
	    .size = sizeof(options), .backend = (enum readyd_backend)(READYD_BACKEND_FILE + 1)};

	errno = 0;
	ck_assert_int_eq(settings_init(&settings, &options), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

/* An invalid environment variable is ignored if an option overrides it. */
START_TEST(option_hides_bad_environment)
{
	const struct readyd_options options = {
	    .size = sizeof(options), .socket = "/s", .dir = "/d", .backend = READYD_BACKEND_FILE};

	set_env("READYD_SOCKET", long_path(500));
	set_env("READYD_DIR", "relative");
	set_env("READYD_BACKEND", "bogus");
	ck_assert_int_eq(settings_init(&settings, &options), 0);
	ck_assert_str_eq(settings.socket, "/s");
	ck_assert_str_eq(settings.place.dir, "/d");
}
END_TEST

static const struct {
	const char *env;
	size_t most;
} lengths[] = {
    {"READYD_SOCKET", sizeof(((struct sockaddr_un *)0)->sun_path) - 1},
    {"READYD_DIR", MARKER_DIR_SIZE - 1},
};

START_TEST(too_long_is_refused)
{
	set_env(lengths[_i].env, long_path(lengths[_i].most));
	ck_assert_int_eq(settings_init(&settings, NULL), 0);
	set_env(lengths[_i].env, long_path(lengths[_i].most + 1));
	errno = 0;
	ck_assert_int_eq(settings_init(&settings, NULL), -1);
	ck_assert_int_eq(errno, ENAMETOOLONG);
}
END_TEST

/* The greeting of a daemon that serves dir. */
static struct wire_hello greeting(const char *dir)
{
	struct wire_hello hello = {.epoch = 1};
	struct stat st;

	ck_assert_int_eq(marker_place_init(&hello.place, dir, NULL), 0);
	ck_assert_int_eq(stat("/proc/self/ns/pid", &st), 0);
	hello.pidns = st.st_ino;
	if (stat(dir, &st) == 0) {
		hello.dev = st.st_dev;
		hello.ino = st.st_ino;
	}
	return hello;
}

START_TEST(place_is_taken_over)
{
	char dir[UNIT_PATH_SIZE];
	struct wire_hello hello;

	unit_dir(dir);
	hello = greeting(dir);
	strcpy(hello.place.prefix, "other-");
	ck_assert_int_eq(settings_init(&settings, NULL), 0);
	ck_assert(settings_agree(&settings, &hello));
	ck_assert_str_eq(settings.place.dir, dir);
	ck_assert_str_eq(settings.place.prefix, "other-");
}
END_TEST

/* The same directory by another path. */
START_TEST(same_directory_is_agreed)
{
	char dir[UNIT_PATH_SIZE], link[UNIT_PATH_SIZE + 8];
	struct readyd_options options = {.size = sizeof(options), .dir = link};
	struct wire_hello hello;

	unit_dir(dir);
	snprintf(link, sizeof(link), "%s.link", dir);
	ck_assert_int_eq(symlink(dir, link), 0);
	hello = greeting(dir);
	ck_assert_int_eq(settings_init(&settings, &options), 0);
	ck_assert(settings_agree(&settings, &hello));
	ck_assert_str_eq(settings.place.dir, link);
	strcpy(hello.place.prefix, "other-");
	ck_assert(!settings_agree(&settings, &hello));
	strcpy(hello.place.prefix, settings.place.prefix);
	options.dir = "/";
	ck_assert_int_eq(settings_init(&settings, &options), 0);
	ck_assert(!settings_agree(&settings, &hello));
}
END_TEST

START_TEST(missing_directory_is_agreed)
{
	char dir[UNIT_PATH_SIZE];
	struct wire_hello hello;

	unit_dir(dir);
	ck_assert_int_eq(rmdir(dir), 0);
	hello = greeting(dir);
	ck_assert_int_eq(settings_init(&settings, NULL), 0);
	ck_assert(settings_agree(&settings, &hello));
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	ck_assert(!settings_agree(&settings, &hello));
}
END_TEST

/* The daemon sees another directory at the same path, or other pids or start times. */
START_TEST(other_namespaces_are_refused)
{
	struct wire_hello hello = greeting("/");

	ck_assert_int_eq(settings_init(&settings, NULL), 0);
	hello.ino++;
	ck_assert(!settings_agree(&settings, &hello));
	hello = greeting("/");
	hello.dev++;
	ck_assert(!settings_agree(&settings, &hello));
	hello = greeting("/");
	hello.pidns++;
	ck_assert(!settings_agree(&settings, &hello));
	ck_assert_str_eq(settings.place.dir, "/tmp");
	hello.pidns = 0;
	ck_assert(settings_agree(&settings, &hello));
	hello.timens = process_own_namespace("time") + 1;
	ck_assert(!settings_agree(&settings, &hello));
	hello.timens--;
	ck_assert(settings_agree(&settings, &hello));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("settings");
	TCase *tcase = unit_case(s, "choice");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_loop_test(tcase, socket_is_chosen, 0, UNIT_COUNT(sockets));
	tcase_add_loop_test(tcase, place_is_chosen, 0, UNIT_COUNT(places));
	tcase_add_loop_test(tcase, backend_is_chosen, 0, UNIT_COUNT(backends));
	tcase_add_loop_test(tcase, trusted_user_is_chosen, 0, UNIT_COUNT(trusted));
	tcase_add_loop_test(tcase, bad_user_is_refused, 0, UNIT_COUNT(bad_users));
	tcase_add_test(tcase, await_start_is_an_option);
	tcase_add_loop_test(tcase, remote_daemon_is_named, 0, UNIT_COUNT(remotes));
	tcase_add_loop_test(tcase, wrong_address_is_refused, 0, UNIT_COUNT(no_addresses));
	tcase_add_test(tcase, remote_daemon_has_no_files);
	tcase_add_test(tcase, only_a_remote_daemon_tells_of_an_end);
	tcase_add_test(tcase, no_options_are_defaults);
	tcase_add_test(tcase, environment_counts_without_options);
	tcase_add_loop_test(tcase, bad_value_is_refused, 0, UNIT_COUNT(bad));
	tcase_add_test(tcase, bad_backend_is_refused);
	tcase_add_test(tcase, option_hides_bad_environment);
	tcase_add_loop_test(tcase, too_long_is_refused, 0, UNIT_COUNT(lengths));
	tcase = unit_case(s, "agreement");
	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, place_is_taken_over);
	tcase_add_test(tcase, same_directory_is_agreed);
	tcase_add_test(tcase, missing_directory_is_agreed);
	tcase_add_test(tcase, other_namespaces_are_refused);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
