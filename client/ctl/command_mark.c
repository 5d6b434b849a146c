#include "config.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/ctl/command.h"
#include "client/ctl/run_look.h"
#include "client/ctl/run_options.h"
#include "src/clock.h"
#include "src/escape.h"
#include "src/verdict.h"

/* How long the file system and the daemon may take in all. */
#define MARK_MS 5000

static int refuse(pid_t pid, const char *why)
{
	fprintf(stderr, "readyctl: cannot mark process %ld: %s\n", (long)pid, why);
	return EXIT_FAILED;
}

static int say_ended(pid_t pid)
{
	fprintf(stderr, "readyctl: cannot mark process %ld: it has ended, or never existed\n", (long)pid);
	return verdict_exit_code(READYD_DIED);
}

/* A marker says that the process is ready, so it is for its owner to write. */
static int check_owner(const struct process *p)
{
	uid_t uid;

	if (geteuid() == 0)
		return 0;
	if (!process_real_uid(p, &uid))
		return refuse(p->pid, "its owner cannot be read from /proc");
	return uid == geteuid() ? 0 : refuse(p->pid, "it belongs to another user");
}

static void say_removed(pid_t pid)
{
	fprintf(stderr,
	    "readyctl: process %ld was ready before; its marker was removed, and is not written again\n",
	    (long)pid);
}

static int take_answer(const struct readyd_answer *answer)
{
	if (answer->verdict == READYD_READY && (answer->flags & READYD_FLAG_LATCHED) != 0)
		say_removed(answer->pid);
	if (answer->verdict == READYD_READY)
		return EXIT_READY;
	if (verdict_is_process_gone(answer->verdict))
		return say_ended(answer->pid);
	command_say_why(answer);
	return verdict_exit_code(answer->verdict);
}

static int cannot_wait(const struct command_line *line, pid_t pid, int error)
{
	char what[48];

	snprintf(what, sizeof(what), "cannot mark process %ld", (long)pid);
	errno = error;
	return command_failed(line, what);
}

static int take_word(const struct command_line *line, pid_t pid, const struct run_word *word)
{
	char path[4 * MARK_PATH_SIZE];

	switch (word->kind) {
	case RUN_WORD_ANSWER:
		return take_answer(&word->answer);
	case RUN_WORD_NOT_MARKED:
		fprintf(stderr, "readyctl: cannot write %s: %s\n",
		    escape_text(path, sizeof(path), word->text), strerror(word->error));
		return EXIT_FAILED;
	case RUN_WORD_FAILED:
		return cannot_wait(line, pid, word->error);
	case RUN_WORD_WHY:
		return refuse(pid, word->text);
	}
	return EXIT_FAILED;
}

/* False: that time has passed. */
static bool next_word(struct run_look *look, struct run_word *word, int64_t until)
{
	struct pollfd fd = {.fd = look->words, .events = POLLIN};
	int got;

	while ((got = run_look_read(look, word)) == 0) {
		int64_t left = until - clock_ms();

		if (left <= 0)
			return false;
		if (poll(&fd, 1, (int)left) < 0 && errno != EINTR) {
			*word = (struct run_word){.kind = RUN_WORD_FAILED, .error = errno};
			return true;
		}
	}
	if (got < 0)
		*word = (struct run_word){.kind = RUN_WORD_FAILED, .error = ECHILD};
	return true;
}

static int mark(const struct command_line *line, struct run_look *look, pid_t pid)
{
	int64_t until = clock_ms() + MARK_MS;
	struct run_word word;

	run_look_mark(look);
	if (next_word(look, &word, until))
		return take_word(line, pid, &word);
	run_look_explain(look);
	if (next_word(look, &word, clock_ms() + MARK_MS / 10))
		return take_word(line, pid, &word);
	return refuse(pid, "the marker directory does not answer");
}

/* The parent may end at any time; its number is then another process's, or ours has another parent. */
static pid_t open_process(const struct run_options *o, struct process *p)
{
	pid_t pid = o->pid != 0 ? o->pid : getppid();

	process_open(p, pid);
	if (o->pid == 0 && getppid() != pid)
		p->no_such_process = true;
	return pid;
}

int command_mark(const struct command_line *line)
{
	const struct run_options *o = &line->run;
	struct run_look look;
	struct process p;
	pid_t pid = open_process(o, &p);
	int code;

	(void)signal(SIGCHLD, SIG_DFL);
	(void)signal(SIGPIPE, SIG_IGN);
	code = process_life(&p) == PROCESS_GONE ? say_ended(pid) : check_owner(&p);
	if (code == 0 && run_look_start(&look, &line->options, &p) != 0)
		code = refuse(pid, strerror(errno));
	else if (code == 0) {
		code = mark(line, &look, pid);
		run_look_end(&look);
	}
	process_close(&p);
	return code;
}
