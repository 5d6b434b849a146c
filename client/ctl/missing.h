/* What a wait is waiting for, in words. */
#ifndef CLIENT_MISSING_H
#define CLIENT_MISSING_H

#include <stddef.h>
#include <stdio.h>

#include "client/ctl/endings.h"
#include "readyd/readyd.h"

/* Prints the rest of a line: what is seen of a process that is not ready. */
void missing_explain(FILE *file, const struct readyd_explanation *explanation, pid_t pid);
/* The same of one that has not ended. */
void missing_explain_end(FILE *file, const struct ending *ending);

/* The same in short, for a live line. */
void missing_describe(char *text, size_t size, const struct readyd_explanation *explanation, pid_t pid);
void missing_describe_end(char *text, size_t size, const struct ending *ending);
/* why: from pidfile_read(). */
void missing_describe_pidfile(char *text, size_t size, const char *path, const char *why);

#endif
