/* Durations as people write them: "5", "0.5", "500ms", "2m". */
#ifndef CLIENT_DURATION_H
#define CLIENT_DURATION_H

#include <stdint.h>

/* Seconds with an optional fraction, or a number with ms, s, m or h behind it; at most 1000 hours. -1 for
 * anything else. Rounded up to milliseconds. */
int duration_parse(const char *text, int64_t *ms);

#endif
