/* Durations as users write them: "5", "0.5", "500ms", "2m". */
#ifndef CLIENT_DURATION_H
#define CLIENT_DURATION_H

#include <stdint.h>

/* Parses a number of seconds, or one followed by ms, s, m or h, with an optional fraction; at most 1000
 * hours. Rounds up to milliseconds. -1: anything else. */
int duration_parse(const char *text, int64_t *ms);

#endif
