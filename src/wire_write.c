#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "src/number.h"
#include "src/verdict.h"
#include "src/wire.h"

static const struct {
	const char *code, *text;
} errors[] = {
    [WIRE_OK] = {"", ""},
    [WIRE_BAD_VERB] = {"bad-verb", "use HELLO, QUERY, WAIT, END, GATE, CANCEL, LIST, MONITOR, STATS or PING"},
    [WIRE_BAD_ARGUMENT] = {"bad-argument",
	"QUERY, END and GATE take PID or PID:START, WAIT also milliseconds, CANCEL a PID, MONITOR EPOCH:SEQ"},
    [WIRE_BAD_VERSION] = {"bad-version", "this daemon speaks version 1 only"},
    [WIRE_LINE_TOO_LONG] = {"line-too-long", "a request has at most 256 bytes, newline included"},
    [WIRE_TOO_MANY_CLIENTS] = {"too-many-clients", "try again later or watch the marker file"},
    [WIRE_TOO_MANY_WAITS] = {"too-many-waits", "cancel some, try again later or watch the marker file"},
    [WIRE_NO_RESOURCES] = {"no-resources", "the daemon lacks descriptors or /proc; use WAIT or the file"},
    [WIRE_TOO_MANY_MONITORS] = {"too-many-monitors", "end some or try again later"},
};

const char *wire_error_code(enum wire_error error)
{
	return errors[error].code;
}

/* A line being written. Anything that the writers put into it fits, by the sizes in the header; longer text
 * would be truncated. */
struct out {
	char *buf;
	size_t size, len;
};

__attribute__((format(printf, 2, 3))) static void put(struct out *o, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(o->buf + o->len, o->size - o->len, format, ap);
	va_end(ap);
	if (n > 0)
		o->len += (size_t)n < o->size - o->len ? (size_t)n : o->size - o->len - 1;
}

/* Without printf(3), which takes three times as long: the daemon writes answers often. */
static void put_text(struct out *o, const char *text)
{
	for (; *text != '\0' && o->len + 1 < o->size; text++)
		o->buf[o->len++] = *text;
}

static void put_number(struct out *o, const char *before, uint64_t number)
{
	char digits[24];

	number_put(digits, number);
	put_text(o, before);
	put_text(o, digits);
}

static size_t end_line(struct out *o)
{
	if (o->len + 1 >= o->size)
		o->len = o->size - 1;
	o->buf[o->len++] = '\n';
	return o->len;
}

/* Writes each byte that could end a word or a line, and '%' itself, as %XX. */
static void put_escaped(struct out *o, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		put(o, c <= ' ' || c == '%' || c >= 0x7f ? "%%%02X" : "%c", c);
	}
}

size_t wire_write_hello(char *buf, size_t size, const struct wire_hello *hello)
{
	struct out o = {buf, size, 0};

	put(&o,
	    "READYD %d epoch=%" PRIu64 " pidns=%" PRIu64 " timens=%" PRIu64 " dir=%" PRIu64 ":%" PRIu64
	    " prefix=",
	    WIRE_VERSION, hello->epoch, hello->pidns, hello->timens, hello->dev, hello->ino);
	put_escaped(&o, hello->place.prefix);
	put(&o, " path=");
	put_escaped(&o, hello->place.dir);
	if (hello->procfs_foreign)
		put(&o, " procfs=foreign");
	if (hello->tag != 0)
		put(&o, " tag=%" PRIu64, hello->tag);
	return end_line(&o);
}

static void put_answer(struct out *o, const struct readyd_answer *answer)
{
	const char *reason = readyd_reason_name(answer->reason);

	put_text(o, readyd_verdict_name(answer->verdict));
	put_number(o, " ", (uint64_t)answer->pid);
	if (answer->flags & READYD_FLAG_AGE_ASSUMED)
		put_text(o, " age=assumed");
	if (answer->start != 0)
		put_number(o, " start=", answer->start);
	if (reason != NULL) {
		put_text(o, " reason=");
		put_text(o, reason);
	}
	if (answer->wait_status >= 0 && WIFEXITED(answer->wait_status))
		put_number(o, " status=", (uint64_t)WEXITSTATUS(answer->wait_status));
	if (answer->wait_status >= 0 && WIFSIGNALED(answer->wait_status)) {
		put_number(o, " signal=", (uint64_t)WTERMSIG(answer->wait_status));
		put_text(o, WCOREDUMP(answer->wait_status) ? " core=1" : "");
	}
	if (answer->wait_status < 0 && (answer->flags & READYD_FLAG_STATUS_HIDDEN) != 0)
		put_text(o, " status=hidden");
	else if (verdict_is_process_gone(answer->verdict) && answer->wait_status < 0 && answer->start != 0)
		put_text(o, " status=unknown");
	if (answer->flags & READYD_FLAG_LATCHED)
		put_text(o, " latched=1");
	if (answer->flags & READYD_FLAG_EMPTY)
		put_text(o, " empty=1");
}

