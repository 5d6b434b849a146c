/*
 * A whole waiter of the library, and its questions, with a script in place of the daemon, of the worker and
 * of the time: no marker and no word of the daemon, no "ready".
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/lib/poller.h"
#include "readyd/readyd.h"
#include "src/clock.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/inotify.h"
#include "tests/fuzz/peer.h"

/* The linker prescribes these names. NOLINTBEGIN(bugprone-reserved-identifier) */
int64_t __wrap_clock_ms(void);
int __wrap_poller_wait(struct poller *poller, int64_t now, int timeout_ms, struct poller_event *events);
int __real_poller_wait(struct poller *poller, int64_t now, int timeout_ms, struct poller_event *events);
/* NOLINTEND(bugprone-reserved-identifier) */

static struct peer peer;

/* What one input is about. */
static struct fuzz_input input;
static int64_t now;
static struct readyd_waiter *waiter;
static size_t awaited; /* processes without an answer */
static bool was_marked[PEER_PROCESSES];
static bool polls; /* with an epoll instance */

int64_t __wrap_clock_ms(void)
{
	return now;
}

/* Does not sleep: while it would, the daemon acts and the time passes. At the end of the script, the daemon
 * is silent, so what waits for it must come to an end by its deadlines. */
int __wrap_poller_wait(struct poller *poller, int64_t at, int timeout_ms, struct poller_event *events)
{
	int count;

	(void)at;
	if (timeout_ms != 0 && input.left > 0)
		peer_act(&peer, &input);
	count = __real_poller_wait(poller, now, 0, events);
	if (timeout_ms != 0 && count == 0)
		now += 50;
	return count;
}

static void begin(void)
{
	peer_begin(&peer, fuzz_dir());
	unsetenv("READYD_BACKEND");
	unsetenv("READYD_TRUST_UID");
}

static void marker_name(unsigned which, char path[128])
{
	snprintf(path, 128, "%s/r-%ld", fuzz_dir(), (long)peer.processes[which].pid);
}

static void mark(unsigned which, unsigned how)
{
	char path[128];
	int fd;

	marker_name(which, path);
	switch (how) {
	case 0:
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		fuzz_check(fd < 0 || write(fd, "r", 1) == 1);
		break;
	case 1:
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		break;
	default:
		fuzz_check(symlink("/", path) == 0 || errno == EEXIST);
		return;
	}
	if (fd < 0)
		return;
	close(fd);
	for (unsigned i = 0; i < PEER_PROCESSES; i++)
		was_marked[i] |= peer.processes[i].pid == peer.processes[which].pid;
}

static void unmark_all(void)
{
	char path[128];

	for (unsigned i = 0; i < PEER_PROCESSES; i++) {
		marker_name(i, path);
		(void)unlink(path);
		was_marked[i] = false;
	}
}

static void check_answer(const struct readyd_answer *answer)
{
	unsigned which = 0;

	while (which < PEER_PROCESSES && peer.processes[which].pid != answer->pid)
		which++;
	fuzz_check(which < PEER_PROCESSES);
	if (answer->verdict == READYD_READY || answer->verdict == READYD_EXITED)
		fuzz_check(was_marked[which] || peer.sent_byte || peer_may_have_told(&peer, "ready") ||
			   peer_may_have_told(&peer, "exited"));
}

static void take_answers(unsigned most)
{
	struct readyd_answer answer = READYD_ANSWER_INIT;

	for (; most > 0 && readyd_waiter_next(waiter, &answer) == 1; most--) {
		check_answer(&answer);
		fuzz_check(awaited > 0);
		awaited--;
	}
	fuzz_check(readyd_waiter_pending(waiter) <= awaited);
}

static void add(const struct peer_process *process, bool exact)
{
	const int result = exact ? readyd_waiter_add_exact(waiter, process->pid, process->start)
				 : readyd_waiter_add(waiter, process->pid);

	fuzz_check(result == 0 || errno == EEXIST || errno == EBUSY || errno == EINVAL);
	awaited += result == 0;
}

static void explain(const struct peer_process *process)
{
	struct readyd_explanation why = READYD_EXPLANATION_INIT;

	if (readyd_waiter_explain(waiter, process->pid, &why) == 0)
		fuzz_check(why.process != NULL && why.marker != NULL && why.directory != NULL &&
			   why.via != NULL && why.procfs != NULL &&
			   memchr(why.path, '\0', sizeof(why.path)) != NULL);
}

static void ask(const struct readyd_options *options, const struct peer_process *process, bool exact)
{
	struct readyd_answer answer = READYD_ANSWER_INIT;
	const int result = exact ? readyd_query_exact(options, process->pid, process->start, &answer)
				 : readyd_query(options, process->pid, &answer);

	if (result == 0)
		check_answer(&answer);
}

static void act(const struct readyd_options *options)
{
	const unsigned what = fuzz_below(&input, 16), which = fuzz_below(&input, PEER_PROCESSES);
	const struct peer_process *process = &peer.processes[which];
	struct readyd_answer answer = READYD_ANSWER_INIT;

	switch (what) {
	case 0:
	case 1:
		add(process, what == 0);
		break;
	case 2:
		awaited -= readyd_waiter_cancel(waiter, process->pid) == 0;
		break;
	case 3:
		mark(which, fuzz_below(&input, 3));
		break;
	case 4:
		take_answers(fuzz_byte(&input) + 1);
		break;
	case 5:
		now += fuzz_byte(&input) * 20;
		take_answers(1);
		break;
	case 6:
		if (readyd_waiter_peek_exact(waiter, process->pid, process->start, &answer) == 0)
			check_answer(&answer);
		break;
	case 7:
		explain(process);
		break;
	case 8:
		ask(options, process, fuzz_byte(&input) % 2 == 0);
		break;
	case 9:
		(void)readyd_waiter_sleep(waiter, (int)fuzz_byte(&input) * 10);
		break;
	case 10:
		if (polls)
			(void)readyd_waiter_fd(waiter);
		break;
	default:
		peer_act(&peer, &input);
		break;
	}
}

static void one(const uint8_t *data, size_t size)
{
	static const enum readyd_backend backends[] = {
	    READYD_BACKEND_AUTO, READYD_BACKEND_DAEMON, READYD_BACKEND_AUTO, READYD_BACKEND_FILE};
	struct readyd_options options = READYD_OPTIONS_INIT;
	unsigned how;

	input = (struct fuzz_input){data, size};
	how = fuzz_byte(&input);
	now = 1000000;
	awaited = 0;
	options.socket = peer.socket;
	options.dir = how % 2 == 0 ? fuzz_dir() : NULL;
	options.prefix = how % 2 == 0 ? "r-" : NULL;
	options.backend = backends[how / 2 % 4];
	options.flags = how / 8 % 8;
	polls = how / 64 == 1;
	inotify_begin(!polls);
	peer_reset(&peer);
	waiter = readyd_waiter_new(&options);
	fuzz_check(waiter != NULL);
	while (input.left > 0)
		act(&options);
	take_answers(PEER_PROCESSES);
	readyd_waiter_free(waiter);
	peer_reset(&peer);
	unmark_all();
}

const struct fuzz_target fuzz_target = {.name = "waiter", .begin = begin, .one = one};
