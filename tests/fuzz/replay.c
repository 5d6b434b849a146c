/*
 * Runs a fuzz target on the inputs of its corpus, with any compiler: each file that is named, or each in the
 * folders that are named; by default, the folder of the target in tests/fuzz/corpus/. Prints TAP.
 */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

/* Of the sanitizers, if it is linked with one: a target may capture standard error. */
/* NOLINTNEXTLINE(bugprone-reserved-identifier): the sanitizers prescribe the name */
extern void __sanitizer_set_report_fd(void *fd) __attribute__((weak));

static size_t inputs, total;

static bool replay_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *data;
	bool whole;

	if (fd < 0 || fstat(fd, &st) != 0)
		return false;
	data = malloc((size_t)st.st_size + 1);
	whole = data != NULL && read(fd, data, (size_t)st.st_size) == st.st_size;
	close(fd);
	if (whole) {
		LLVMFuzzerTestOneInput((const uint8_t *)data, (size_t)st.st_size);
		inputs++;
		total += (size_t)st.st_size;
	}
	free(data);
	return whole;
}

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* In the order of the names, so that what depends on the inputs before can be repeated. */
static bool replay(const char *path)
{
	struct dirent **names;
	int count = scandir(path, &names, is_input, alphasort);
	char name[4096];
	bool good = count > 0;

	if (count < 0)
		return replay_file(path);
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s/%s", path, names[i]->d_name);
		good = replay_file(name) && good;
		free(names[i]);
	}
	free(names);
	return good;
}

int main(int argc, char **argv)
{
	FILE *out = fdopen(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3), "w");
	const char *source = getenv("SRC");
	char corpus[4096];
	bool good = true;

	if (&__sanitizer_set_report_fd != NULL)
		__sanitizer_set_report_fd((void *)(intptr_t)fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
	LLVMFuzzerInitialize(&argc, &argv);
	snprintf(corpus, sizeof(corpus), "%s/tests/fuzz/corpus/%s", source != NULL ? source : ".",
	    fuzz_target.name);
	if (argc < 2)
		good = replay(corpus);
	for (int i = 1; i < argc; i++)
		good = replay(argv[i]) && good;
	fprintf(out, "1..1\n%sok 1 - %s: %zu inputs, %zu bytes\n", good && inputs > 0 ? "" : "not ",
	    fuzz_target.name, inputs, total);
	fclose(out);
	return good && inputs > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
