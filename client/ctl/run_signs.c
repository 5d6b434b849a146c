#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/ctl/command_line.h"
#include "client/ctl/run_signs.h"
#include "client/ctl/usage.h"
#include "src/escape.h"

static int open_notify(struct run_signs *s)
{
	if (sign_notify_open(&s->notify) == 0)
		return 0;
	fprintf(stderr, "readyctl: cannot create NOTIFY_SOCKET: %s (see TMPDIR)\n", strerror(errno));
	return EXIT_FAILED;
}

/* The worker's end gets that number only in the worker. */
static int open_pipe(struct run_signs *s)
{
	int end;

	if (pipe2(s->pipe, O_CLOEXEC) == 0) {
		(void)fcntl(s->pipe[0], F_SETFL, O_NONBLOCK);
		end = fcntl(s->pipe[1], F_DUPFD_CLOEXEC, s->number + 1);
		close(s->pipe[1]);
		s->pipe[1] = end;
		if (end >= 0)
			return 0;
	}
	fprintf(stderr, "readyctl: cannot create descriptor %d: %s (see ulimit -n)\n", s->number,
	    strerror(errno));
	return EXIT_FAILED;
}

static int open_regex(struct run_signs *s)
{
	int error = regcomp(&s->regex, s->pattern, REG_EXTENDED | REG_NOSUB);
	char text[128];

	if (error == 0)
		return 0;
	(void)regerror(error, &s->regex, text, sizeof(text));
	(void)usage("--line", s->pattern, text);
	s->kind = SIGN_MARKER;
	return EXIT_USAGE;
}

int run_signs_open(struct run_signs *s, const struct run_options *o)
{
	*s = (struct run_signs){.kind = o->sign,
	    .pipe = {-1, -1},
	    .number = o->notify_fd,
	    .notify.fd = -1,
	    .pattern = o->sign_value};
	switch (s->kind) {
	case SIGN_MARKER:
		return 0;
	case SIGN_NOTIFY:
		return open_notify(s);
	case SIGN_NOTIFY_FD:
		return open_pipe(s);
	case SIGN_LISTEN:
		sign_listen_init(&s->listen, o->sign_value);
		return 0;
	case SIGN_LINE:
		return open_regex(s);
	}
	return EXIT_FAILED;
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void run_signs_close(struct run_signs *s)
{
	sign_notify_close(&s->notify);
	close_end(&s->pipe[0]);
	close_end(&s->pipe[1]);
	if (s->kind == SIGN_LINE)
		regfree(&s->regex);
	s->kind = SIGN_MARKER;
}

static void on_line(const char *line, void *context)
{
	struct run_signs *s = context;

	s->seen |= !s->seen && regexec(&s->regex, line, 0, NULL, 0) == 0;
}

void run_signs_setup(
    struct run_signs *s, struct run_setup *setup, struct run_stream *out, struct run_stream *err)
{
	setup->sign_fd = s->pipe[1];
	setup->sign_number = s->pipe[1] >= 0 ? s->number : -1;
	setup->notify_socket = s->kind == SIGN_NOTIFY ? s->notify.address.sun_path : NULL;
	if (s->kind != SIGN_LINE)
		return;
	out->lines.on_line = err->lines.on_line = on_line;
	out->lines.context = err->lines.context = s;
}

void run_signs_started(struct run_signs *s)
{
	close_end(&s->pipe[1]);
}

void run_signs_poll(const struct run_signs *s, struct pollfd *fd)
{
	*fd = (struct pollfd){.fd = s->kind == SIGN_NOTIFY ? s->notify.fd : s->pipe[0], .events = POLLIN};
}

int64_t run_signs_due(const struct run_signs *s)
{
	return s->kind == SIGN_LISTEN && !s->seen ? s->listen.due : -1;
}

/* What comes later is read, too, so that the worker can go on writing there. */
static void read_pipe(struct run_signs *s)
{
	char text[256];
	ssize_t n;

	while (s->pipe[0] >= 0 && (n = read(s->pipe[0], text, sizeof(text))) >= 0) {
		s->seen |= memchr(text, '\n', (size_t)n) != NULL;
		if (n == 0)
			close_end(&s->pipe[0]);
	}
	s->lost = !s->seen && s->pipe[0] < 0;
}

void run_signs_check(struct run_signs *s, pid_t worker, bool output_ended)
{
	switch (s->kind) {
	case SIGN_MARKER:
		return;
	case SIGN_NOTIFY:
		s->seen |= sign_notify_check(&s->notify, worker);
		return;
	case SIGN_NOTIFY_FD:
		read_pipe(s);
		return;
	case SIGN_LISTEN:
		s->seen |= !s->seen && sign_listen_check(&s->listen, worker);
		return;
	case SIGN_LINE:
		s->lost = output_ended && !s->seen;
		return;
	}
}

static void why_not_notified(const struct sign_notify *n, char text[RUN_SIGNS_WHY_SIZE])
{
	char status[4 * NOTIFY_STATUS_SIZE];
	int at = snprintf(text, RUN_SIGNS_WHY_SIZE, "it has not sent READY=1");

	if (n->refused)
		at += snprintf(text + at, RUN_SIGNS_WHY_SIZE - (size_t)at,
		    " (process %ld has, but is not it or a descendant, or ended at once)",
		    (long)n->refused_pid);
	if (n->status[0] != '\0')
		snprintf(text + at, RUN_SIGNS_WHY_SIZE - (size_t)at, "; its status: %s",
		    escape_text(status, sizeof(status), n->status));
}

static const char *why_not_listening(struct sign_listen *l, pid_t worker)
{
	if (sign_listen_look(l, worker))
		return "it does now";
	if (l->count == 0)
		return "no process does";
	if (l->unreadable)
		return "some process does, but the descriptors of the worker may not be read";
	return "another process does, which is not it or a descendant";
}

const char *run_signs_why(struct run_signs *s, pid_t worker, char text[RUN_SIGNS_WHY_SIZE])
{
	char value[4 * 64];

	text[0] = '\0';
	if (s->seen)
		return text;
	switch (s->kind) {
	case SIGN_MARKER:
		break;
	case SIGN_NOTIFY:
		why_not_notified(&s->notify, text);
		break;
	case SIGN_NOTIFY_FD:
		snprintf(text, RUN_SIGNS_WHY_SIZE, "it has %s descriptor %d without a newline",
		    s->lost ? "closed" : "not closed", s->number);
		if (!s->lost)
			snprintf(text, RUN_SIGNS_WHY_SIZE, "no newline has come on descriptor %d", s->number);
		break;
	case SIGN_LISTEN:
		snprintf(text, RUN_SIGNS_WHY_SIZE, "it does not listen on %s: %s",
		    escape_text(value, sizeof(value), s->listen.where),
		    why_not_listening(&s->listen, worker));
		break;
	case SIGN_LINE:
		snprintf(text, RUN_SIGNS_WHY_SIZE, "%sno line of its output matches '%s'",
		    s->lost ? "it has closed its output, and " : "",
		    escape_text(value, sizeof(value), s->pattern));
		break;
	}
	return text;
}
