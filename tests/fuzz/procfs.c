/*
 * The readers of /proc: whatever a file of it contains, the readers stay in it and say what it says. open(2)
 * leads to the input.
 */
#include "config.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/ctl/listen_table.h"
#include "daemon/hidepid.h"
#include "src/hanging_mounts.h"
#include "src/process.h"
#include "src/procfs.h"
#include "src/uidmap.h"
#include "tests/fuzz/fuzz.h"

/* The linker prescribes these names. NOLINTBEGIN(bugprone-reserved-identifier) */
int __wrap_open(const char *path, int flags, ...);
int __real_open(const char *path, int flags, ...);
/* NOLINTEND(bugprone-reserved-identifier) */

static int content = -1; /* what a file of /proc contains; -1: what it really does */

int __wrap_open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;
	char own[64];

	va_start(args, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (content < 0 || strncmp(path, "/proc/", 6) != 0)
		return __real_open(path, flags, mode);
	fuzz_memory_path(content, own);
	return __real_open(own, flags);
}

static void begin(void)
{
	/* Remembered. */
	fuzz_check(procfs_is_ours());
	(void)process_own_namespace("pid");
}

static void check_status(void)
{
	struct procfs_status status;

	memset(&status, 0xff, sizeof(status));
	if (procfs_read_status(1, &status) != 0)
		return;
	fuzz_check(status.ns_pids > 0 || status.ns_pid == 0);
	fuzz_check(status.has_uids || (status.real == 0 && status.effective == 0 && status.fs == 0));
}

/* Two looks at one process that has used no time in between. */
static void check_stat(void)
{
	uint64_t start = 0, cpu = 0;
	struct process process;

	(void)process_start_of(1, &start);
	if (process_is_active(1, &cpu))
		fuzz_check(cpu > 0 && !process_is_active(1, &cpu));
	(void)process_newest();
	process_open(&process, getpid());
	(void)process_life(&process);
	(void)process_state(&process);
	(void)process_wait_status(&process);
	(void)process_check_uid(&process, 0);
	process_close(&process);
}

/* No path may hang if none of all may. */
static void check_mounts(const char *path)
{
	const bool any = hanging_mounts_cross(path, NULL);

	if (hanging_mounts_cross(path, "/tmp") || hanging_mounts_cross(path, "/proc/self/cwd/x"))
		fuzz_check(any);
	(void)hidepid_hides(path);
}

/* Lines as getline(3) gives them. */
static void check_sockets(const char *text)
{
	char line[256];
	size_t len;
	uint64_t inode;
	const char *name;

	for (; *text != '\0'; text += len) {
		len = strcspn(text, "\n");
		len += text[len] == '\n';
		snprintf(line, sizeof(line), "%.*s", (int)len, text);
		if (listen_table_tcp(line, 80, &inode) == LISTEN_LINE_MATCHES)
			fuzz_check(strstr(line, ":0050") != NULL || strstr(line, ":50") != NULL ||
				   strstr(line, "50 ") != NULL);
		if (listen_table_unix(line, &inode, &name))
			fuzz_check(name > line && name <= line + strlen(line));
	}
}

static void one(const uint8_t *data, size_t size)
{
	const int fd = fuzz_memory_file(data, size);
	char *text = fuzz_text(data, size);
	char path[64];

	fuzz_memory_path(fd, path);
	content = fd;
	check_status();
	check_stat();
	content = -1;
	check_mounts(path);
	check_sockets(text);
	(void)uidmap_is_complete(text);
	free(text);
	close(fd);
}

const struct fuzz_target fuzz_target = {.name = "procfs", .begin = begin, .one = one};
