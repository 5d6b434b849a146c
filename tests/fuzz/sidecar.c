/*
 * What the probe writes, and where in a file of ktstr's: a report is strict JSON, and a document that had an
 * array for the metrics is one afterwards, with one element more.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/output.h"
#include "probe/report.h"
#include "probe/splice.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/json.h"

/* As splice.c has it: deeper documents are refused. */
#define MAX_DEPTH 128

static void take_reading(struct fuzz_input *input, struct snapshot *snapshot)
{
	struct reading *reading = snapshot_add(snapshot, (pid_t)(fuzz_number(input) & 0x3fffffff));
	const char *bytes;
	size_t len;

	bytes = fuzz_bytes(input, fuzz_byte(input) % sizeof(reading->comm), &len);
	memcpy(reading->comm, bytes, len);
	reading->start_time = fuzz_number(input);
	reading->error = (enum reading_error)fuzz_below(input, READING_TLS_ARITHMETIC + 1);
	bytes = fuzz_bytes(input, fuzz_byte(input) % sizeof(reading->text), &len);
	memcpy(reading->text, bytes, len);
	reading->allocated = fuzz_number(input);
	reading->deallocated = fuzz_number(input);
}

static void take_report(struct fuzz_input *input, struct report *report)
{
	struct snapshot *snapshot;

	report->pid = (pid_t)(fuzz_number(input) & 0x3fffffff);
	report->started_unix_sec = fuzz_number(input);
	report->interval_ms = fuzz_byte(input);
	report->interrupted = fuzz_byte(input) % 2 == 0;
	for (unsigned count = fuzz_below(input, 4); count > 0; count--) {
		snapshot = report_add(report);
		snapshot->unix_sec = fuzz_number(input);
		snapshot->elapsed_ns = fuzz_number(input);
		for (unsigned readings = fuzz_below(input, 4); readings > 0; readings--)
			take_reading(input, snapshot);
	}
}

static void check_json(const char *text, size_t len)
{
	struct json_seen seen;

	fuzz_check(json_is_valid(text, len, NULL, &seen));
	fuzz_check(seen.is_object && !seen.has_repeated);
}

/* Returns an element of the array. The caller frees it. */
static char *write_report(const struct report *report, size_t *len)
{
	char *text = NULL;
	FILE *file = open_memstream(&text, len);

	fuzz_check(file != NULL);
	output_json(file, report);
	fuzz_check(fclose(file) == 0);
	check_json(text, *len);
	free(text);
	text = NULL;
	file = open_memstream(&text, len);
	fuzz_check(file != NULL);
	output_metrics(file, report, 0, 0);
	fuzz_check(fclose(file) == 0);
	check_json(text, *len);
	return text;
}

/* For strict JSON, the same array is found; for anything else, an insertion changes nothing around it. */
static void check_document(const char *text, size_t len, const char *element, size_t element_len)
{
	struct json_seen before, after;
	struct splice splice;
	const bool valid = json_is_valid(text, len, "metrics", &before);
	const bool found = splice_find(text, len, "metrics", &splice) == 0;
	char *changed;

	if (found)
		fuzz_check(splice.offset < len && text[splice.offset] == ']');
	if (!valid || before.array_name != 1 || before.depth > MAX_DEPTH)
		return;
	fuzz_check(found == (before.is_object && before.has_array));
	if (!found)
		return;
	fuzz_check(splice.count == before.elements);
	changed = malloc(len + element_len + 1);
	fuzz_check(changed != NULL);
	memcpy(changed, text, splice.offset);
	changed[splice.offset] = ',';
	memcpy(changed + splice.offset + (splice.count > 0), element, element_len);
	memcpy(changed + splice.offset + (splice.count > 0) + element_len, text + splice.offset,
	    len - splice.offset);
	fuzz_check(json_is_valid(changed, len + element_len + (splice.count > 0), "metrics", &after));
	fuzz_check(after.has_array && after.elements == before.elements + 1);
	free(changed);
}

static void one(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	struct report report = {0};
	char *element, *document;
	size_t len;

	if (fuzz_byte(&input) % 2 == 0)
		take_report(&input, &report);
	element = write_report(&report, &len);
	document = fuzz_copy(input.at, input.left);
	check_document(document, input.left, element, len);
	free(document);
	free(element);
	report_fini(&report);
}

const struct fuzz_target fuzz_target = {.name = "sidecar", .one = one};
