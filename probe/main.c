/*
 * Reads how many bytes each thread of a process has allocated with jemalloc, and deallocated. It knows the
 * marker's contract and nothing else of this project.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probe/clock.h"
#include "probe/failure.h"
#include "probe/interrupt.h"
#include "probe/options.h"
#include "probe/output.h"
#include "probe/sidecar.h"
#include "probe/snapshot.h"
#include "readyd/marker.h"

#define PROGRAM "ktstr-jemalloc-probe"

enum exit_code {
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_SIDECAR = 3,
};

static void print_help(void)
{
	puts("Usage: " PROGRAM " --pid N [OPTION]...\n"
	     "Prints how many bytes each thread of process N has allocated with jemalloc, and deallocated.\n"
	     "\n"
	     "      --pid N              the process\n"
	     "      --json               print JSON\n"
	     "      --snapshots N        read so many times, from 1 to 100000; by default once\n"
	     "      --interval-ms N      milliseconds between two of them, from 1 to 3600000\n"
	     "      --abort-after-ms N   end after so many milliseconds with what there is, from 1 to "
	     "3600000\n"
	     "      --sidecar PATH       also add the numbers to this file of ktstr's\n"
	     "      --help               print this and exit\n"
	     "      --version            print the version and exit\n"
	     "\n"
	     "After its first snapshot it creates the marker " READYD_MARKER_PREFIX "<own pid>.\n"
	     "\n"
	     "Exit status: 1 nothing could be read; 2 wrong usage; 3 the sidecar could not be written.");
}

/* The marker is for others: that it cannot be written is not worth the result. */
static void write_marker(void)
{
	char own[READYD_MARKER_PATH_SIZE];
	const char *path = getenv(READYD_MARKER_OVERRIDE_ENV);

	if (path == NULL || *path == '\0') {
		readyd_marker_path(own, sizeof(own), (uint32_t)getpid());
		path = own;
	}
	if (readyd_marker_write(path) != 0)
		failure_say("warning: cannot write the marker %s: %s", path, strerror(errno));
}

static int take_snapshots(const struct options *options, const struct target *target, struct report *report,
    int64_t start, struct failure *failure)
{
	struct pointers pointers = {0};
	int result = 0;

	while (result == 0 && !report->interrupted && report->count < options->snapshots) {
		if (report->count > 0 && interrupt_sleep(options->interval_ms)) {
			report->interrupted = true;
			break;
		}
		if (report->count > 0 && target_compare(target, failure) != 0)
			result = -1;
		else
			result = snapshot_take(target, report, &pointers, start, failure);
		if (result == 0 && report->count == 1 && !report->interrupted)
			write_marker();
	}
	pointers_fini(&pointers);
	return result;
}

static int fill(const struct options *options, struct report *report, struct failure *failure)
{
	struct target target = {.pid = options->pid};
	const int64_t start = clock_ns();
	int result;

	report->pid = options->pid;
	report->started_unix_sec = (uint64_t)time(NULL);
	report->interval_ms = options->interval_ms;
	result = target_open(&target, failure);
	if (result == 0)
		result = take_snapshots(options, &target, report, start, failure);
	target_close(&target);
	return result;
}

static int end_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	failure_say("error: cannot write to standard output: %s", strerror(errno));
	return EXIT_FAILED;
}

static int print_report(const struct options *options, const struct report *report)
{
	if (options->json)
		output_json(stdout, report);
	else
		output_text(stdout, stderr, report);
	return end_output();
}

static int finish(const struct options *options, const struct report *report)
{
	const bool failed = report_is_failure(report);
	const bool multi = options->snapshots > 1;
	int code = print_report(options, report);

	if (failed) {
		code = EXIT_FAILED;
		fprintf(stderr, "ktstr-probe-all-failed: %s\nerror: no thread could be read%s\n",
		    multi ? "multi" : "single", multi ? " in any snapshot" : "");
	}
	if (options->sidecar != NULL && sidecar_add(options->sidecar, report, code) != 0 && code == 0)
		code = EXIT_SIDECAR;
	return code;
}

static int probe(const struct options *options)
{
	struct failure failure = {0};
	struct report report = {0};
	int code = EXIT_FAILED;

	if (interrupt_init(options->abort_after_ms) != 0)
		failure_set(&failure, FAILURE_OTHER, "cannot set up signals: %s", strerror(errno));
	else if (fill(options, &report, &failure) == 0)
		code = finish(options, &report);
	if (failure.text[0] != '\0') {
		fprintf(stderr, "ktstr-probe-fatal: %s\n", failure_name(failure.kind));
		failure_say("error: %s", failure.text);
	}
	report_fini(&report);
	return code;
}

/* A missing file is told before the time of a probe is spent. The file may be named by a link. */
static int find_sidecar(struct options *options)
{
	static char path[PATH_MAX];
	struct stat st;

	if (options->sidecar == NULL)
		return 0;
	if (realpath(options->sidecar, path) == NULL || stat(path, &st) != 0) {
		failure_say(
		    "error: sidecar '%s': %s; it must be there before", options->sidecar, strerror(errno));
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		failure_say("error: sidecar '%s': not a regular file", options->sidecar);
		return -1;
	}
	options->sidecar = path;
	return 0;
}

int main(int argc, char **argv)
{
	struct options options;
	char error[256];

	switch (options_parse(&options, argv + (argc > 0), error)) {
	case OPTIONS_HELP:
		print_help();
		return end_output();
	case OPTIONS_VERSION:
		printf("%s %s\n", PROGRAM, PACKAGE_VERSION);
		return end_output();
	case OPTIONS_WRONG:
		failure_say("error: %s; see --help", error);
		return EXIT_USAGE;
	case OPTIONS_RUN:
		break;
	}
	return find_sidecar(&options) == 0 ? probe(&options) : EXIT_USAGE;
}
