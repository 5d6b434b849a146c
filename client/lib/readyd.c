/* The functions of readyd.h that take no waiter. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "client/lib/abi.h"
#include "client/lib/glance.h"
#include "client/lib/opinion.h"
#include "client/lib/question.h"
#include "client/lib/settings.h"
#include "client/lib/waiter.h"
#include "src/clock.h"
#include "src/check.h"
#include "src/hot.h"
#include "src/verdict.h"

/* Checks without the daemon. True if the daemon could only confirm the result; else it may know more. */
static bool look(const struct settings *settings, const struct process *process,
    const struct marker_viewer *viewer, struct collisions *collisions, struct readyd_answer *answer,
    bool *refuted)
{
	struct history history = {.strict = settings->strict_age};

	check_process(&settings->place, process, &history, collisions, viewer, answer);
	answer->backend = READYD_BACKEND_FILE;
	*refuted = history.refuted;
	return !history.unconfirmed && verdict_needs_no_daemon(answer);
}

static void look_alone(
    const struct settings *settings, pid_t pid, uint64_t start, struct readyd_answer *answer)
{
	struct process process;
	bool refuted;

	process_open_exact(&process, pid, start);
	(void)look(settings, &process, &marker_viewer_direct, collisions_lone(), answer, &refuted);
	process_close(&process);
}

/* How long the answers to all questions of a call may take. */
#define QUESTIONS_MS 10000

/* A query, or one of a set. */
struct inquiry {
	struct settings settings;
	int64_t asking_ms; /* how long the daemon has been waited for */
};

static int ask(struct inquiry *inquiry, pid_t pid, uint64_t start, struct readyd_answer *answer)
{
	int64_t began = clock_ms();
	int result;

	if (inquiry->asking_ms >= QUESTIONS_MS) {
		errno = ETIMEDOUT;
		return -1;
	}
	result = question_ask_verdict(&inquiry->settings, pid, start, answer);
	inquiry->asking_ms += clock_ms() - began;
	return result;
}

static bool is_same_place(const struct marker_place *a, const struct marker_place *b)
{
	return strcmp(a->dir, b->dir) == 0 && strcmp(a->prefix, b->prefix) == 0;
}

/* Of the process that was checked here, if its start is known. Where no directory was given, it is the
 * daemon's, and what was seen in another one does not count. */
static bool ask_more(
    struct inquiry *inquiry, const struct process *process, bool refuted, struct readyd_answer *answer)
{
	const struct marker_place checked = inquiry->settings.place;
	struct readyd_answer said;

	if (ask(inquiry, answer->pid, answer->start, &said) != 0)
		return false;
	if (!is_same_place(&checked, &inquiry->settings.place))
		(void)look(&inquiry->settings, process, &marker_viewer_direct, NULL, answer, &refuted);
	if (opinion_counts(answer, refuted, &said) ||
	    (said.verdict == answer->verdict && said.start == answer->start))
		*answer = opinion_complete(answer, &said);
	return true;
}

/* Whether a file has the name of the marker of that process, and the daemon has to say of which process it
 * is. */
static bool needs_word(const struct settings *settings, const struct process *process, struct glance *glance)
{
	return glance_finds_file(glance, &settings->place, process) && process->start_known &&
	       !process->unread && !process_gone(process);
}

/* True: the answer of the daemon counts, or it could add nothing. Else errno says why it has none. */
static bool query_daemon(struct inquiry *inquiry, const struct process *process, struct readyd_answer *answer)
{
	struct marker_viewer viewer = marker_viewer_direct;
	struct glance glance;
	bool refuted;

	if (needs_word(&inquiry->settings, process, &glance)) {
		if (ask(inquiry, process->pid, process->start, answer) != 0)
			return false;
		if (answer->verdict == READYD_READY && answer->start == process->start && answer->start != 0)
			return true;
	} else {
		viewer = glance_viewer(&glance);
	}
	if (look(&inquiry->settings, process, &viewer, NULL, answer, &refuted) &&
	    inquiry->settings.place_given)
		return true;
	return ask_more(inquiry, process, refuted, answer);
}