size_t wire_write_answer(char *buf, size_t size, const struct readyd_answer *answer)
{
	struct out o = {buf, size, 0};

	put_answer(&o, answer);
	return end_line(&o);
}

size_t wire_write_list(char *buf, size_t size, const struct readyd_answer *answer)
{
	struct out o = {buf, size, 0};

	put(&o, "LIST ");
	put_answer(&o, answer);
	return end_line(&o);
}

size_t wire_write_end(char *buf, size_t size, uint64_t count)
{
	struct out o = {buf, size, 0};

	put(&o, "END LIST %" PRIu64, count);
	return end_line(&o);
}

size_t wire_write_gate(char *buf, size_t size, const struct readyd_answer *answer)
{
	struct out o = {buf, size, 0};

	put(&o, "GATE %ld", (long)answer->pid);
	if (answer->start != 0)
		put(&o, " start=%" PRIu64, answer->start);
	if (answer->flags & READYD_FLAG_STATUS_HIDDEN)
		put(&o, " status=hidden");
	return end_line(&o);
}

size_t wire_write_cancelled(char *buf, size_t size, pid_t pid, uint64_t count)
{
	struct out o = {buf, size, 0};

	put(&o, "CANCELLED %ld %" PRIu64, (long)pid, count);
	return end_line(&o);
}

size_t wire_write_stats(char *buf, size_t size, const char *text)
{
	struct out o = {buf, size, 0};

	put(&o, "STATS %s", text);
	return end_line(&o);
}

static void put_position(struct out *o, const char *word, const struct readyd_event *event)
{
	put_text(o, word);
	put_number(o, " ", event->epoch);
	put_number(o, ":", event->seq);
}

static void put_change(struct out *o, const struct readyd_event *event)
{
	switch (event->change) {
	case READYD_CHANGE_SNAPSHOT:
		put_position(o, "SNAPSHOT", event);
		return;
	case READYD_CHANGE_LIVE:
		put_position(o, "LIVE", event);
		return;
	case READYD_CHANGE_RESUMED:
		put_position(o, "RESUMED", event);
		return;
	case READYD_CHANGE_GAP:
	case READYD_CHANGE_LOST:
		put_position(o, "GAP", event);
		return;
	case READYD_CHANGE_STATE:
		put_position(o, "STATE", event);
		return;
	case READYD_CHANGE_READY:
	case READYD_CHANGE_EXITED:
	case READYD_CHANGE_DIED:
	case READYD_CHANGE_STALE:
	case READYD_CHANGE_REMOVED:
	case READYD_CHANGE_REWRITTEN:
	case READYD_CHANGE_WAITED:
	case READYD_CHANGE_FORGOTTEN:
		put_position(o, "EVENT", event);
		put_text(o, " ");
		put_text(o, readyd_change_name(event->change));
		return;
	}
}

size_t wire_write_event(char *buf, size_t size, const struct readyd_event *event)
{
	const struct readyd_answer answer = {.pid = event->pid,
	    .start = event->start,
	    .verdict = event->verdict,
	    .reason = event->reason,
	    .flags = event->flags,
	    .wait_status = event->wait_status};
	struct out o = {buf, size, 0};

	put_change(&o, event);
	if (event->pid == 0)
		return end_line(&o);
	put_text(&o, " ");
	put_answer(&o, &answer);
	put_number(&o, " time=", (uint64_t)event->time_ms);
	put_number(&o, " waiters=", event->waiters);
	if (event->name[0] != '\0') {
		put_text(&o, " name=");
		put_escaped(&o, event->name);
	}
	return end_line(&o);
}

size_t wire_write_pong(char *buf, size_t size)
{
	struct out o = {buf, size, 0};

	put(&o, "PONG");
	return end_line(&o);
}

size_t wire_write_error(char *buf, size_t size, enum wire_error error, pid_t pid)
{
	struct out o = {buf, size, 0};

	put(&o, "ERR %s ", errors[error].code);
	if (pid > 0)
		put(&o, "pid=%ld ", (long)pid);
	put(&o, "%s", errors[error].text);
	return end_line(&o);
}
