/*
 * What ends the probe without a result. The names of the kinds are printed, and programs compare them.
 */
#ifndef PROBE_FAILURE_H
#define PROBE_FAILURE_H

enum failure_kind {
	FAILURE_OTHER,
	FAILURE_PID_MISSING,
	FAILURE_EXE_IDENTITY_CHANGED,
	FAILURE_JEMALLOC_NOT_FOUND,
	FAILURE_JEMALLOC_IN_DSO,
	FAILURE_READLINK,
	FAILURE_MAPS_READ,
	FAILURE_DWARF_PARSE,
	FAILURE_ARCH_MISMATCH,
	FAILURE_SELF_PROBE_REJECTED,
	FAILURE_TID_ENUMERATION,
};

struct failure {
	enum failure_kind kind;
	char text[1024];
};

const char *failure_name(enum failure_kind kind);

/* Prints a line on standard error. Names and texts of others may be in it: see output_plain(). */
__attribute__((format(printf, 1, 2))) void failure_say(const char *format, ...);

/* Returns -1, for the caller to return. */
__attribute__((format(printf, 3, 4))) int failure_set(
    struct failure *failure, enum failure_kind kind, const char *format, ...);

/* For lack of memory, which nothing here survives: prints a failure of kind OTHER and exits with 1. */
__attribute__((noreturn)) void failure_out_of_memory(void);

#endif