/* A daemon that is late, or not trusted, is not asked again in this call. */
static int query(struct inquiry *inquiry, pid_t pid, uint64_t start, struct readyd_answer *answer)
{
	struct settings *settings = &inquiry->settings;
	bool untrusted = false, told;
	struct process process;

	if (settings->backend == READYD_BACKEND_DAEMON || settings_is_remote(settings))
		return ask(inquiry, pid, start, answer);
	if (settings->backend == READYD_BACKEND_AUTO) {
		process_open_exact(&process, pid, start);
		told = query_daemon(inquiry, &process, answer);
		untrusted = !told && errno == EPERM;
		if (!told && (errno == ETIMEDOUT || untrusted))
			settings->backend = READYD_BACKEND_FILE;
		process_close(&process);
		if (told)
			return 0;
	}
	look_alone(settings, pid, start, answer);
	if (untrusted && answer->verdict == READYD_PENDING && answer->reason == READYD_REASON_NONE)
		answer->reason = READYD_REASON_DAEMON_UNTRUSTED;
	return 0;
}

int readyd_query(const struct readyd_options *options, pid_t pid, struct readyd_answer *answer)
{
	return readyd_query_exact(options, pid, 0, answer);
}

int readyd_query_exact(
    const struct readyd_options *options, pid_t pid, uint64_t start, struct readyd_answer *answer)
{
	struct inquiry inquiry = {.asking_ms = 0};
	struct readyd_answer own;

	if (abi_check_answer(answer) != 0 || settings_init(&inquiry.settings, options) != 0)
		return -1;
	if (pid < 1) {
		errno = EINVAL;
		return -1;
	}
	if (query(&inquiry, pid, start, &own) != 0)
		return -1;
	abi_give_answer(answer, &own);
	return 0;
}

/* Whether the elements of the caller's array can be answered; nothing is asked before all of them can. */
static int check_set(struct readyd_answer *answer, size_t count)
{
	for (; count > 0; count--, answer = abi_next_answer(answer)) {
		if (abi_check_answer(answer) != 0)
			return -1;
		if (answer->pid < 1) {
			errno = EINVAL;
			return -1;
		}
	}
	return 0;
}

int readyd_query_set(const struct readyd_options *options, struct readyd_answer *answers, size_t count)
{
	struct inquiry inquiry = {.asking_ms = 0};
	struct readyd_answer own;

	if (check_set(answers, count) != 0 || settings_init(&inquiry.settings, options) != 0)
		return -1;
	for (; count > 0; count--, answers = abi_next_answer(answers)) {
		if (query(&inquiry, answers->pid, answers->start, &own) != 0)
			return -1;
		abi_give_answer(answers, &own);
	}
	return 0;
}

