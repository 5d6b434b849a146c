#include "config.h"

#include <elf.h>

#include "probe/failure.h"
#include "probe/options.h"
#include "probe/output.h"
#include "probe/report.h"
#include "probe/splice.h"
#include "probe/tls.h"
#include "tests/unit.h"

#define TOP UINT64_MAX

static const struct {
	struct tls_layout layout;
	uint64_t pointer, offset;
	int result;
	uint64_t address;
} addresses[] = {
    /* The block ends at the thread pointer; its size is rounded up. */
    {{EM_X86_64, 0x100, 0x10, 0x20}, 0x10000, 8, 0, 0x10000 - 0x100 + 0x28},
    {{EM_X86_64, 0x101, 0x40, 0x20}, 0x10000, 8, 0, 0x10000 - 0x140 + 0x28},
    {{EM_X86_64, 0x101, 1, 0}, 0x10000, 0, 0, 0x10000 - 0x101},
    {{EM_X86_64, 0x101, 0, 0}, 0x10000, 0, 0, 0x10000 - 0x101},
    {{EM_X86_64, 0x1000, 0x1000, 0}, 0x1000, 0, 0, 0},
    {{EM_X86_64, 0x1001, 0x1000, 0}, 0x1fff, 0, -1, 0},
    {{EM_X86_64, 0x100, 0x10, 0}, 0, 0, -1, 0},
    {{EM_X86_64, 0x100, 3, 0}, 0x10000, 0, -1, 0},
    {{EM_X86_64, TOP, 0x10, 0}, TOP, 0, -1, 0},
    {{EM_X86_64, 0, 1, TOP}, 1, 0, -1, 0},
    {{EM_X86_64, 0, 1, 1}, 0, TOP, -1, 0},
    {{EM_X86_64, 0, 1, 0}, TOP - 8, 0, 0, TOP - 8},
    {{EM_X86_64, 0, 1, 0}, TOP - 7, 0, -1, 0},
    /* The block begins behind a header of 16 bytes; its size does not matter. */
    {{EM_AARCH64, 0x100, 8, 0x20}, 0x10000, 8, 0, 0x10000 + 0x10 + 0x28},
    {{EM_AARCH64, TOP, 16, 0x20}, 0x10000, 8, 0, 0x10000 + 0x10 + 0x28},
    {{EM_AARCH64, 0x100, 0x40, 0x20}, 0x10000, 8, 0, 0x10000 + 0x40 + 0x28},
    {{EM_AARCH64, 0x100, 0, 0}, 0, 0, 0, 0x10},
    {{EM_AARCH64, 0x100, 0x30, 0}, 0x10000, 0, -1, 0},
    {{EM_AARCH64, 0x100, 16, 0}, TOP - 15, 0, -1, 0},
    {{EM_AARCH64, 0x100, 16, TOP}, 0, 0, -1, 0},
    {{EM_386, 0x100, 0x10, 0}, 0x10000, 0, -1, 0},
    {{EM_RISCV, 0x100, 0x10, 0}, 0x10000, 0, -1, 0},
};

START_TEST(addresses_follow_the_abi)
{
	uint64_t address = 0;

	ck_assert_int_eq(
	    tls_address(&addresses[_i].layout, addresses[_i].pointer, addresses[_i].offset, 8, &address),
	    addresses[_i].result);
	if (addresses[_i].result == 0)
		ck_assert_uint_eq(address, addresses[_i].address);
}
END_TEST

/* What the compiler made for this very program agrees. */
static __thread uint64_t variable = 0x1234;

START_TEST(address_is_within_the_block_of_this_thread)
{
#if defined(__x86_64__) || defined(__aarch64__)
	const struct tls_layout layout = {
#if defined(__x86_64__)
		EM_X86_64,
#else
		EM_AARCH64,
#endif
		0,
		1,
		0
	};
	const uint64_t pointer = (uintptr_t)__builtin_thread_pointer();
	uint64_t address = 0;

	ck_assert_int_eq(tls_address(&layout, pointer, 0, 8, &address), 0);
	ck_assert_int_eq((uintptr_t)&variable < address, layout.machine == EM_X86_64);
#endif
}
END_TEST

#define MAX_WORDS 10

