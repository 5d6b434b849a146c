/* The commands that do not wait. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "client/ctl/command.h"
#include "client/ctl/disagreement.h"
#include "client/ctl/openmetrics.h"
#include "client/ctl/output.h"
#include "client/ctl/usage.h"
#include "src/clock.h"
#include "src/escape.h"
#include "src/verdict.h"

static const char *hint(int error, bool is_remote)
{
	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
		return "is readyd running at this socket?";
	case EACCES:
		return "see readyd --socket-mode";
	case EPERM:
		return "the process that listens there is neither root's nor this user's; see "
		       "READYD_TRUST_UID in readyctl(1)";
	case EAGAIN:
		return "the daemon has no room for another client or wait; see readyd --max-clients, "
		       "--max-waits";
	case ETIMEDOUT:
		return is_remote ? "no daemon answers there"
				 : "the daemon accepts connections but does not answer";
	case EXDEV:
		return "the daemon serves another directory or prefix; omit --dir and --prefix";
	case EOPNOTSUPP:
		return "the daemon is older than this readyctl, and has no monitors or cannot wait for an "
		       "end";
	case ENODEV:
	case EAFNOSUPPORT:
		return "this CID is not reachable by vsock(7), or the kernel lacks it (modules vhost_vsock, "
		       "vmw_vsock_virtio_transport)";
	case ECONNRESET:
		return "nothing listens there, or the daemon has ended";
	case EPROTO:
		return "the peer does not speak readyd-protocol(7)";
	case EMFILE:
		return "raise the descriptor limit (ulimit -n)";
	default:
		return NULL;
	}
}

/* note: what else there is to say, or NULL. */
static void report(const struct command_line *line, const char *what, int error, const char *note)
{
	const bool is_remote = command_line_is_remote(line);
	const char *words = hint(error, is_remote), *socket = usage_socket(&line->options);
	const char *why = strerror(error);
	char text[4 * sizeof(((struct sockaddr_un *)0)->sun_path)], difference[4096];
	bool both, any;

	if (error == EXDEV && !is_remote) {
		disagreement_describe(line, difference, sizeof(difference));
		words = difference;
	}
	/* Its text is about links between file systems. */
	if (error == EXDEV) {
		why = words;
		words = NULL;
	}
	both = words != NULL && note != NULL;
	any = words != NULL || note != NULL;
	fprintf(stderr, "readyctl: %s: %s: %s%s%s%s%s%s\n", what, escape_text(text, sizeof(text), socket),
	    why, any ? " (" : "", words != NULL ? words : "", both ? "; " : "", note != NULL ? note : "",
	    any ? ")" : "");
}

int command_failed(const struct command_line *line, const char *what)
{
	const int error = errno;
	const int64_t took = clock_ms() - line->began;
	const bool tells = command_line_is_remote(line) || error == ETIMEDOUT;
	char note[48];

	snprintf(note, sizeof(note), "tried for %" PRId64 ".%" PRId64 " s", took / 1000, took / 100 % 10);
	report(line, what, error, tells ? note : NULL);
	return EXIT_FAILED;
}

void command_say_waiting(const struct command_line *line, int error)
{
	report(line, "waiting for the daemon", error, NULL);
}

/* What to do about a marker that cannot be checked. */
static const char *words_for(enum readyd_reason reason)
{
	switch (reason) {
	case READYD_REASON_NO_DIRECTORY:
		return "the marker directory that this process sees is missing; create it, or see --dir";
	case READYD_REASON_DIRECTORY_DENIED:
		return "the marker directory cannot be searched; this requires more privileges";
	case READYD_REASON_NAMESPACE_DENIED:
		return "it is in another pid namespace, and its directory (below /proc/PID/root) cannot be "
		       "accessed; this requires the same user or CAP_SYS_PTRACE";
	case READYD_REASON_NAME_COLLISION:
		return "a process in another pid namespace has the same marker name in the same directory; "
		       "give one of them a marker directory of its own";
	case READYD_REASON_NO_RESOURCES:
		return "descriptors or memory ran out before it could be examined; raise the descriptor "
		       "limit (ulimit -n)";
	case READYD_REASON_IDENTITY_UNKNOWN:
		return "its start cannot be read, so it is not known whether the marker is its own; mount "
		       "the /proc of this pid namespace, without hidepid for this user, or ask a daemon "
		       "that has it";
	case READYD_REASON_AGE_UNKNOWN:
		return "it is not known which of it and its marker is older: the time stamp is in the "
		       "future, or other users may have moved the file to that name; start readyd before "
		       "the process, or remove the marker";
	case READYD_REASON_LOOK_FAILED:
		return "its marker could not be checked, since the file system reports an error; see the "
		       "kernel's log (dmesg(1)) and try again";
	case READYD_REASON_DIRECTORY_HANGS:
		return "the file system of its marker directory does not answer";
	case READYD_REASON_DAEMON_UNTRUSTED:
		return "it was checked here, since the process that listens at the daemon's socket is "
		       "neither "
		       "root's nor this user's; see READYD_TRUST_UID in readyctl(1)";
	case READYD_REASON_CAME_AND_WENT:
		return "a file of its marker's name came and went before it could be checked, and other "
		       "users can write to the directory; give it a marker directory of its own";
	case READYD_REASON_CONNECTION_LOST:
		return "the connection to the daemon of its kernel was lost and could not be restored";
	case READYD_REASON_NODE_OFFLINE:
		return "the node that it runs on is offline";
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
	const bool told = answer->verdict == READYD_UNREACHABLE || answer->verdict == READYD_PENDING;
	const char *words = told ? words_for(answer->reason) : NULL;

	if (words != NULL)
		fprintf(stderr, "readyctl: process %ld is %s: %s\n", (long)answer->pid,
		    readyd_verdict_name(answer->verdict), words);
}

static int print_status(const struct command_line *line, const struct readyd_answer *answers)
{
	int code = EXIT_READY;

	for (size_t i = 0; i < line->process_count; i++) {
		output_answer(line, &answers[i], NULL, -1);
		command_say_why(&answers[i]);
		if (code == EXIT_READY)
			code = verdict_exit_code(answers[i].verdict);
	}
	return output_finish() != 0 ? EXIT_FAILED : code;
}

int command_status(const struct command_line *line)
{
	struct readyd_answer *answers = calloc(line->process_count, sizeof(*answers));
	int code;

	if (answers == NULL)
		return command_failed(line, "cannot ask");
	for (size_t i = 0; i < line->process_count; i++) {
		answers[i].size = sizeof(*answers);
		answers[i].pid = line->processes[i].pid;
		answers[i].start = line->processes[i].start;
	}
	if (readyd_query_set(&line->options, answers, line->process_count) == 0)
		code = print_status(line, answers);
	else
		code = command_failed(line, "cannot ask");
	free(answers);
	return code;
}

static int print_entry(const struct readyd_answer *answer, void *context)
{
	const struct command_line *line = context;

	if (line->pids_only)
		output_pid(line, answer);
	else
		output_answer(line, answer, NULL, -1);
	return 0;
}

int command_list(const struct command_line *line)
{
	if (readyd_list(&line->options, print_entry, (void *)(uintptr_t)line) != 0) {
		if (errno != ENOENT || line->options.backend == READYD_BACKEND_DAEMON ||
		    command_line_is_remote(line))
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
	if (line->openmetrics)
		openmetrics_print(stdout, text);
	else
		output_pairs(line, text);
	return output_finish() != 0 ? EXIT_FAILED : EXIT_READY;
}
