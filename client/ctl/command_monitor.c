#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/ctl/command.h"
#include "client/ctl/interrupts.h"
#include "client/ctl/monitor_print.h"
#include "client/ctl/monitor_screen.h"
#include "client/ctl/monitor_table.h"
#include "client/ctl/output.h"
#include "client/ctl/usage.h"
#include "src/clock.h"

/* The ages in the table count seconds. A burst of events is one picture. */
#define REDRAW_MS 1000
#define PAUSE_MS  50
/* Events that are taken between two pictures. */
#define EVENTS_MOST 4096

/* Whether it is about the processes that were named. */
static bool is_wanted(const struct command_line *line, const struct readyd_event *event)
{
	if (line->process_count == 0 || !monitor_names_process(event))
		return true;
	for (size_t i = 0; i < line->process_count; i++)
		if (line->processes[i].pid == event->pid &&
		    (line->processes[i].start == 0 || line->processes[i].start == event->start))
			return true;
	return false;
}

static int fail(const struct command_line *line)
{
	return command_failed(line, "cannot monitor");
}

/* --- lines */

/* Sleeps until there may be another event: 1. 0: the reader of the output has gone, so this ends like it; -1:
 * errno. */
static int await_event(struct readyd_monitor *monitor)
{
	struct pollfd fds[] = {{.fd = readyd_monitor_fd(monitor), .events = POLLIN}, {.fd = STDOUT_FILENO}};

	if (poll(fds, 2, -1) < 0)
		return errno == EINTR ? 1 : -1;
	return (fds[1].revents & (POLLERR | POLLHUP)) == 0;
}

/* 1: an event was printed; 0: there is none; -1: errno, EPIPE where the reader has gone. */
static int print_next(const struct command_line *line, struct readyd_monitor *monitor)
{
	struct readyd_event event = READYD_EVENT_INIT;
	int got = readyd_monitor_next(monitor, &event);

	if (got != 1 || !is_wanted(line, &event))
		return got;
	if (line->json)
		monitor_print_json(stdout, &event);
	else
		monitor_print_text(stdout, &event);
	return output_flush() == 0 ? 1 : -1;
}

static int print_all(const struct command_line *line, struct readyd_monitor *monitor)
{
	int got;

	do {
		got = print_next(line, monitor);
		if (got == 0 && (got = await_event(monitor)) == 0)
			return EXIT_READY;
	} while (got >= 0);
	if (errno == EPIPE && ferror(stdout))
		return EXIT_READY;
	if (!ferror(stdout))
		return fail(line);
	(void)output_finish();
	return EXIT_FAILED;
}

/* --- the table */

struct live {
	const struct command_line *line;
	struct readyd_monitor *monitor;
	struct monitor_table table;
	struct monitor_view view;
	int64_t drawn; /* clock_ms() */
	bool changed;  /* since */
};

static int name_processes(struct live *live)
{
	for (size_t i = 0; i < live->line->process_count; i++)
		if (monitor_table_name(&live->table, live->line->processes[i].pid) != 0)
			return -1;
	return 0;
}

static int take_events(struct live *live)
{
	struct readyd_event event = READYD_EVENT_INIT;
	int got = 1;

	for (int i = 0; i < EVENTS_MOST && (got = readyd_monitor_next(live->monitor, &event)) == 1; i++) {
		live->changed = true;
		if (is_wanted(live->line, &event) && monitor_table_take(&live->table, &event) != 0)
			return -1;
	}
	return got < 0 ? -1 : 0;
}

static int draw(struct live *live)
{
	struct monitor_view *view = &live->view;
	char *text = NULL;
	size_t length = 0;
	FILE *file = open_memstream(&text, &length);
	int result;

	if (file == NULL)
		return -1;
	view->now_ms = clock_now_ns(CLOCK_REALTIME) / 1000000;
	monitor_screen_size(&view->columns, &view->lines);
	monitor_table_draw(&live->table, view, file);
	result = fclose(file) != 0 ? -1 : monitor_screen_show(text, length);
	free(text);
	live->drawn = clock_ms();
	live->changed = false;
	return result;
}

/* What has changed is drawn at once, but not more often than can be seen. */
static int left(const struct live *live)
{
	const int64_t pause = live->changed ? PAUSE_MS : REDRAW_MS;
	const int64_t ms = live->drawn + pause - clock_ms();

	return ms < 0 ? 0 : (int)ms;
}

/* Drawing sees that there are rows. */
static void scroll(struct live *live, size_t rows, bool back)
{
	size_t *first = &live->view.first;

	if (back)
		*first -= rows < *first ? rows : *first;
	else
		*first += rows;
	live->drawn = 0;
}

/* Returns the exit code, or with *number the signal to end by. */
static int show(struct live *live, int *number)
{
	enum monitor_key key;

	for (;;) {
		if (take_events(live) != 0 || (left(live) == 0 && draw(live) != 0))
			return -1;
		key = monitor_screen_sleep(readyd_monitor_fd(live->monitor), left(live), number);
		switch (key) {
		case MONITOR_KEY_QUIT:
		case MONITOR_KEY_SIGNAL:
			return EXIT_READY;
		case MONITOR_KEY_UP:
		case MONITOR_KEY_DOWN:
			scroll(live, 1, key == MONITOR_KEY_UP);
			break;
		case MONITOR_KEY_BACK:
		case MONITOR_KEY_FORTH:
			scroll(live, monitor_table_page(&live->view), key == MONITOR_KEY_BACK);
			break;
		case MONITOR_KEY_RESIZED:
			live->drawn = 0;
			break;
		case MONITOR_KEY_FAILED:
			return -1;
		case MONITOR_KEY_NONE:
			break;
		}
	}
}

static int show_table(const struct command_line *line, struct readyd_monitor *monitor)
{
	struct live live = {.line = line,
	    .monitor = monitor,
	    .view = {.colours = monitor_screen_has_colours(), .socket = usage_socket(&line->options)},
	    .changed = true};
	int number = 0, code = -1, error;

	if (name_processes(&live) == 0 && monitor_screen_open() == 0)
		code = show(&live, &number);
	error = errno;
	monitor_screen_close();
	monitor_table_free(&live.table);
	if (number != 0)
		interrupts_die(number);
	errno = error;
	return code < 0 ? fail(line) : code;
}

int command_monitor(const struct command_line *line)
{
	struct readyd_monitor *monitor = readyd_monitor_new(&line->options, line->since);
	int code;

	if (monitor == NULL || readyd_monitor_fd(monitor) < 0)
		code = fail(line);
	/* What follows a token is changes alone, of which a table cannot be made. */
	else if (!line->json && line->since == NULL && monitor_screen_is_possible())
		code = show_table(line, monitor);
	else
		code = print_all(line, monitor);
	readyd_monitor_free(monitor);
	return code;
}
