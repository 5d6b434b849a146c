#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/ctl/interrupts.h"
#include "client/ctl/operands.h"
#include "client/ctl/progress.h"
#include "client/ctl/usage.h"
#include "src/clock.h"
#include "src/number.h"
#include "src/span.h"

/* More than a system can have (pid_max). */
#define PROCESSES_MOST 4194304
/* A time-out of 0 must leave the program at the other end of a pipe the time to start. */
#define READ_LEAST_MS 1000
/* No PID:START is longer. */
#define WORD_MOST 64

/* gcc 12 loses sight of the array where the line is reached through struct reader. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

static void make_room(struct command_line *line)
{
	line->process_room = line->process_room == 0 ? 8 : 2 * line->process_room;
	line->processes = reallocarray(line->processes, line->process_room, sizeof(*line->processes));
	if (line->processes == NULL) {
		fprintf(stderr, "readyctl: cannot name so many processes: %s\n", strerror(errno));
		exit(EXIT_FAILED);
	}
}

int operands_add(struct command_line *line, struct named_process process)
{
	if (line->process_count == line->process_room)
		make_room(line);
	line->processes[line->process_count++] = process;
	return 0;
}

/* A marker's name has no leading zero either. */
static bool has_leading_zero(const char *word)
{
	const char *colon = strchr(word, ':');

	return (word[0] == '0' && word[1] != '\0' && word[1] != ':') || (colon != NULL && colon[1] == '0');
}

static const char *hint_for(const char *word)
{
	size_t pid = strspn(word, "0123456789"),
	       start = word[pid] == ':' ? strspn(word + pid + 1, "0123456789") : 0;
	pid_t number;

	_Static_assert(INT_MAX == 2147483647, "the message gives the limit");
	if (isalpha((unsigned char)word[0]))
		return "not PID or PID:START, positive decimal numbers; pgrep(1) prints those of a name";
	if (pid == 0 || word[pid + (start > 0) + start] != '\0' || has_leading_zero(word))
		return "not PID or PID:START, positive decimal numbers without leading zeros";
	if (span_pid((struct span){word, pid}, &number) != 0)
		return "out of range; a pid is from 1 to 2147483647";
	return "out of range; a start is from 1 to 18446744073709551615";
}

static int take(struct command_line *line, const char *what, const char *word)
{
	struct named_process process = {0};

	if (has_leading_zero(word) ||
	    span_process((struct span){word, strlen(word)}, &process.pid, &process.start) != 0)
		return usage(what, word, hint_for(word));
	return operands_add(line, process);
}

int operands_take(struct command_line *line, const char *word)
{
	if (strcmp(word, "-") != 0)
		return take(line, "process", word);
	line->reads_input = true;
	return 0;
}

#define ON_INPUT "process on standard input"

/* Words may be cut by the end of a buffer. */
struct reader {
	struct command_line *line;
	struct progress progress;
	int64_t deadline; /* -1: none */
	bool waits;
	char word[WORD_MOST + 1];
	size_t length;
};

static int end_word(struct reader *r)
{
	r->word[r->length] = '\0';
	if (r->length == 0)
		return 0;
	r->length = 0;
	if (r->line->process_count >= PROCESSES_MOST)
		return usage("standard input", "", "more processes than a system can have");
	return take(r->line, ON_INPUT, r->word);
}

static int take_bytes(struct reader *r, const char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (isspace((unsigned char)bytes[i])) {
			if (end_word(r) != 0)
				return -1;
			continue;
		}
		/* It is too long by then, or has a NUL that would end it: the message shows what came before.
		 */
		if (r->length == WORD_MOST || bytes[i] == '\0') {
			r->word[r->length] = '\0';
			return usage(ON_INPUT, r->word, hint_for("too long"));
		}
		r->word[r->length++] = bytes[i];
	}
	return 0;
}

static int64_t left(struct reader *r, int64_t now)
{
	int64_t until_shown = progress_left(&r->progress, now);
	int64_t ms = r->deadline < 0 ? INT_MAX : r->deadline - now;

	if (!r->waits)
		return -1;
	if (ms < 0)
		ms = 0;
	return until_shown >= 0 && until_shown < ms ? until_shown : ms;
}

static int give_up(struct reader *r, int number)
{
	progress_clear(&r->progress);
	interrupts_report(stderr, number, r->line);
	fprintf(stderr, ": standard input has not ended yet; close it, or name the processes as arguments\n");
	if (number != 0)
		interrupts_die(number);
	return EXIT_TIMED_OUT;
}

static int fail_to(const char *what)
{
	fprintf(stderr, "readyctl: cannot %s standard input: %s\n", what, strerror(errno));
	return EXIT_FAILED;
}

/* EXIT_READY: there is something to read. */
static int await_input(struct reader *r)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	for (;;) {
		int64_t now = clock_ms(), ms = left(r, now);
		int got;

		if (r->waits && progress_is_due(&r->progress, now))
			progress_show(&r->progress, "standard input has not ended yet", now);
		got = poll(&input, 1, ms > INT_MAX ? INT_MAX : (int)ms);
		if (interrupts_caught() != 0)
			return give_up(r, interrupts_caught());
		if (got < 0 && errno != EINTR)
			return fail_to("wait for");
		if (got > 0)
			return EXIT_READY;
		if (r->deadline >= 0 && clock_ms() >= r->deadline)
			return give_up(r, 0);
	}
}

static int read_all(struct reader *r)
{
	char bytes[4096];
	ssize_t got;
	int code;

	for (;;) {
		code = await_input(r);
		if (code != EXIT_READY)
			return code;
		got = read(STDIN_FILENO, bytes, sizeof(bytes));
		if (got == 0)
			return end_word(r) == 0 ? EXIT_READY : EXIT_USAGE;
		if (got < 0 && errno != EINTR && errno != EAGAIN)
			return fail_to("read");
		if (got > 0 && take_bytes(r, bytes, (size_t)got) != 0)
			return EXIT_USAGE;
	}
}

int operands_read(struct command_line *line, bool waits)
{
	struct reader reader = {.line = line, .waits = waits, .deadline = -1};
	int code;

	if (waits && line->timeout_ms >= 0)
		reader.deadline =
		    line->began + (line->timeout_ms > READ_LEAST_MS ? line->timeout_ms : READ_LEAST_MS);
	/* Where it is a terminal, the words are being typed there. */
	progress_init(&reader.progress, line->quiet || isatty(STDIN_FILENO), line->began);
	code = read_all(&reader);
	progress_clear(&reader.progress);
	return code;
}