static const struct {
	const char *words[MAX_WORDS];
	enum options_result result;
	const char *error;
} commands[] = {
    {{"--pid", "7"}, OPTIONS_RUN, ""},
    {{"--pid=7", "--json"}, OPTIONS_RUN, ""},
    {{"--pid", "7", "--snapshots", "1"}, OPTIONS_RUN, ""},
    {{"--pid", "7", "--snapshots", "100000", "--interval-ms=3600000"}, OPTIONS_RUN, ""},
    {{"--pid", "7", "--abort-after-ms", "1", "--sidecar", "x"}, OPTIONS_RUN, ""},
    {{"--help"}, OPTIONS_HELP, ""},
    {{"--version", "--pid"}, OPTIONS_VERSION, ""},
    {{NULL}, OPTIONS_WRONG, "--pid is missing"},
    {{"--json"}, OPTIONS_WRONG, "--pid is missing"},
    {{"--pid"}, OPTIONS_WRONG, "requires a value"},
    {{"--pid", "0"}, OPTIONS_WRONG, "--pid is '0'"},
    {{"--pid="}, OPTIONS_WRONG, "--pid is ''"},
    {{"--pid", "-1"}, OPTIONS_WRONG, "--pid is '-1'"},
    {{"--pid", "+1"}, OPTIONS_WRONG, "--pid is '+1'"},
    {{"--pid", "2147483648"}, OPTIONS_WRONG, "from 1 to 2147483647"},
    {{"--pid", "99999999999999999999999"}, OPTIONS_WRONG, "--pid is"},
    {{"--pid", "7", "--snapshots", "0"}, OPTIONS_WRONG, "--snapshots is '0'"},
    {{"--pid", "7", "--snapshots", "100001"}, OPTIONS_WRONG, "from 1 to 100000"},
    {{"--pid", "7", "--snapshots", "2"}, OPTIONS_WRONG, "--snapshots 2 requires --interval-ms"},
    {{"--pid", "7", "--interval-ms", "5"}, OPTIONS_WRONG, "--interval-ms requires --snapshots"},
    {{"--pid", "7", "--snapshots", "1", "--interval-ms", "5"}, OPTIONS_WRONG, "--interval-ms requires"},
    {{"--pid", "7", "--snapshots", "2", "--interval-ms", "0"}, OPTIONS_WRONG, "--interval-ms is '0'"},
    {{"--pid", "7", "--snapshots", "2", "--interval-ms", "3600001"}, OPTIONS_WRONG, "to 3600000"},
    {{"--pid", "7", "--abort-after-ms", "0"}, OPTIONS_WRONG, "--abort-after-ms is '0'"},
    {{"--pid", "7", "--abort-after-ms", "3600001"}, OPTIONS_WRONG, "to 3600000"},
    {{"--pid", "7", "--abort-after-ms"}, OPTIONS_WRONG, "requires a value"},
    {{"--pi", "7"}, OPTIONS_WRONG, "unexpected argument '--pi'"},
    {{"--pid", "7", "--js"}, OPTIONS_WRONG, "unexpected argument '--js'"},
    {{"--pid", "7", "--json=1"}, OPTIONS_WRONG, "unexpected argument '--json=1'"},
    {{"--pid", "7", "8"}, OPTIONS_WRONG, "unexpected argument '8'"},
    {{"--pid", "7", "--"}, OPTIONS_WRONG, "unexpected argument '--'"},
    {{"-p", "7"}, OPTIONS_WRONG, "unexpected argument '-p'"},
};

static enum options_result parse(const char *const words[MAX_WORDS], struct options *options, char error[256])
{
	char *argv[MAX_WORDS + 1] = {0};

	error[0] = '\0';
	for (size_t i = 0; i < MAX_WORDS; i++)
		argv[i] = (char *)words[i];
	return options_parse(options, argv, error);
}

START_TEST(command_lines_are_accepted_or_refused)
{
	struct options options;
	char error[256];

	ck_assert_int_eq(parse(commands[_i].words, &options, error), commands[_i].result);
	ck_assert_msg(strstr(error, commands[_i].error) != NULL, "%s", error);
}
END_TEST

