/* The log of a schedule, and the check of what the waiters were told. */
#ifndef TESTS_SIM_HISTORY_H
#define TESTS_SIM_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "readyd/readyd.h"

#define VERDICTS 6

/* One process that a client waits for. */
struct waited {
	pid_t pid;
	int life;	    /* SIM_NONE: no process has been found yet */
	bool meant;	    /* the caller gave its start time */
	bool start_unknown; /* it could not be read, or the process ended in between */
	bool told;
	bool cancelled;
	int64_t added;
};

struct figures {
	uint64_t schedules, steps, told[VERDICTS], uncertain;
	int64_t latest_ms[4]; /* the latest answer after the faults ended, by the state of the daemon then */
	int64_t prompt_ms;    /* the same where only the event itself was missing */
	int64_t tick_ms;      /* and where not even that told, but the daemon's tick had to */
};

extern struct figures figures;
extern bool story_wanted;

__attribute__((format(printf, 1, 2))) void story(const char *format, ...);
#define STORY(...) ((void)(story_wanted && (story(__VA_ARGS__), true)))

/* Why the schedule failed, or NULL. */
extern const char *failure;
__attribute__((format(printf, 1, 2))) void fail(const char *format, ...);

struct life;
/* Neither a start nor perhaps a pidfd says which process is waited for: then it is any that has the pid. */
bool history_is_unbound(const struct waited *waited);
/* The daemon saw the file that has its marker's name lie there before, when no process had the pid. */
bool history_was_seen_before(const struct life *life);
/* The marker may be from an earlier life of the pid, shortly before. */
bool history_is_soon_after_another(const struct life *life);
/* Whether its own marker may look older than the process: then a wait goes on until it is rewritten. */
bool history_may_look_stale(const struct life *life);
/* A client got this answer. */
void history_check(int client, struct waited *waited, const struct readyd_answer *answer);

#endif
