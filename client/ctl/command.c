/* The commands that answer at once. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/ctl/command.h"
#include "client/ctl/output.h"
#include "src/verdict.h"

static const char *hint(int error)
{
	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
		return "is readyd running at this socket?";
	case EACCES:
		return "see readyd --socket-mode";
	case EAGAIN:
		return "the daemon has no room for another client or wait; see readyd --max-clients, "
		       "--max-waits";
	case ETIMEDOUT:
		return "the daemon takes connections but does not answer";
	case EXDEV:
		return "the daemon serves another directory, or counts pids or time in another namespace; "
		       "see --dir";
	case EPROTO:
		return "whatever listens there does not speak readyd-protocol(7)";
	case EINVAL:
		return "READYD_BACKEND is auto, daemon or file; --dir is an absolute path";
	case EMFILE:
		return "raise the descriptor limit (ulimit -n)";
	default:
		return "no hint is known";
	}
}

int command_failed(const struct command_line *line, const char *what)
{
	const char *socket = line->options.socket != NULL ? line->options.socket : "the daemon";
	int error = errno;

	fprintf(stderr, "readyctl: %s: %s: %s (%s)\n", what, socket, strerror(error), hint(error));
	return EXIT_FAILED;
}

/* What can be done about a marker that cannot be looked for. */
static const char *words_for(enum readyd_reason reason)
{
	switch (reason) {
	case READYD_REASON_NO_DIRECTORY:
		return "the marker directory is missing where this process would write; create it, or see "
		       "--dir";
	case READYD_REASON_DIRECTORY_DENIED:
		return "the marker directory may not be searched; run with more rights";
	case READYD_REASON_NAMESPACE_DENIED:
		return "it is in another pid namespace, and its directory (/proc/PID/root) may not be "
		       "entered: "
		       "that takes the same user or CAP_SYS_PTRACE";
	case READYD_REASON_NAME_COLLISION:
		return "another process has, here or in its own pid namespace, the pid that this one has in "
		       "its own, "
		       "and both share the marker directory: give one a directory of its own";
	case READYD_REASON_NO_RESOURCES:
		return "descriptors or memory ran out before it could be examined; raise the descriptor "
		       "limit (ulimit -n)";
	case READYD_REASON_DIRECTORY_HANGS:
		return "the file system of its marker directory does not answer";
	case READYD_REASON_NONE:
	case READYD_REASON_DEADLINE:
	case READYD_REASON_NOT_A_FILE:
	case READYD_REASON_NOT_STARTED:
	case READYD_REASON_NO_PROCESS:
	case READYD_REASON_PID_REUSED:
	case READYD_REASON_OLDER:
	case READYD_REASON_FOREIGN_OWNER:
		return NULL;
	}
	return NULL;
}

void command_say_why(const struct readyd_answer *answer)
{
	const bool told =
	    answer->verdict == READYD_UNREACHABLE || answer->reason == READYD_REASON_NO_RESOURCES;
	const char *words = told ? words_for(answer->reason) : NULL;

	if (words != NULL)
		fprintf(stderr, "readyctl: process %ld is %s: %s\n", (long)answer->pid,
		    readyd_verdict_name(answer->verdict), words);
}

int command_status(const struct command_line *line)
{
	struct readyd_answer answer;
	int code = EXIT_READY;

	for (size_t i = 0; i < line->process_count; i++) {
		const struct named_process *process = &line->processes[i];

		if (readyd_query_exact(&line->options, process->pid, process->start, &answer) != 0)
			return command_failed(line, "cannot ask");
		output_answer(line, &answer, NULL, -1);
		command_say_why(&answer);
		if (code == EXIT_READY)
			code = verdict_exit_code(answer.verdict);
	}
	return output_finish() != 0 ? EXIT_FAILED : code;
}

static int print_entry(const struct readyd_answer *answer, void *context)
{
	output_answer(context, answer, NULL, -1);
	return 0;
}

int command_list(const struct command_line *line)
{
	if (readyd_list(&line->options, print_entry, (void *)(uintptr_t)line) != 0) {
		if (errno != ENOENT || line->options.backend == READYD_BACKEND_DAEMON)
			return command_failed(line, "cannot list");
		fprintf(stderr,
		    "readyctl: cannot list: no daemon answers, and the marker directory is missing "
		    "(create it, or see --dir)\n");
		return EXIT_FAILED;
	}
	return output_finish() != 0 ? EXIT_FAILED : EXIT_READY;
}

int command_ping(const struct command_line *line)
{
	if (readyd_ping(&line->options) != 0)
		return command_failed(line, "no answer");
	output_pairs(line, "daemon=alive");
	return output_finish() != 0 ? EXIT_FAILED : EXIT_READY;
}

int command_stats(const struct command_line *line)
{
	char text[2048];

	if (readyd_stats(&line->options, text, sizeof(text)) != 0)
		return command_failed(line, "cannot ask");
	output_pairs(line, text);
	return output_finish() != 0 ? EXIT_FAILED : EXIT_READY;
}
