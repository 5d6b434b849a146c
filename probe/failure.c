#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "probe/failure.h"
#include "probe/output.h"

const char *failure_name(enum failure_kind kind)
{
	switch (kind) {
	case FAILURE_OTHER:
		return "other";
	case FAILURE_PID_MISSING:
		return "pid-missing";
	case FAILURE_EXE_IDENTITY_CHANGED:
		return "exe-identity-changed";
	case FAILURE_JEMALLOC_NOT_FOUND:
		return "jemalloc-not-found";
	case FAILURE_JEMALLOC_IN_DSO:
		return "jemalloc-in-dso";
	case FAILURE_READLINK:
		return "readlink-failure";
	case FAILURE_MAPS_READ:
		return "maps-read-failure";
	case FAILURE_DWARF_PARSE:
		return "dwarf-parse-failure";
	case FAILURE_ARCH_MISMATCH:
		return "arch-mismatch";
	case FAILURE_SELF_PROBE_REJECTED:
		return "self-probe-rejected";
	case FAILURE_TID_ENUMERATION:
		return "tid-enumeration-failure";
	}
	return "other";
}

void failure_say(const char *format, ...)
{
	char text[2 * PATH_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	output_plain(stderr, text);
	putc('\n', stderr);
}

int failure_set(struct failure *failure, enum failure_kind kind, const char *format, ...)
{
	va_list args;

	failure->kind = kind;
	va_start(args, format);
	vsnprintf(failure->text, sizeof(failure->text), format, args);
	va_end(args);
	return -1;
}

void failure_out_of_memory(void)
{
	fputs("ktstr-probe-fatal: other\nerror: out of memory\n", stderr);
	exit(EXIT_FAILURE);
}
