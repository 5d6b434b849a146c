#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probe/clock.h"
#include "probe/failure.h"
#include "probe/interrupt.h"
#include "probe/output.h"
#include "probe/sidecar.h"
#include "probe/splice.h"

#define LOCK_LIMIT_NS (30 * CLOCK_NS_PER_S)
#define LOCK_RETRY_MS 50

static int complain(const char *path, const char *what)
{
	failure_say("error: sidecar %s: %s", path, what);
	return -1;
}

/* There is no event for a lock with a time limit. */
static int await_lock(int fd)
{
	const int64_t end = clock_ns() + LOCK_LIMIT_NS;

	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK)
			return -1;
		if (clock_ns() >= end || interrupt_sleep(LOCK_RETRY_MS)) {
			errno = EWOULDBLOCK;
			return -1;
		}
	}
	return 0;
}

static int take_lock(const char *path)
{
	char name[PATH_MAX];
	int fd;

	if (snprintf(name, sizeof(name), "%s.lock", path) >= (int)sizeof(name)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0 || await_lock(fd) == 0)
		return fd;
	close(fd);
	return -1;
}

static char *read_all(FILE *file, size_t *length)
{
	char *text = NULL;
	FILE *stream = open_memstream(&text, length);
	char buffer[4096];
	size_t got;
	bool bad;

	if (stream == NULL)
		return NULL;
	while ((got = fread(buffer, 1, sizeof(buffer), file)) > 0)
		fwrite(buffer, 1, got, stream);
	bad = ferror(stream) != 0;
	if (fclose(stream) == 0 && !bad && !ferror(file))
		return text;
	free(text);
	return NULL;
}

/* Another file than a regular one may be endless. It may have taken the place of the file since the start. */
static bool is_regular(const struct stat *st)
{
	errno = EINVAL;
	return S_ISREG(st->st_mode);
}

static FILE *open_regular(const char *path, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	FILE *file;

	if (fd < 0)
		return NULL;
	file = fstat(fd, st) == 0 && is_regular(st) ? fdopen(fd, "r") : NULL;
	if (file == NULL)
		close(fd);
	return file;
}

static char *read_file(const char *path, size_t *length, struct stat *st)
{
	FILE *file = open_regular(path, st);
	char *text;

	if (file == NULL)
		return NULL;
	text = read_all(file, length);
	fclose(file);
	return text;
}

/* The name of a file keeps its old content until a crash can no longer lose the new one. */
static int commit(FILE *file, const char *temporary, const char *path)
{
	const bool written = fflush(file) == 0 && !ferror(file) && fsync(fileno(file)) == 0;

	if (fclose(file) != 0 || !written || rename(temporary, path) != 0) {
		unlink(temporary);
		return -1;
	}
	return 0;
}

/* That a crash may undo the renaming leaves a whole file all the same. */
static void sync_directory(const char *path)
{
	char name[PATH_MAX];
	int fd;

	snprintf(name, sizeof(name), "%s", path);
	fd = open(dirname(name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

static FILE *create_beside(const char *path, const struct stat *st, char temporary[PATH_MAX])
{
	FILE *file;
	int fd;

	if (snprintf(temporary, PATH_MAX, "%s.XXXXXX", path) >= PATH_MAX)
		return NULL;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return NULL;
	file = fchmod(fd, st->st_mode & 07777) == 0 ? fdopen(fd, "w") : NULL;
	if (file == NULL) {
		close(fd);
		unlink(temporary);
	}
	return file;
}

static int add_to(const char *path, const struct report *report, int exit_code)
{
	char temporary[PATH_MAX];
	struct splice splice;
	size_t length = 0;
	struct stat st;
	char *text = read_file(path, &length, &st);
	FILE *file;

	if (text == NULL)
		return complain(path, strerror(errno));
	if (splice_find(text, length, "metrics", &splice) != 0) {
		free(text);
		return complain(path, "not a JSON object with an array \"metrics\"");
	}
	file = create_beside(path, &st, temporary);
	if (file != NULL) {
		fwrite(text, 1, splice.offset, file);
		fputs(splice.count > 0 ? "," : "", file);
		output_metrics(file, report, splice.count, exit_code);
		fwrite(text + splice.offset, 1, length - splice.offset, file);
	}
	free(text);
	if (file == NULL || commit(file, temporary, path) != 0)
		return complain(path, strerror(errno));
	sync_directory(path);
	return 0;
}

int sidecar_add(const char *path, const struct report *report, int exit_code)
{
	const int lock = take_lock(path);
	int result;

	if (lock < 0)
		return complain(path, errno == EWOULDBLOCK || errno == EAGAIN
					  ? "another program holds the lock file"
					  : strerror(errno));
	result = add_to(path, report, exit_code);
	close(lock);
	return result;
}
