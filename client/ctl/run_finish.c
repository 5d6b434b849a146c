#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "client/ctl/command_line.h"
#include "client/ctl/output.h"
#include "client/ctl/run.h"

/* More than the longest message of our own, which may come last. */
#define BACK_SIZE 16384

/* Copies what is left of its output, so that our message comes after it, for as long as the reader takes,
 * unless a signal comes. */
static void drain(struct run *r)
{
	uint64_t out = run_stream_target(&r->out), err = run_stream_target(&r->err);

	r->hurry = false;
	while (!r->hurry && !(run_stream_is_done(&r->out, out) && run_stream_is_done(&r->err, err)))
		run_turn(r, -1);
}

/* Takes out the lines that are ours and gives the length of what is left. */
static size_t drop_own_lines(const struct run_report *report, char *text, size_t length)
{
	size_t kept = 0, at = 0;

	while (at < length) {
		const char *end = memchr(text + at, '\n', length - at);
		size_t count = end != NULL ? (size_t)(end + 1 - (text + at)) : length - at;

		if (!run_report_is_own(report, text + at, count)) {
			memmove(text + kept, text + at, count);
			kept += count;
		}
		at += count;
	}
	return kept;
}

/* What a detached worker has written to a file last. What readyctl has said lies there, too. */
static void read_stderr_back(struct run *r)
{
	int fd = open("/proc/self/fd/2", O_RDONLY | O_CLOEXEC);
	char tail[BACK_SIZE];
	off_t from = lseek(fd, 0, SEEK_END) - (off_t)sizeof(tail);
	ssize_t n = pread(fd, tail, sizeof(tail), from > r->err_began ? from : r->err_began);

	if (n > 0)
		lines_feed(&r->err.lines, tail, drop_own_lines(&r->report, tail, (size_t)n));
	if (fd >= 0)
		close(fd);
}

static void finish_output(struct run *r)
{
	drain(r);
	if (r->err_began >= 0 && r->report.kind != RUN_CODE_EXEC)
		read_stderr_back(r);
	snprintf(r->message, sizeof(r->message), "%s", lines_last(&r->err.lines));
	r->report.message = r->message;
}

int run_finish(struct run *r, enum run_code_kind kind, int code)
{
	r->report.kind = kind;
	finish_output(r);
	r->report.code = code;
	r->report.ended = r->child.ended;
	r->report.status = r->child.status;
	run_report_end(&r->report);
	return output_finish() == 0 ? code : EXIT_FAILED;
}
