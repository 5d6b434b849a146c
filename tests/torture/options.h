#ifndef TESTS_TORTURE_OPTIONS_H
#define TESTS_TORTURE_OPTIONS_H

#include <stdbool.h>

/* --list: write all calls and how often each process makes them, instead of making one fail. */
struct options {
	bool list;
	int call;	     /* --call NAME */
	bool once;	     /* --nth N, otherwise --from N */
	unsigned at;	     /* N */
	int error;	     /* --errno NAME, or 0 for --kill */
	int process;	     /* --process N: 0 is the program, 1 the first process that it starts, ... */
	long deadline;	     /* --deadline SECONDS, after which all is killed */
	const char *touch;   /* --touch FILE: create it a moment after a process has gone to sleep first */
	const char *preload; /* --preload FILE: the program's LD_PRELOAD */
	const char *report;  /* --report FILE, otherwise standard output */
};

/* Returns the program and its arguments; wrong usage ends this program with status 2. */
char **options_parse(struct options *options, int argc, char **argv);

const char *call_name(int call);

#endif
