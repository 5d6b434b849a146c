/* Whether /proc hides processes from other users than their own: hidepid in proc(5). */
#ifndef DAEMON_HIDEPID_H
#define DAEMON_HIDEPID_H

#include <stdbool.h>

/* By the text of a file like /proc/self/mountinfo. True also if it cannot be read or knows no /proc. */
bool hidepid_hides(const char *mountinfo);

#endif
