#include "config.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "client/ctl/openmetrics.h"
#include "src/escape.h"
#include "src/number.h"
#include "src/span.h"

static const struct metric {
	const char *key, *name;
	bool is_counter;
	const char *help;
} metrics[] = {
    {"clients", "connections", false, "Connections now."},
    {"refused", "refused_connections", true, "Connections that were refused."},
    {"dropped", "dropped_connections", true, "Connections that were closed since the client did not read."},
    {"accept_pauses", "accept_pauses", true, "Pauses of accepting for lack of descriptors."},
    {"rebinds", "rebinds", true, "Sockets that were created again after the name was lost."},
    {"processes", "processes", false, "Known processes."},
    {"waited", "waited_processes", false, "Known processes that are waited for."},
    {"waits", "waits", false, "Waits on connections."},
    {"gates", "gates", false, "Processes with an open gate."},
    {"monitors", "monitors", false, "Clients that follow all processes."},
    {"handed_out", "handed_out_gates", true, "Gate descriptors that were sent to clients."},
    {"remembered", "remembered_processes", false, "Ended processes that are remembered."},
    {"leftovers", "leftover_markers", false, "Markers that are remembered as leftovers."},
    {"requests", "requests", true, "Requests that were received."},
    {"looks", "looks", true, "Checks of a process and its marker."},
    {"settled", "settled_looks", true, "Checks that resulted in a verdict which ends a wait."},
    {"events", "inotify_events", true, "Inotify events."},
    {"overflows", "inotify_overflows", true, "Times that the kernel dropped inotify events."},
    {"scans", "scans", true, "Scans of the directory."},
    {"ticks", "ticks", true, "Periodic checks."},
    {"watching", "watching", false, "Whether the directory is watched; 0: it is polled."},
    {"scouts", "scouts", false, "Processes that look below other roots."},
    {"scouts_stuck", "stuck_scouts", false, "Those of them that are late."},
};

/* The first value of the key; an empty span without. */
static struct span find(const char *text, const char *key)
{
	struct span rest = {text, strlen(text)}, word;
	const size_t len = strlen(key);

	while ((word = span_next_word(&rest)).len > 0)
		if (word.len > len && word.at[len] == '=' && strncmp(word.at, key, len) == 0)
			return (struct span){word.at + len + 1, word.len - len - 1};
	return (struct span){"", 0};
}

static bool find_number(const char *text, const char *key, uint64_t *value)
{
	const struct span found = find(text, key);

	return number_parse(found.at, found.len, UINT64_MAX, value) == 0;
}

static void print_metric(FILE *to, const struct metric *metric, uint64_t value)
{
	fprintf(to, "# TYPE readyd_%s %s\n# HELP readyd_%s %s\nreadyd_%s%s %" PRIu64 "\n", metric->name,
	    metric->is_counter ? "counter" : "gauge", metric->name, metric->help, metric->name,
	    metric->is_counter ? "_total" : "", value);
}

/* A value has no quote, backslash or control character once they are escaped as \xHH, of which the format
 * wants the backslash twice. */
static void print_label(FILE *to, const char *key, struct span value)
{
	char raw[128], escaped[4 * sizeof(raw)];

	snprintf(raw, sizeof(raw), "%.*s", (int)value.len, value.at);
	escape_text(escaped, sizeof(escaped), raw);
	fprintf(to, "%s=\"", key);
	for (const char *c = escaped; *c != '\0'; c++)
		fprintf(to, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
	fputc('"', to);
}

/* Words are labels of a metric that is always 1. */
static void print_info(FILE *to, const char *text)
{
	static const char *const keys[] = {"version", "procfs", "sandbox", "rights"};

	fputs("# TYPE readyd info\n# HELP readyd The daemon.\nreadyd_info{", to);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (i > 0)
			fputc(',', to);
		print_label(to, keys[i], find(text, keys[i]));
	}
	fputs("} 1\n", to);
}

static void print_uptime(FILE *to, uint64_t ms)
{
	fprintf(to,
	    "# TYPE readyd_uptime_seconds gauge\n# UNIT readyd_uptime_seconds seconds\n"
	    "# HELP readyd_uptime_seconds Running time.\nreadyd_uptime_seconds %" PRIu64 ".%03" PRIu64 "\n",
	    ms / 1000, ms % 1000);
}

void openmetrics_print(FILE *to, const char *text)
{
	uint64_t value;

	print_info(to, text);
	if (find_number(text, "uptime_ms", &value))
		print_uptime(to, value);
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
		if (find_number(text, metrics[i].key, &value))
			print_metric(to, &metrics[i], value);
	fputs("# EOF\n", to);
}
