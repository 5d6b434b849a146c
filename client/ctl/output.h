/* Answers on stdout, one line each: as words, or as a JSON object. */
#ifndef CLIENT_OUTPUT_H
#define CLIENT_OUTPUT_H

#include <stdio.h>

#include "client/ctl/command_line.h"

/* The exit code for this answer alone: EXIT_READY if it is what was wished for. */
int output_exit_code(const struct command_line *line, const struct readyd_answer *answer);

/* why: NULL unless a wait has timed out. elapsed_ms < 0: not measured. */
void output_answer(const struct command_line *line, const struct readyd_answer *answer,
    const struct readyd_explanation *why, int64_t elapsed_ms);

/* The pid alone, whatever the answer. */
void output_pid(const struct command_line *line, const struct readyd_answer *answer);

/* Prints "key=value key=value ..." as one pair per line, or as one JSON object. */
void output_pairs(const struct command_line *line, const char *text);

/* Prints a string of JSON, with its quotes. */
void output_quoted(FILE *file, const char *text);

/* Writes what was printed so far. -1: errno, which output_finish() reports. */
int output_flush(void);

/* 0, or -1 after an error message if not everything could be written to stdout. */
int output_finish(void);

#endif
