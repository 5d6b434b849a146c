/* When a wait for several processes is over, and its exit status: as readyctl wait. Pure. */
#ifndef FLEET_TALLY_H
#define FLEET_TALLY_H

#include <stdbool.h>
#include <stddef.h>

#define TALLY_TIMED_OUT 124
#define TALLY_FAILED	125

struct tally {
	size_t total, needed;	   /* processes in all, and to be ready */
	size_t succeeded, refused; /* ready; with another answer */
	int failed;		   /* exit status of the first that is not ready; 0: none */
};

/* The exit status of one answer. */
void tally_take(struct tally *tally, int code);
/* Enough are ready, or no longer can be. */
bool tally_is_decided(const struct tally *tally);
int tally_exit_code(const struct tally *tally, bool timed_out);

#endif
