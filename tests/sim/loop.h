/* What the scheduler knows of the daemon's event loop. */
#ifndef TESTS_SIM_LOOP_H
#define TESTS_SIM_LOOP_H

#include <stdbool.h>
#include <stdint.h>

bool loop_is_due(void);
int64_t loop_next_ns(void); /* when a timer fires; INT64_MAX: never */
/* Serves everything that is due, in random order. */
void loop_pass(void);

#endif
