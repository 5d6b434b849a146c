#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "probe/output.h"

#define SCHEMA_VERSION 3

/* The length of the UTF-8 sequence at text, or 0: overlong, a surrogate, above U+10FFFF, or cut off. */
static size_t utf8_length(const unsigned char *text)
{
	const unsigned char first = text[0], second = first < 0xc2 ? 0 : text[1];
	const size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

	if (length < 2)
		return length;
	if (first > 0xf4 || (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
	    (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f))
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

void output_string(FILE *file, const char *text)
{
	const unsigned char *byte = (const unsigned char *)text;
	size_t length;

	putc('"', file);
	for (; *byte != '\0'; byte += length > 0 ? length : 1) {
		length = utf8_length(byte);
		if (length == 0)
			fputs("\\ufffd", file);
		else if (*byte == '"' || *byte == '\\')
			fprintf(file, "\\%c", *byte);
		else if (*byte < 0x20 || *byte == 0x7f)
			fprintf(file, "\\u%04x", *byte);
		else
			fwrite(byte, 1, length, file);
	}
	putc('"', file);
}

void output_plain(FILE *file, const char *text)
{
	const unsigned char *byte = (const unsigned char *)text;
	size_t length;

	for (; *byte != '\0'; byte += length > 0 ? length : 1) {
		length = utf8_length(byte);
		if (length == 0 || *byte < 0x20 || *byte == 0x7f || (*byte == 0xc2 && byte[1] < 0xa0))
			putc('?', file);
		else
			fwrite(byte, 1, length, file);
	}
}

static void json_reading(FILE *file, const struct reading *reading)
{
	fprintf(file, "{\"tid\":%ld", (long)reading->tid);
	if (reading->comm[0] != '\0') {
		fputs(",\"comm\":", file);
		output_string(file, reading->comm);
	}
	if (reading->start_time != 0)
		fprintf(file, ",\"start_time_jiffies\":%" PRIu64, reading->start_time);
	if (reading->error == READING_OK) {
		fprintf(file, ",\"allocated_bytes\":%" PRIu64 ",\"deallocated_bytes\":%" PRIu64 "}",
		    reading->allocated, reading->deallocated);
		return;
	}
	fputs(",\"error\":", file);
	output_string(file, reading->text);
	fprintf(file, ",\"error_kind\":\"%s\"}", reading_error_name(reading->error));
}

static void json_snapshot(FILE *file, const struct snapshot *snapshot)
{
	fprintf(file,
	    "{\"timestamp_unix_sec\":%" PRIu64 ",\"elapsed_since_start_ns\":%" PRIu64 ",\"threads\":[",
	    snapshot->unix_sec, snapshot->elapsed_ns);
	for (size_t i = 0; i < snapshot->count; i++) {
		fputs(i > 0 ? "," : "", file);
		json_reading(file, &snapshot->readings[i]);
	}
	fputs("]}", file);
}

void output_json(FILE *file, const struct report *report)
{
	fprintf(file,
	    "{\"schema_version\":%d,\"pid\":%ld,\"tool_version\":\"%s\",\"started_at_unix_sec\":%" PRIu64,
	    SCHEMA_VERSION, (long)report->pid, PACKAGE_VERSION, report->started_unix_sec);
	if (report->interval_ms != 0)
		fprintf(file, ",\"interval_ms\":%u", report->interval_ms);
	fprintf(file, ",\"interrupted\":%s,\"snapshots\":[", report->interrupted ? "true" : "false");
	for (size_t i = 0; i < report->count; i++) {
		fputs(i > 0 ? "," : "", file);
		json_snapshot(file, &report->snapshots[i]);
	}
	fputs("]}\n", file);
}

static void text_name(FILE *file, const char *comm)
{
	fputs(*comm != '\0' ? " comm=" : "", file);
	output_plain(file, comm);
}

static void text_reading(FILE *file, FILE *errors, const struct reading *reading)
{
	const bool ok = reading->error == READING_OK;

	fprintf(ok ? file : errors, ok ? "tid=%ld" : "warning: tid %ld", (long)reading->tid);
	text_name(ok ? file : errors, reading->comm);
	if (ok)
		fprintf(file, " allocated_bytes=%" PRIu64 " deallocated_bytes=%" PRIu64 "\n",
		    reading->allocated, reading->deallocated);
	else
		fprintf(errors, " [%s]: %s\n", reading_error_name(reading->error), reading->text);
}

void output_text(FILE *file, FILE *errors, const struct report *report)
{
	fprintf(file, "pid=%ld tool_version=%s\n", (long)report->pid, PACKAGE_VERSION);
	for (size_t i = 0; i < report->count; i++) {
		const struct snapshot *snapshot = &report->snapshots[i];

		fprintf(file, "--- snapshot %zu/%zu @ %" PRIu64 "s ---\n", i + 1, report->count,
		    snapshot->unix_sec);
		for (size_t j = 0; j < snapshot->count; j++)
			text_reading(file, errors, &snapshot->readings[j]);
	}
}

/* One metric; the format prints its name. */
__attribute__((format(printf, 3, 4))) static void metric(FILE *file, uint64_t value, const char *format, ...)
{
	const char *suffix = strrchr(format, '.');
	const bool bytes = suffix != NULL && strstr(suffix, "allocated_bytes") != NULL;
	va_list args;

	fputs("{\"name\":\"jemalloc_probe.", file);
	va_start(args, format);
	vfprintf(file, format, args);
	va_end(args);
	fprintf(file,
	    "\",\"value\":%" PRIu64
	    ",\"polarity\":\"%s\",\"unit\":\"%s\",\"source\":\"Json\",\"stream\":\"Stdout\"}",
	    value, bytes ? "LowerBetter" : "Unknown", bytes ? "bytes" : "");
}

static void metrics_of_reading(FILE *file, const struct reading *reading, size_t i, size_t j)
{
	putc(',', file);
	metric(file, (uint64_t)reading->tid, "snapshots.%zu.threads.%zu.tid", i, j);
	if (reading->start_time != 0) {
		putc(',', file);
		metric(file, reading->start_time, "snapshots.%zu.threads.%zu.start_time_jiffies", i, j);
	}
	if (reading->error != READING_OK)
		return;
	putc(',', file);
	metric(file, reading->allocated, "snapshots.%zu.threads.%zu.allocated_bytes", i, j);
	putc(',', file);
	metric(file, reading->deallocated, "snapshots.%zu.threads.%zu.deallocated_bytes", i, j);
}

static void metrics_of_snapshot(FILE *file, const struct snapshot *snapshot, size_t i)
{
	putc(',', file);
	metric(file, snapshot->unix_sec, "snapshots.%zu.timestamp_unix_sec", i);
	putc(',', file);
	metric(file, snapshot->elapsed_ns, "snapshots.%zu.elapsed_since_start_ns", i);
	for (size_t j = 0; j < snapshot->count; j++)
		metrics_of_reading(file, &snapshot->readings[j], i, j);
}

void output_metrics(FILE *file, const struct report *report, size_t index, int exit_code)
{
	fprintf(file, "{\"payload_index\":%zu,\"metrics\":[", index);
	metric(file, SCHEMA_VERSION, "schema_version");
	putc(',', file);
	metric(file, (uint64_t)report->pid, "pid");
	putc(',', file);
	metric(file, report->started_unix_sec, "started_at_unix_sec");
	if (report->interval_ms != 0) {
		putc(',', file);
		metric(file, report->interval_ms, "interval_ms");
	}
	for (size_t i = 0; i < report->count; i++)
		metrics_of_snapshot(file, &report->snapshots[i], i);
	fprintf(file, "],\"exit_code\":%d}", exit_code);
}
