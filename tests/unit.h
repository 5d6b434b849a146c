/* What the unit tests share: the runner, private directories that are removed at the end, children. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNIT_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define UNIT_PATH_SIZE	  512
#define UNIT_TIMEOUT	  120
/* Above the largest possible pid_max. */
#define UNIT_UNUSED_PID 0x7ffffffe

/* An assertion for loops: ck_assert() writes a record even if the expression holds, which is slow. */
#define unit_check(expression)                                                                               \
	do {                                                                                                 \
		if (!(expression))                                                                           \
			ck_abort_msg("%s", #expression);                                                     \
	} while (0)

static char unit_root[UNIT_PATH_SIZE / 2];

static inline int unit_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline TCase *unit_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_set_timeout(tcase, UNIT_TIMEOUT);
	suite_add_tcase(suite, tcase);
	return tcase;
}

/* check(3) cannot skip a test. One that cannot run here is reported in a TAP comment. */
#define unit_add_if(tcase, test, condition, why)                                                             \
	do {                                                                                                 \
		if (condition)                                                                               \
			tcase_add_test(tcase, test);                                                         \
		else                                                                                         \
			printf("# skipped: %s: %s\n", #test, why), fflush(stdout);                           \
	} while (0)

/* With AddressSanitizer, address space cannot be limited. */
#if defined(__SANITIZE_ADDRESS__)
#define UNIT_CAN_USE_UP_MEMORY false
#elif !defined(__has_feature)
#define UNIT_CAN_USE_UP_MEMORY true
#elif __has_feature(address_sanitizer)
#define UNIT_CAN_USE_UP_MEMORY false
#else
#define UNIT_CAN_USE_UP_MEMORY true
#endif

/* Whether qemu-user makes the system calls, which lacks some; script/cross-test sets the variable. */
static inline bool unit_is_emulated(void)
{
	const char *emulator = getenv("EMULATOR");

	return emulator != NULL && emulator[0] != '\0';
}

/* qemu-user knows no limit of address space. */
static inline bool unit_can_use_up_memory(void)
{
	return UNIT_CAN_USE_UP_MEMORY && !unit_is_emulated();
}

struct unit_memory {
	struct rlimit limit;
	void **taken;
};

/* From now on each allocation fails, also those of check(3): no assertion before unit_give_back_memory(). */
static inline struct unit_memory unit_use_up_memory(void)
{
	struct unit_memory memory = {.taken = NULL};
	void **next;

	getrlimit(RLIMIT_AS, &memory.limit);
	setrlimit(RLIMIT_AS, &(struct rlimit){0, memory.limit.rlim_max});
	for (size_t size = 1 << 16; size >= sizeof(void *); size /= 2)
		while ((next = malloc(size)) != NULL) {
			*next = (void *)memory.taken;
			memory.taken = next;
		}
	return memory;
}

static inline void unit_give_back_memory(const struct unit_memory *memory)
{
	void **next, **taken = memory->taken;

	for (; taken != NULL; taken = next) {
		next = (void **)*taken;
		free((void *)taken);
	}
	setrlimit(RLIMIT_AS, &memory->limit);
}

/* The tests run in children. The private directories are removed here, so that a test that crashes leaves
 * none behind. */
static inline int unit_main(Suite *(*suite)(void))
{
	const char *tmp = getenv("TMPDIR");
	SRunner *runner;
	int failed;

	snprintf(unit_root, sizeof(unit_root), "%s/readyd-unit.XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(unit_root) == NULL) {
		perror(unit_root);
		return EXIT_FAILURE;
	}
	runner = srunner_create(suite());
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	nftw(unit_root, unit_remove, 16, FTW_DEPTH | FTW_PHYS);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Creates an empty directory for one test. */
static inline void unit_dir(char path[UNIT_PATH_SIZE])
{
	snprintf(path, UNIT_PATH_SIZE, "%s/XXXXXX", unit_root);
	ck_assert_ptr_nonnull(mkdtemp(path));
}

static inline void unit_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(close(fd), 0);
}

/* A socket that listens at this path. */
static inline int unit_listen(const char *path, int backlog)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_lt(
	    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path), (int)sizeof(addr.sun_path));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	return fd;
}

