#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/ctl/run_look.h"
#include "src/escape.h"
#include "src/program.h"

/* How long its end may take after SIGKILL. */
#define END_MS 100

/* A pipe takes each at once. */
_Static_assert(sizeof(struct run_word) <= PIPE_BUF, "a word is written in one piece");

enum order { ORDER_MARK = 'm', ORDER_EXPLAIN = 'e' };

/* What the child works with. */
struct looking {
	const struct process *worker;
	uint64_t start; /* 0: not known */
	struct readyd_waiter *waiter;
	int words, orders;
	bool mark_due;
};

static void say(const struct looking *l, const struct run_word *word)
{
	if (write(l->words, word, sizeof(*word)) != (ssize_t)sizeof(*word))
		_exit(1);
}

static _Noreturn void fail(const struct looking *l)
{
	struct run_word word = {.kind = RUN_WORD_FAILED, .error = errno};

	say(l, &word);
	_exit(1);
}

/* A daemon that has not answered yet may say where the markers are. */
static bool is_place_known(const struct looking *l)
{
	struct readyd_explanation e = READYD_EXPLANATION_INIT;

	return readyd_waiter_explain_exact(l->waiter, l->worker->pid, l->start, &e) != 0 ||
	       strcmp(e.via, "asking") != 0;
}

static void mark_if_due(struct looking *l)
{
	struct run_word word = {.kind = RUN_WORD_NOT_MARKED};

	if (!l->mark_due || !is_place_known(l))
		return;
	l->mark_due = false;

	/* That the worker has ended, or has an answer already, is the next thing to say. */
	if (mark_write(l->waiter, l->worker, l->start, word.text) != MARK_FAILED || word.text[0] == '\0')
		return;
	word.error = errno;
	say(l, &word);
}

static void explain(const struct looking *l)
{
	struct run_word word = {.kind = RUN_WORD_WHY};
	struct readyd_explanation e = READYD_EXPLANATION_INIT;
	char path[MARK_PATH_SIZE];

	if (readyd_waiter_explain_exact(l->waiter, l->worker->pid, l->start, &e) == 0)
		snprintf(word.text, sizeof(word.text),
		    "the process is %s; its marker %s: %s; directory: %s; waiting via %s", e.process,
		    escape_text(path, sizeof(path), e.path), e.marker, e.directory, e.via);
	say(l, &word);
}

/* False: there are no more orders. */
static bool obey(struct looking *l)
{
	char order;

	if (read(l->orders, &order, 1) != 1)
		return false;
	if (order == ORDER_MARK)
		l->mark_due = true;
	else
		explain(l);
	return true;
}

static void tell_answers(const struct looking *l)
{
	struct run_word word = {.kind = RUN_WORD_ANSWER, .answer = READYD_ANSWER_INIT};
	int result;

	while ((result = readyd_waiter_next(l->waiter, &word.answer)) == 1)
		say(l, &word);
	if (result < 0)
		fail(l);
}

static void look(struct looking *l)
{
	struct pollfd fds[2] = {{.fd = l->orders, .events = POLLIN}, {.events = POLLIN}};

	fds[1].fd = readyd_waiter_fd(l->waiter);
	if (fds[1].fd < 0 || readyd_waiter_add_exact(l->waiter, l->worker->pid, l->start) != 0)
		fail(l);
	do {
		tell_answers(l);
		mark_if_due(l);
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			fail(l);
	} while (fds[0].revents == 0 || obey(l));
}

/* It holds nothing that others wait for the end of. */
static void release_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		program_close(fd);
}

static _Noreturn void be_look(
    const struct readyd_options *options, const struct process *worker, int words, int orders)
{
	struct looking l = {.worker = worker, .words = words, .orders = orders};

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	release_standard_descriptors();
	l.start = worker->start_known ? worker->start : 0;
	l.waiter = readyd_waiter_new(options);
	if (l.waiter == NULL)
		fail(&l);
	look(&l);
	_exit(0);
}

static void close_both(int ends[2])
{
	close(ends[0]);
	close(ends[1]);
}

int run_look_start(struct run_look *l, const struct readyd_options *options, const struct process *worker)
{
	int words[2], orders[2];

	*l = (struct run_look){.words = -1, .orders = -1};
	if (pipe2(words, O_CLOEXEC) != 0)
		return -1;
	if (pipe2(orders, O_CLOEXEC) != 0) {
		close_both(words);
		return -1;
	}
	l->pid = fork();
	if (l->pid == 0) {
		close(words[0]);
		close(orders[1]);
		be_look(options, worker, words[1], orders[0]);
	}
	close(words[1]);
	close(orders[0]);
	l->words = words[0];
	l->orders = orders[1];
	(void)fcntl(l->words, F_SETFL, O_NONBLOCK);
	if (l->pid > 0)
		return 0;
	l->pid = 0;
	run_look_end(l);
	return -1;
}

static void order(const struct run_look *l, char what)
{
	if (l->orders >= 0)
		(void)!write(l->orders, &what, 1);
}

void run_look_mark(const struct run_look *l)
{
	order(l, ORDER_MARK);
}

void run_look_explain(const struct run_look *l)
{
	order(l, ORDER_EXPLAIN);
}

int run_look_read(struct run_look *l, struct run_word *word)
{
	ssize_t n = l->words >= 0 ? read(l->words, word, sizeof(*word)) : 0;

	if (n == (ssize_t)sizeof(*word))
		return 1;
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

void run_look_reap(struct run_look *l)
{
	if (l->pid > 0 && waitpid(l->pid, NULL, WNOHANG) == l->pid)
		l->pid = 0;
}

/* It may be beyond SIGKILL; then it ends with its look, and is not waited for. Else it is gone at once, and
 * is not left to an init that may not reap. */
void run_look_end(struct run_look *l)
{
	if (l->words >= 0)
		close(l->words);
	if (l->orders >= 0)
		close(l->orders);
	l->words = l->orders = -1;
	if (l->pid > 0)
		(void)kill(l->pid, SIGKILL);
	for (int ms = 0; l->pid > 0 && ms < END_MS; ms++) {
		run_look_reap(l);
		if (l->pid > 0)
			(void)poll(NULL, 0, 1);
	}
}
