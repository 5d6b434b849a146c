#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/ctl/command.h"
#include "client/ctl/interrupts.h"
#include "client/ctl/lookout.h"
#include "client/ctl/output.h"
#include "src/clock.h"
#include "src/escape.h"
#include "src/hanging_mounts.h"
#include "src/process_root.h"
#include "src/verdict.h"

/* For the child to end by its own time-out, with an explanation of what it sees. */
#define GRACE_MS 250
/* How long status may take, which has no time-out of its own. */
#define STATUS_MS 5000
/* For a child to end by a signal. */
#define SIGNAL_MS 250

static const int forwarded[] = {SIGHUP, SIGINT, SIGTERM};

static const char *marker_dir(const struct command_line *line)
{
	const char *dir = line->options.dir != NULL ? line->options.dir : secure_getenv("READYD_DIR");

	return dir != NULL && dir[0] == '/' ? dir : NULL;
}

bool lookout_is_needed(const struct command_line *line)
{
	struct process process = {.fd = -1, .start_known = true};
	struct process_root_ours ours = {0};

	if (command_line_is_remote(line))
		return false;
	/* The daemon may serve any directory. */
	if (hanging_mounts_cross("/proc/self/mountinfo", marker_dir(line)))
		return true;
	for (size_t i = 0; i < line->process_count; i++) {
		process.pid = line->processes[i].pid;
		/* A pid file may name any process, and may itself lie on such a file system. */
		if (line->processes[i].pid_file != NULL)
			return true;
		if (process_root_find_nowait(&process, &ours) == PROCESS_ROOT_OTHER)
			return true;
	}
	return false;
}

/* One that is ignored (nohup(1), a job in the background) stays so. */
static void watched_signals(sigset_t *set)
{
	struct sigaction action;

	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
		if (sigaction(forwarded[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(set, forwarded[i]);
}

static int code_of(int status)
{
	if (WIFSIGNALED(status))
		interrupts_die(WTERMSIG(status));
	return WEXITSTATUS(status);
}

/* The next of the watched signals; 0: the deadline (-1: none) has passed. */
static int next_signal(int64_t deadline)
{
	int64_t ms = deadline < 0 ? 0 : deadline - clock_ms();
	struct timespec left;
	sigset_t set;
	int got;

	watched_signals(&set);
	if (ms < 0)
		ms = 0;
	left = (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	do
		got = sigtimedwait(&set, NULL, deadline < 0 ? NULL : &left);
	while (got < 0 && errno == EINTR);
	return got < 0 ? 0 : got;
}

/* Returns whether the child has ended before the deadline; *passed is a signal that it got before that. */
static bool await_child(pid_t child, int64_t deadline, int *status, int *passed)
{
	*passed = 0;
	for (;;) {
		int got;

		if (waitpid(child, status, WNOHANG) == child)
			return true;
		got = next_signal(deadline);
		if (got == 0)
			return waitpid(child, status, WNOHANG) == child;
		if (got == SIGCHLD)
			continue;
		(void)kill(child, got);
		*passed = got;
		deadline = clock_ms() + SIGNAL_MS;
	}
}

static int64_t deadline_of(const struct command_line *line, bool waits)
{
	if (waits)
		return line->timeout_ms < 0 ? -1 : line->began + line->timeout_ms + GRACE_MS;
	return line->process_count > 0 ? clock_ms() + STATUS_MS : -1;
}

static void explain_for_child(
    const struct command_line *line, const struct named_process *process, int number)
{
	char name[1024];

	interrupts_report(stderr, number, line);
	if (process->pid == 0)
		fprintf(stderr, ": pid file %s has not named a living process",
		    escape_text(name, sizeof(name), process->pid_file));
	fputc('\n', stderr);
}

/* The answers that the child owes. number: the signal that has interrupted it, 0: none. */
static int answer_for_child(const struct command_line *line, bool waits, int number)
{
	struct readyd_answer answer = {.verdict = READYD_UNREACHABLE,
	    .reason = READYD_REASON_DIRECTORY_HANGS,
	    .backend = READYD_BACKEND_FILE,
	    .wait_status = -1};

	for (size_t i = 0; i < line->process_count; i++) {
		if (line->told[i])
			continue;
		answer.pid = line->processes[i].pid;
		answer.start = line->processes[i].start;
		if (waits)
			explain_for_child(line, &line->processes[i], number);
		if (answer.pid == 0)
			continue;
		output_answer(line, &answer, NULL, -1);
		command_say_why(&answer);
	}
	if (output_finish() != 0)
		return EXIT_FAILED;
	return waits ? EXIT_TIMED_OUT : verdict_exit_code(answer.verdict);
}

static _Noreturn void be_child(
    const struct command_line *line, int (*run)(const struct command_line *line), const sigset_t *mask)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)sigprocmask(SIG_SETMASK, mask, NULL);
	exit(run(line));
}

/* The child may be beyond SIGKILL; then it ends with its look. */
static int supervise(pid_t child, const struct command_line *line, bool waits)
{
	int status, passed, code;

	if (await_child(child, deadline_of(line, waits), &status, &passed))
		return code_of(status);
	(void)kill(child, SIGKILL);
	code = answer_for_child(line, waits, passed);
	if (passed != 0)
		interrupts_die(passed);
	return code;
}

static void *new_shared(size_t size)
{
	void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return shared == MAP_FAILED ? NULL : shared;
}

/* What the child has answered, and which processes the pid files name. */
static int share(struct command_line *line)
{
	const size_t size = line->process_count * sizeof(*line->processes);
	struct named_process *processes = new_shared(size + 1);

	line->told = new_shared(line->process_count + 1);
	if (line->told == NULL || processes == NULL)
		return -1;
	if (size > 0)
		memcpy(processes, line->processes, size);
	free(line->processes);
	line->processes = processes;
	return 0;
}

/* A look of our own could outlast the time-out. */
static int failed(void)
{
	fprintf(stderr,
	    "readyctl: cannot start a process to look in: %s; raise the limits of processes and memory\n",
	    strerror(errno));
	return EXIT_FAILED;
}

int lookout_run(struct command_line *line, int (*run)(const struct command_line *line), bool waits)
{
	sigset_t set, mask;
	pid_t child;
	int code;

	if (share(line) != 0)
		return failed();
	(void)signal(SIGCHLD, SIG_DFL);
	watched_signals(&set);
	if (sigprocmask(SIG_BLOCK, &set, &mask) != 0)
		return failed();
	child = fork();
	if (child == 0)
		be_child(line, run, &mask);
	code = child > 0 ? supervise(child, line, waits) : failed();
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
	return code;
}
