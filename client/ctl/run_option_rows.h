/* The options of `readyctl run` and `readyctl mark`. */
#ifndef CLIENT_RUN_OPTION_ROWS_H
#define CLIENT_RUN_OPTION_ROWS_H

#include <stddef.h>

#include "client/ctl/run_options.h"

struct run_option_row {
	const char *name; /* with its dashes */
	char letter;	  /* 0: none */
	bool takes_value, run_only;
	/* 0, or -1 after a message. */
	int (*set)(struct run_options *o, const char *value);
};

/* The option that this word begins with: --name, of that length, or -n. NULL: none; names are not
 * abbreviated. */
const struct run_option_row *run_option_find(const char *word, size_t length);

/* Takes a duration that the named option or variable has. 0, or -1 after a message. */
int run_option_duration(const char *name, const char *value, int64_t *ms);

#endif
