/* The daemon's counters in the text format of OpenMetrics 1.0, which Prometheus reads. */
#ifndef CLIENT_OPENMETRICS_H
#define CLIENT_OPENMETRICS_H

#include <stdio.h>

/* text is the "key=value key=value ..." of readyd_stats(). What is not a number where one is expected is left
 * out, and so is a key that is not known here. */
void openmetrics_print(FILE *to, const char *text);

#endif
