/* The table of the commands. */
#ifndef CLIENT_COMMANDS_H
#define CLIENT_COMMANDS_H

#include "client/ctl/command_line.h"

struct command {
	const char *name; /* NULL: the end of the table */
	unsigned bit;	  /* of options_table */
	int (*run)(const struct command_line *line);
	const char *operands; /* what follows the options, for the help; NULL: nothing */
	const char *summary;
	const char *about; /* further lines of the help */
	bool takes_processes;
	bool takes_none;    /* of them, too */
	bool starts_worker; /* the first operand and all that follows is its command line */
	bool takes_command; /* after "--" */
	bool waits;
	bool looks;	  /* at markers, by itself */
	bool is_external; /* a program of its own, which has its own options; see external.h */
};

extern const struct command commands_table[];

/* NULL after reporting that there is no such command, and which there are. */
const struct command *commands_find(const char *name);

/* Prints the help of the command, or that of readyctl for NULL. */
void commands_print_help(const struct command *command);

#endif
