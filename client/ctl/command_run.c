#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/ctl/command.h"
#include "client/ctl/run.h"
#include "src/clock.h"

static int failed(const char *what)
{
	run_report_failed(what);
	return EXIT_FAILED;
}

/* What a detached worker writes to standard error does not come by here, so its last line is read back if
 * that is a file. */
static int64_t size_of_stderr(void)
{
	struct stat st;

	return fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode) ? st.st_size : -1;
}

static int open_streams(struct run *r)
{
	if (r->options->detach) {
		r->err_began = size_of_stderr();
		return 0;
	}
	if (run_stream_open(&r->err, STDERR_FILENO) != 0)
		return -1;
	return r->options->sign == SIGN_LINE ? run_stream_open(&r->out, STDOUT_FILENO) : 0;
}

static int start_worker(struct run *r)
{
	struct run_setup setup = {.argv = r->options->argv,
	    .signals = &r->signals,
	    .terminal = &r->terminal,
	    .detach = r->options->detach,
	    .out = r->out.into,
	    .err = r->err.into};

	run_signs_setup(&r->signs, &setup, &r->out, &r->err);
	r->given = run_terminal_is_ours(&r->terminal);
	if (run_child_start(&r->child, &setup) != 0)
		return -1;
	run_signs_started(&r->signs);
	run_stream_started(&r->out);
	run_stream_started(&r->err);
	r->report.pid = r->report.answer.pid = r->child.process.pid;
	r->report.answer.start = r->child.process.start_known ? r->child.process.start : 0;
	return 0;
}

/* 0, or the exit code after a message. */
static int start(struct run *r)
{
	int code = run_signs_open(&r->signs, r->options);

	if (code != 0)
		return code;
	if (run_signals_open(&r->signals) != 0 || open_streams(r) != 0)
		return failed("descriptors");
	if (!r->options->detach)
		run_terminal_open(&r->terminal);
	if (start_worker(r) != 0)
		return failed("fork");
	if (run_look_start(&r->look, &r->options->options, &r->child.process) == 0)
		return 0;
	code = failed("fork");
	run_end_group(r);
	return code;
}

static void finish(struct run *r)
{
	run_look_end(&r->look);
	run_child_reap(&r->child);
	if (r->given)
		(void)run_terminal_take(&r->terminal, r->child.process.pid);
	run_terminal_close(&r->terminal);
	run_child_close(&r->child);
	run_stream_close(&r->out);
	run_stream_close(&r->err);
	run_signs_close(&r->signs);
	run_signals_close(&r->signals);
}

int command_run(const struct command_line *line)
{
	struct run_options options;
	const struct run_options *o = &options;
	struct run r = {
	    .line = line, .options = o, .deadline = -1, .err_began = -1, .signals.fd = -1, .terminal.fd = -1};
	int code;

	if (run_options_of(line, &options) != 0)
		return EXIT_USAGE;
	r.report = (struct run_report){.options = o, .began = clock_ms(), .code = EXIT_READY};
	r.report.answer.verdict = READYD_UNREACHABLE; /* until there is an answer */
	r.child.process.fd = r.child.exec_fd = -1;
	r.look.words = r.look.orders = -1;
	run_stream_init(&r.out);
	run_stream_init(&r.err);
	if (o->timeout_ms >= 0)
		r.deadline = r.report.began + o->timeout_ms;
	code = start(&r);
	if (code == 0)
		code = run_until_decided(&r);
	finish(&r);
	if (r.die_by == 0)
		return code;
	return run_signals_die_by(r.die_by, r.given && (r.die_by == SIGINT || r.die_by == SIGQUIT));
}
