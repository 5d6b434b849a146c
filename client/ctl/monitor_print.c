#include "config.h"

#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "client/ctl/monitor_print.h"
#include "client/ctl/output.h"
#include "src/escape.h"

void monitor_print_end(char *text, size_t size, const struct readyd_event *event)
{
	const int status = event->wait_status;

	text[0] = '\0';
	if (event->flags & READYD_FLAG_STATUS_HIDDEN)
		snprintf(text, size, " status=hidden");
	else if (status >= 0 && WIFEXITED(status))
		snprintf(text, size, " status=%d", WEXITSTATUS(status));
	else if (status >= 0 && WIFSIGNALED(status))
		snprintf(text, size, " signal=%d%s", WTERMSIG(status), WCOREDUMP(status) ? " core=1" : "");
}

/* In UTC, so that lines of several machines can be compared. Not by strftime(3), with which static programs
 * would contain time zones. */
static void print_time(FILE *file, int64_t time_ms)
{
	const time_t seconds = (time_t)(time_ms / 1000);
	struct tm t;

	if (gmtime_r(&seconds, &t) != NULL)
		fprintf(file, " time=%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", t.tm_year + 1900, t.tm_mon + 1,
		    t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, (int)(time_ms % 1000));
}

/* The name comes last, since it may contain anything. */
static void print_process(FILE *file, const struct readyd_event *event)
{
	const char *verdict = readyd_verdict_name(event->verdict);
	char text[4 * sizeof(event->name) + 1];

	fprintf(file, " %ld", (long)event->pid);
	if (verdict != NULL && strcmp(verdict, readyd_change_name(event->change)) != 0)
		fprintf(file, " verdict=%s", verdict);
	if (event->start != 0)
		fprintf(file, " start=%" PRIu64, event->start);
	monitor_print_end(text, sizeof(text), event);
	fputs(text, file);
	fprintf(file, " waiters=%u", event->waiters);
	print_time(file, event->time_ms);
}

void monitor_print_text(FILE *file, const struct readyd_event *event)
{
	const char *reason = readyd_reason_name(event->reason);
	char text[4 * sizeof(event->name) + 1];

	fputs(readyd_change_name(event->change), file);
	if (monitor_names_process(event))
		print_process(file, event);
	if (reason != NULL)
		fprintf(file, " reason=%s", reason);
	fprintf(file, " token=%" PRIu64 ":%" PRIu64, event->epoch, event->seq);
	if (event->name[0] != '\0')
		fprintf(file, " name=%s", escape_text(text, sizeof(text), event->name));
	putc('\n', file);
}

static void print_json_status(FILE *file, const struct readyd_event *event)
{
	const int status = event->wait_status;

	if (event->flags & READYD_FLAG_STATUS_HIDDEN)
		fputs(",\"status\":\"hidden\"", file);
	else if (status >= 0 && WIFEXITED(status))
		fprintf(file, ",\"status\":%d", WEXITSTATUS(status));
	else
		fputs(",\"status\":null", file);
	if (status >= 0 && WIFSIGNALED(status))
		fprintf(file, ",\"signal\":%d", WTERMSIG(status));
}

static void print_json_process(FILE *file, const struct readyd_event *event)
{
	fprintf(file, ",\"time_ms\":%" PRId64 ",\"pid\":%ld", event->time_ms, (long)event->pid);
	if (event->start != 0)
		fprintf(file, ",\"start\":%" PRIu64, event->start);
	else
		fputs(",\"start\":null", file);
	fprintf(file, ",\"verdict\":\"%s\"", readyd_verdict_name(event->verdict));
}

/* The token is a string: an epoch has more digits than many readers of JSON keep of a number. */
void monitor_print_json(FILE *file, const struct readyd_event *event)
{
	const char *reason = readyd_reason_name(event->reason);

	fprintf(file, "{\"change\":\"%s\",\"epoch\":%" PRIu64 ",\"seq\":%" PRIu64,
	    readyd_change_name(event->change), event->epoch, event->seq);
	fprintf(file, ",\"token\":\"%" PRIu64 ":%" PRIu64 "\"", event->epoch, event->seq);
	if (monitor_names_process(event))
		print_json_process(file, event);
	fprintf(file, ",\"reason\":%s%s%s", reason != NULL ? "\"" : "", reason != NULL ? reason : "null",
	    reason != NULL ? "\"" : "");
	if (monitor_names_process(event)) {
		print_json_status(file, event);
		fprintf(file, ",\"waiters\":%u,\"name\":", event->waiters);
		output_quoted(file, event->name);
	}
	fputs("}\n", file);
}