/* Milliseconds for poll(2) until the deadline, rounded up; -1 for none. */
HOT static int left_until(const struct timespec *deadline)
{
	int64_t left;

	if (deadline == NULL)
		return -1;
	left = (clock_to_ns(deadline) + 999999) / 1000000 - clock_ms();
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

static bool ends_wait(const struct settings *settings, const struct readyd_answer *answer)
{
	return verdict_ends_wait(answer) && !(settings->await_end && answer->verdict == READYD_READY);
}

static int look_a_last_time(struct readyd_waiter *waiter, pid_t pid, struct readyd_answer *answer)
{
	if (waiter_peek(waiter, pid, 0, answer) != 0)
		return -1;
	if (ends_wait(&waiter->settings, answer) ||
	    (answer->verdict == READYD_STALE && waiter->settings.fail_stale))
		return 0;
	if (answer->verdict != READYD_READY)
		answer->verdict = READYD_PENDING;
	answer->reason = READYD_REASON_DEADLINE;
	return 0;
}

HOT static int wait_by_waiter(
    struct readyd_waiter *waiter, pid_t pid, const struct timespec *deadline, struct readyd_answer *answer)
{
	int left;

	if (readyd_waiter_add(waiter, pid) != 0)
		return -1;
	while (!waiter_take(waiter, answer)) {
		left = left_until(deadline);
		if (left == 0)
			return look_a_last_time(waiter, pid, answer);
		if (readyd_waiter_sleep(waiter, left) != 0)
			return -1;
	}
	return 0;
}

HOT int readyd_wait(const struct readyd_options *options, pid_t pid, const struct timespec *deadline,
    struct readyd_answer *answer)
{
	struct readyd_waiter waiter;
	struct readyd_answer own;
	int result, saved;

	if (abi_check_answer(answer) != 0 || waiter_init(&waiter, options) != 0)
		return -1;
	result = wait_by_waiter(&waiter, pid, deadline, &own);
	saved = result == 0 ? 0 : errno;
	waiter_fini(&waiter);
	if (result != 0)
		errno = saved;
	else
		abi_give_answer(answer, &own);
	return result;
}

struct listing {
	enum readyd_backend backend; /* of a daemon's entries */
	int (*each)(const struct readyd_answer *answer, void *context);
	void *context;
	int stopped; /* what each() returned */
	bool begun;  /* each() has been called */
};

static void report_entry(struct listing *listing, struct readyd_answer *answer)
{
	answer->size = sizeof(*answer);
	listing->stopped = listing->each(answer, listing->context);
}

static int take_entry(const struct daemon_event *event, void *context)
{
	struct listing *listing = context;
	struct readyd_answer answer = event->answer;

	if (event->kind == DAEMON_END)
		return 1;
	if (event->kind != DAEMON_ENTRY) {
		errno = EPROTO;
		return -1;
	}
	answer.backend = listing->backend;
	listing->begun = true;
	report_entry(listing, &answer);
	return listing->stopped != 0;
}

/* Reports every living process that has a marker. */
static int list_files(const struct settings *settings, struct listing *listing)
{
	DIR *dir = opendir(settings->place.dir);
	struct readyd_answer answer;
	struct dirent *entry;
	pid_t pid;

	if (dir == NULL)
		return -1;
	while (listing->stopped == 0 && (entry = readdir(dir)) != NULL) {
		pid = marker_pid(&settings->place, entry->d_name);
		if (pid == 0)
			continue;
		look_alone(settings, pid, 0, &answer);
		if (answer.verdict == READYD_READY)
			report_entry(listing, &answer);
	}
	closedir(dir);
	return 0;
}

/* A connection that breaks in the middle is an error: another source would repeat entries. */
int readyd_list(const struct readyd_options *options,
    int (*each)(const struct readyd_answer *answer, void *context), void *context)
{
	struct listing listing = {.each = each, .context = context};
	const struct question question = {
	    .request = {.verb = WIRE_LIST}, .take = take_entry, .context = &listing};
	struct settings settings;
	int result;

	if (settings_init(&settings, options) != 0)
		return -1;
	listing.backend = settings_daemon(&settings);
	if (settings.backend == READYD_BACKEND_FILE)
		result = list_files(&settings, &listing);
	else
		result = question_ask(&settings, &question);
	if (result != 0 && settings.backend == READYD_BACKEND_AUTO && !listing.begun)
		result = list_files(&settings, &listing);
	return result != 0 ? -1 : listing.stopped;
}

struct text {
	char *buf;
	size_t size;
};

static int take_stats(const struct daemon_event *event, void *context)
{
	struct text *text = context;

	if (event->kind != DAEMON_STATS) {
		errno = EPROTO;
		return -1;
	}
	if (event->text_len >= text->size) {
		errno = ENOSPC;
		return -1;
	}
	memcpy(text->buf, event->text, event->text_len);
	text->buf[event->text_len] = '\0';
	return 1;
}

static int take_pong(const struct daemon_event *event, void *context)
{
	(void)context;
	errno = EPROTO;
	return event->kind == DAEMON_ANSWERED ? 1 : -1;
}

/* No other backend can answer for the daemon. */
static int ask_about_daemon(const struct readyd_options *options, const struct question *question)
{
	struct settings settings;

	if (settings_init(&settings, options) != 0)
		return -1;
	if (!settings_is_remote(&settings))
		settings.backend = READYD_BACKEND_DAEMON;
	return question_ask(&settings, question);
}

int readyd_stats(const struct readyd_options *options, char *buf, size_t size)
{
	struct text text = {buf, size};
	const struct question question = {{.verb = WIRE_STATS}, true, take_stats, &text};

	return ask_about_daemon(options, &question);
}

const char *readyd_version(void)
{
	return READYD_VERSION;
}

int readyd_ping(const struct readyd_options *options)
{
	const struct question question = {{.verb = WIRE_PING}, true, take_pong, NULL};

	return ask_about_daemon(options, &question);
}
