/*
 * The command line of a program: options from a table, in any order with other words. Not by getopt_long(3),
 * which accepts abbreviations: a later version with another option could not. For readyd and readyctl only.
 */
#ifndef SRC_ARGUMENTS_H
#define SRC_ARGUMENTS_H

#include <stdbool.h>

struct arguments_option {
	int id;		   /* what arguments_next() returns; not negative */
	char letter;	   /* of "-l"; 0: it has none */
	const char *name;  /* of "--name"; NULL: the end of the table */
	const char *value; /* what the help calls its value; NULL: it takes none */
	const char *help;  /* its lines */
	unsigned commands; /* the commands that take it, as bits */
};

struct arguments {
	char **at; /* the next word; ends with NULL */
	const struct arguments_option *options;
	unsigned commands; /* options of these alone are suggested, and preferred where two have one name */
	const char *group; /* the rest of "-abc" */

	/* What arguments_next() has found. */
	char what[256];	   /* the option as it was given, cut */
	const char *value; /* that of the option, or NULL; or the word that is no option */
	unsigned valid;	   /* the commands that take the option */
	char hint[128];	   /* after ARGUMENTS_WRONG: what is wrong, and what would be right */
};

enum {
	ARGUMENTS_WORD = -1,
	ARGUMENTS_DASHES = -2, /* "--": at is what follows it */
	ARGUMENTS_END = -3,
	ARGUMENTS_WRONG = -4
};

/* The id of the next option, also one that only other commands take; or one of the above. "-" is a word. */
int arguments_next(struct arguments *arguments);

/* Prints the options that all of these commands take, for a help text. */
void arguments_print(const struct arguments_option *options, unsigned commands);

#endif