START_TEST(options_are_taken)
{
	const char *const words[MAX_WORDS] = {"--json", "--snapshots=3", "--interval-ms", "50", "--pid", "7",
	    "--abort-after-ms", "900", "--sidecar", "--x"};
	struct options options;
	char error[256];

	ck_assert_int_eq(parse(words, &options, error), OPTIONS_RUN);
	ck_assert(options.json);
	ck_assert_int_eq(options.pid, 7);
	ck_assert_uint_eq(options.snapshots, 3);
	ck_assert_uint_eq(options.interval_ms, 50);
	ck_assert_uint_eq(options.abort_after_ms, 900);
	ck_assert_str_eq(options.sidecar, "--x");
}
END_TEST

static const struct {
	const char *text, *json;
} strings[] = {
    {"", "\"\""},
    {"worker", "\"worker\""},
    {"a\"b\\c", "\"a\\\"b\\\\c\""},
    {"\n\x1b\x7f", "\"\\u000a\\u001b\\u007f\""},
    {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
    {"\xff", "\"\\ufffd\""},
    {"\x80x", "\"\\ufffdx\""},
    /* Overlong, a surrogate, too large, cut off: as comm is, after 15 bytes. */
    {"\xc0\x80", "\"\\ufffd\\ufffd\""},
    {"\xe0\x80\x80", "\"\\ufffd\\ufffd\\ufffd\""},
    {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},
    {"\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
    {"abc\xe2\x82", "\"abc\\ufffd\\ufffd\""},
};

START_TEST(strings_are_escaped)
{
	size_t length;
	char *text;
	FILE *file = open_memstream(&text, &length);

	output_string(file, strings[_i].text);
	fclose(file);
	ck_assert_str_eq(text, strings[_i].json);
	free(text);
}
END_TEST

static void fill(struct report *report)
{
	struct snapshot *snapshot;
	struct reading *reading;

	*report = (struct report){.pid = 42, .started_unix_sec = 1000};
	snapshot = report_add(report);
	snapshot->unix_sec = 1001;
	snapshot->elapsed_ns = 5;
	reading = snapshot_add(snapshot, 42);
	strcpy(reading->comm, "worker");
	reading->start_time = 77;
	reading->allocated = 1024;
	reading->deallocated = UINT64_MAX;
	reading = snapshot_add(snapshot, 43);
	reading->error = READING_PTRACE_SEIZE;
	strcpy(reading->text, "why");
}

START_TEST(json_has_the_schema)
{
	struct report report;
	size_t length;
	char *text;
	FILE *file = open_memstream(&text, &length);

	fill(&report);
	output_json(file, &report);
	report.interrupted = true;
	report.interval_ms = 50;
	report.snapshots[0].count = 0;
	report_add(&report);
	output_json(file, &report);
	fclose(file);
	ck_assert_str_eq(text,
	    "{\"schema_version\":3,\"pid\":42,\"tool_version\":\"" PACKAGE_VERSION
	    "\",\"started_at_unix_sec\":1000,"
	    "\"interrupted\":false,\"snapshots\":[{\"timestamp_unix_sec\":1001,\"elapsed_since_start_ns\":5,"
	    "\"threads\":[{\"tid\":42,\"comm\":\"worker\",\"start_time_jiffies\":77,\"allocated_bytes\":1024,"
	    "\"deallocated_bytes\":18446744073709551615},"
	    "{\"tid\":43,\"error\":\"why\",\"error_kind\":\"ptrace-seize\"}]}]}\n"
	    "{\"schema_version\":3,\"pid\":42,\"tool_version\":\"" PACKAGE_VERSION
	    "\",\"started_at_unix_sec\":1000,"
	    "\"interval_ms\":50,\"interrupted\":true,\"snapshots\":[{\"timestamp_unix_sec\":1001,"
	    "\"elapsed_since_start_ns\":5,\"threads\":[]},{\"timestamp_unix_sec\":0,"
	    "\"elapsed_since_start_ns\":0,\"threads\":[]}]}\n");
	report_fini(&report);
	free(text);
}
END_TEST

START_TEST(text_has_a_line_for_each_thread)
{
	struct report report;
	size_t length, errors_length;
	char *text, *errors_text;
	FILE *file = open_memstream(&text, &length), *errors = open_memstream(&errors_text, &errors_length);

	fill(&report);
	strcpy(report.snapshots[0].readings[1].comm, "a\x1b\xc2\x9b\xff\xc3\xa4"
						     "b");
	output_text(file, errors, &report);
	fclose(file);
	fclose(errors);
	ck_assert_str_eq(text,
	    "pid=42 tool_version=" PACKAGE_VERSION "\n--- snapshot 1/1 @ 1001s ---\n"
	    "tid=42 comm=worker allocated_bytes=1024 deallocated_bytes=18446744073709551615\n");
	ck_assert_str_eq(errors_text, "warning: tid 43 comm=a???\xc3\xa4"
				      "b [ptrace-seize]: why\n");
	report_fini(&report);
	free(text);
	free(errors_text);
}
END_TEST

#define METRIC(name, value)                                                                                  \
	"{\"name\":\"jemalloc_probe." name "\",\"value\":" value ",\"polarity\":\"Unknown\",\"unit\":\"\","  \
	"\"source\":\"Json\",\"stream\":\"Stdout\"}"
#define BYTES(name, value)                                                                                   \
	"{\"name\":\"jemalloc_probe." name "\",\"value\":" value                                             \
	",\"polarity\":\"LowerBetter\",\"unit\":\"bytes\",\"source\":\"Json\",\"stream\":\"Stdout\"}"

START_TEST(metrics_are_the_numbers_of_the_object)
{
	struct report report;
	size_t length;
	char *text;
	FILE *file = open_memstream(&text, &length);

	fill(&report);
	report.interval_ms = 50;
	output_metrics(file, &report, 3, 1);
	fclose(file);
	ck_assert_str_eq(text,
	    "{\"payload_index\":3,\"metrics\":[" METRIC("schema_version", "3") "," METRIC(
		"pid", "42") "," METRIC("started_at_unix_sec", "1000") "," METRIC("interval_ms",
		"50") "," METRIC("snapshots.0.timestamp_unix_sec",
		"1001") "," METRIC("snapshots.0.elapsed_since_start_ns",
		"5") "," METRIC("snapshots.0.threads.0.tid",
		"42") "," METRIC("snapshots.0.threads.0.start_time_jiffies",
		"77") "," BYTES("snapshots.0.threads.0.allocated_bytes",
		"1024") "," BYTES("snapshots.0.threads.0.deallocated_bytes",
		"18446744073709551615") "," METRIC("snapshots.0.threads.1.tid", "43") "],\"exit_code\":1}");
	report_fini(&report);
	free(text);
}
END_TEST

START_TEST(report_has_failed_only_if_nothing_was_read)
{
	struct report report;

	fill(&report);
	ck_assert(!report_is_failure(&report));
	report_add(&report);
	ck_assert(!report_is_failure(&report));
	report.snapshots[0].readings[0].error = READING_WAITPID;
	ck_assert(report_is_failure(&report));
	report_fini(&report);
	report = (struct report){0};
	ck_assert(!report_is_failure(&report));
	report_add(&report);
	ck_assert(report_is_failure(&report));
	report_fini(&report);
}
END_TEST

START_TEST(report_grows)
{
	struct report report = {0};

	for (int i = 0; i < 1000; i++) {
		struct snapshot *snapshot = report_add(&report);

		for (int j = 0; j < i % 17; j++)
			snapshot_add(snapshot, i + j);
	}
	ck_assert_uint_eq(report.count, 1000);
	for (int i = 0; i < 1000; i++) {
		unit_check(report.snapshots[i].count == (size_t)i % 17);
		for (int j = 0; j < i % 17; j++)
			unit_check(report.snapshots[i].readings[j].tid == i + j);
	}
	report_fini(&report);
}
END_TEST

/* The offset of the bracket is that of '#', which stands for it; -1: refused. */
static const struct {
	const char *text;
	int count;
} documents[] = {
    {"{\"metrics\":[#}", 0},
    {" { \"metrics\" : [ \n # } \n", 0},
    {"{\"metrics\":[1#}", 1},
    {"{\"a\":{\"metrics\":[7]},\"metrics\":[{\"x\":[1,2]},{},[],null,-1.5e3#,\"b\":\"]\"}", 5},
    {"{\"a\":\"\\\"metrics\\\":[\",\"metrics\":[\"],\\\\\",true#}", 2},
    {"{\"xmetrics\":[1],\"metrics\":[#}", 0},
    {"", -1},
    {"[]", -1},
    {"{}", -1},
    {"{\"metrics\":{}}", -1},
    {"{\"metrics\":[]", -1},
    {"{\"metrics\":[}", -1},
    {"{\"metrics\":[1,]}", -1},
    {"{\"metrics\":[,1]}", -1},
    {"{\"metrics\":[1 2]}", -1},
    {"{\"metrics\":[]}x", -1},
    {"{\"metrics\":[]},", -1},
    {"{\"metrics\" []}", -1},
    {"{metrics:[]}", -1},
    {"{\"metrics\":[\"a]}", -1},
    {"{\"metrics\":[\"a\\", -1},
    {"{\"metrics\":[\"a\n\"]}", -1},
    {"{\"a\":,\"metrics\":[]}", -1},
    {"{\"a\":1,}", -1},
    {"{\"a\":{\"b\":1,},\"metrics\":[]}", -1},
    {"{\"a\":{\"metrics\":[7]}}", -1},
};

START_TEST(array_is_found_in_a_document)
{
	char text[256];
	struct splice splice;
	char *mark;

	snprintf(text, sizeof(text), "%s", documents[_i].text);
	mark = strchr(text, '#');
	if (mark != NULL)
		*mark = ']';
	ck_assert_int_eq(
	    splice_find(text, strlen(text), "metrics", &splice), documents[_i].count < 0 ? -1 : 0);
	if (documents[_i].count < 0)
		return;
	ck_assert_uint_eq(splice.offset, (size_t)(mark - text));
	ck_assert_uint_eq(splice.count, (size_t)documents[_i].count);
}
END_TEST

START_TEST(nested_document_does_not_exhaust_the_stack)
{
	const size_t size = 1 << 20;
	char *text = malloc(size);
	struct splice splice;

	ck_assert_ptr_nonnull(text);
	memset(text, '[', size);
	snprintf(text, size, "{\"metrics\":");
	text[strlen(text)] = '[';
	ck_assert_int_eq(splice_find(text, size, "metrics", &splice), -1);
	free(text);
}
END_TEST

/* Programs compare these words. */
START_TEST(names_of_failures)
{
	static const char *const failures[] = {"other", "pid-missing", "exe-identity-changed",
	    "jemalloc-not-found", "jemalloc-in-dso", "readlink-failure", "maps-read-failure",
	    "dwarf-parse-failure", "arch-mismatch", "self-probe-rejected", "tid-enumeration-failure"};
	static const char *const errors[] = {"ok", "ptrace-seize", "ptrace-interrupt", "waitpid",
	    "get-regset", "process-vm-readv", "tls-arithmetic"};

	for (size_t i = 0; i < UNIT_COUNT(failures); i++)
		ck_assert_str_eq(failure_name((enum failure_kind)i), failures[i]);
	for (size_t i = 0; i < UNIT_COUNT(errors); i++)
		ck_assert_str_eq(reading_error_name((enum reading_error)i), errors[i]);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("probe");
	TCase *tcase = unit_case(suite, "probe");

	tcase_add_loop_test(tcase, addresses_follow_the_abi, 0, UNIT_COUNT(addresses));
	tcase_add_test(tcase, address_is_within_the_block_of_this_thread);
	tcase_add_loop_test(tcase, command_lines_are_accepted_or_refused, 0, UNIT_COUNT(commands));
	tcase_add_test(tcase, options_are_taken);
	tcase_add_loop_test(tcase, strings_are_escaped, 0, UNIT_COUNT(strings));
	tcase_add_test(tcase, json_has_the_schema);
	tcase_add_test(tcase, text_has_a_line_for_each_thread);
	tcase_add_test(tcase, metrics_are_the_numbers_of_the_object);
	tcase_add_test(tcase, report_has_failed_only_if_nothing_was_read);
	tcase_add_test(tcase, report_grows);
	tcase_add_loop_test(tcase, array_is_found_in_a_document, 0, UNIT_COUNT(documents));
	tcase_add_test(tcase, nested_document_does_not_exhaust_the_stack);
	tcase_add_test(tcase, names_of_failures);
	return suite;
}

int main(void)
{
	return unit_main(suite);
}
