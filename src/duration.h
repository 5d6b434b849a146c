/* Durations as users write them: "5", "0.5", "500ms", "2m", "1m30s". */
#ifndef SRC_DURATION_H
#define SRC_DURATION_H

#include <stdint.h>

#define DURATION_HINT	    "not a duration such as 5, 0.5, 500ms, 2m or 1m30s"
#define DURATION_RANGE_HINT "out of range; use at most 1000h"

/* Parses a number of seconds, or one followed by ms, s, m or h, or several of these from the largest unit to
 * the smallest, each number with an optional fraction; at most 1000 hours. Rounds up to milliseconds. -1 with
 * errno ERANGE (more than that) or EINVAL (anything else). */
int duration_parse(const char *text, int64_t *ms);

#endif