/* Called in a child. Its parent may have died before prctl(2); a parent in another pid namespace has pid 0.
 */
static inline void unit_die_with_parent(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent && getppid() != 0)
		_exit(1);
}

/* Forks a child that calls run(), then sleeps until it is killed. It does not outlive its parent. */
static inline pid_t unit_spawn(void (*run)(void))
{
	pid_t parent = getpid(), pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	unit_die_with_parent(parent);
	if (run != NULL)
		run();
	for (;;)
		pause();
}

/* Forks a child that ends at once, with this status or by this signal. */
static inline pid_t unit_spawn_ending(int status, int sig)
{
	const struct rlimit no_core = {0, 0};
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	setrlimit(RLIMIT_CORE, &no_core);
	/* check(3) and the sanitizers install handlers. */
	signal(sig, SIG_DFL);
	if (sig != 0)
		kill(getpid(), sig);
	_exit(status);
}

/* Forks the first process of a child pid namespace; -1 if none can be created. */
static inline pid_t unit_try_spawn_in_child_ns(void)
{
	long flags = CLONE_NEWPID | (geteuid() == 0 ? 0 : CLONE_NEWUSER) | SIGCHLD;
	pid_t pid = (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);

	if (pid != 0)
		return pid;
	unit_die_with_parent(0);
	for (;;)
		pause();
}

static inline bool unit_can_create_pid_ns(void)
{
	pid_t pid = unit_try_spawn_in_child_ns();

	if (pid < 0)
		return false;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return true;
}

static inline pid_t unit_spawn_in_child_ns(void)
{
	pid_t pid = unit_try_spawn_in_child_ns();

	ck_assert_int_gt(pid, 0);
	return pid;
}

static inline void unit_await_zombie(pid_t pid)
{
	siginfo_t info;

	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

static inline void unit_reap(pid_t pid)
{
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static inline void unit_kill(pid_t pid)
{
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	unit_reap(pid);
}

static inline int unit_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

/* Whether libevent has an event to handle at once. If that does not change although nothing new happens, the
 * loop spins. There must be one event loop only. */
static inline bool unit_loop_is_busy(void)
{
	struct pollfd poll_fd = {.fd = -1, .events = POLLIN};
	char path[64], target[64];
	ssize_t len;

	for (int fd = 0; fd < 1024 && poll_fd.fd < 0; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		len = readlink(path, target, sizeof(target));
		if (len == (ssize_t)strlen("anon_inode:[eventpoll]") &&
		    memcmp(target, "anon_inode:[eventpoll]", (size_t)len) == 0)
			poll_fd.fd = fd;
	}
	ck_assert_int_ge(poll_fd.fd, 0);
	return poll(&poll_fd, 1, 0) > 0;
}

/* Makes every call that needs a new descriptor fail, until unit_restore_fd_limit(). The limit is not 0, since
 * poll(2) fails with more descriptors than the limit. */
static inline struct rlimit unit_forbid_new_fds(void)
{
	struct rlimit before, none;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 1;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	return before;
}

static inline void unit_restore_fd_limit(const struct rlimit *before)
{
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, before), 0);
}

/* splitmix64: a seed gives the same numbers on every machine. */
static inline uint64_t unit_random(uint64_t *state)
{
	uint64_t x = *state += 0x9E3779B97F4A7C15ULL;

	x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
	x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
	return x ^ (x >> 31);
}

static inline unsigned unit_random_below(uint64_t *state, unsigned limit)
{
	return (unsigned)(unit_random(state) % limit);
}

/* The lines in the first 4096 bytes of a file. */
static inline int unit_count_lines(int fd)
{
	char text[4096];
	const ssize_t n = pread(fd, text, sizeof(text), 0);
	int lines = 0;

	for (ssize_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	return lines;
}

#endif
