#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "client/ctl/missing.h"
#include "src/escape.h"

void missing_explain(FILE *file, const struct readyd_explanation *e, pid_t pid)
{
	char event[48] = "no event seen", path[4 * sizeof(e->path)], error[64] = "", refusal[128] = "";
	bool untrusted = e->refusal != NULL && strcmp(e->refusal, "daemon-untrusted") == 0;
	bool usable = strcmp(e->procfs, "ok") == 0;

	if (e->last_event_ms >= 0)
		snprintf(event, sizeof(event), "last event %" PRId64 " ms ago", e->last_event_ms);
	if (e->marker_error != 0)
		snprintf(error, sizeof(error), " (%s)", strerror(e->marker_error));
	if (e->refusal != NULL)
		snprintf(refusal, sizeof(refusal), " (the daemon %s: %s)",
		    untrusted ? "is not asked" : "refuses", e->refusal);
	if (e->daemon_error != 0)
		snprintf(refusal, sizeof(refusal), " (no daemon answers: %s)", strerror(e->daemon_error));
	fprintf(file, "process %ld is %s; its marker %s: %s%s; directory: %s; waiting via %s%s; %s%s%s\n",
	    (long)pid, e->process, escape_text(path, sizeof(path), e->path), e->marker, error, e->directory,
	    e->via, refusal, event, usable ? "" : "; /proc: ", usable ? "" : e->procfs);
}

void missing_explain_end(FILE *file, const struct ending *ending)
{
	fprintf(file, "process %ld is ready and has not ended; it is %s\n", (long)ending->ready.pid,
	    endings_state(ending));
}

/* The marker first: most often it is what is missing. */
void missing_describe(char *text, size_t size, const struct readyd_explanation *e, pid_t pid)
{
	bool usable = strcmp(e->directory, "ok") == 0;

	if (e->daemon_error != 0) {
		snprintf(
		    text, size, "process %ld: no daemon answers: %s", (long)pid, strerror(e->daemon_error));
		return;
	}
	snprintf(text, size, "process %ld is %s, marker: %s%s%s", (long)pid, e->process, e->marker,
	    usable ? "" : ", directory: ", usable ? "" : e->directory);
}

void missing_describe_end(char *text, size_t size, const struct ending *ending)
{
	snprintf(text, size, "process %ld is ready and has not ended; it is %s", (long)ending->ready.pid,
	    endings_state(ending));
}

void missing_describe_pidfile(char *text, size_t size, const char *path, const char *why)
{
	char name[512];

	snprintf(text, size, "pid file %s %s", escape_text(name, sizeof(name), path), why);
}
