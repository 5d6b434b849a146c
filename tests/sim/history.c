#include "config.h"

#include <stdarg.h>
#include <stdio.h>

#include "src/verdict.h"
#include "tests/sim/faults.h"
#include "tests/sim/history.h"
#include "tests/sim/world.h"

struct figures figures;
bool story_wanted;
const char *failure;

void story(const char *format, ...)
{
	va_list ap;

	printf("%10.3f ms  ", (double)(world.now - 1000 * NS_PER_S) / 1e6);
	if (world.current != NULL && world.current->id == SIM_DAEMON)
		printf("[daemon]   ");
	else if (world.current != NULL)
		printf("[client %d] ", world.current->id);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
}

/* Only the first reason is kept. */
void fail(const char *format, ...)
{
	static char text[256];
	va_list ap;

	if (failure != NULL)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	failure = text;
	STORY("FAILED: %s", text);
}

/* Two lives of one pid within one tick are the same process to /proc. */
static bool any_twin(const struct life *life, bool (*holds)(const struct life *))
{
	for (int i = 0; i < world.life_count; i++)
		if (world.lives[i].pid == life->pid && world.lives[i].start == life->start &&
		    holds(&world.lives[i]))
			return true;
	return false;
}

static int life_with(pid_t pid, uint64_t start)
{
	for (int i = world.life_count; i-- > 0;)
		if (world.lives[i].pid == pid && world.lives[i].start == start)
			return i;
	return SIM_NONE;
}

static bool was_ready(const struct life *life)
{
	return life->witnessed != 0;
}

static bool may_have_been_ready(const struct life *life)
{
	return life->uncertain;
}

static bool was_misled(const struct life *life)
{
	return life->misled;
}

static bool was_marked_late(const struct life *life)
{
	return life->marked_late;
}

static bool is_dead(const struct life *life)
{
	return !life->alive;
}

/* A start is rounded down. */
bool history_was_seen_before(const struct life *life)
{
	const struct sim_marker *marker = &world_dir()->markers[world_pid_index(life->pid)];

	return world_dir()->present && marker->state == MARKER_IS_FILE && marker->daemon_saw != 0 &&
	       marker->daemon_saw + 10 * NS_PER_MS < life->born;
}

/* The daemon takes a file for the marker of a process although it saw it before. Not if there is another file
 * that it can have been: the directory may be another one by now. */
static bool contradicts_itself(const struct life *life, const struct readyd_answer *answer)
{
	return answer->backend == READYD_BACKEND_DAEMON && answer->start == life->start &&
	       (answer->flags & READYD_FLAG_AGE_ASSUMED) != 0 && history_was_seen_before(life) &&
	       !any_twin(life, was_ready);
}

static void check_ready(int client, const struct life *life, const struct readyd_answer *answer)
{
	const char *word = readyd_verdict_name(answer->verdict);

	if (!any_twin(life, was_ready)) {
		figures.uncertain++;
		STORY("nothing witnesses that %d was ready", life->pid);
		if (!((answer->flags & READYD_FLAG_AGE_ASSUMED) != 0 &&
			any_twin(life, may_have_been_ready)) &&
		    !any_twin(life, was_misled) &&
		    (answer->verdict != READYD_EXITED || !any_twin(life, was_marked_late)))
			fail("client %d is told %s of %d without a witness", client, word, life->pid);
	}
	if (contradicts_itself(life, answer))
		fail("the daemon has forgotten that it saw the file of %d before", life->pid);
	if (answer->verdict == READYD_EXITED && !any_twin(life, is_dead))
		fail("client %d is told that %d has exited while it lives", client, life->pid);
}

bool history_is_soon_after_another(const struct life *life)
{
	for (int i = 0; i < world.life_count; i++)
		if (world.lives[i].pid == life->pid && &world.lives[i] != life &&
		    (world.lives[i].marked_late || world.lives[i].start == life->start))
			return true;
	return false;
}

bool history_may_look_stale(const struct life *life)
{
	return world.clock_was_set || history_is_soon_after_another(life);
}

/* A marker that the process wrote before it died, and that still exists, cannot have been missed, unless
 * it ended so early that its user could not be read. */
static void check_died(
    int client, const struct waited *waited, const struct life *life, const struct readyd_answer *answer)
{
	const struct sim_marker *marker = &world_dir()->markers[world_pid_index(life->pid)];

	if (!any_twin(life, is_dead))
		fail("client %d is told that %d has died while it lives", client, life->pid);
	else if (world_dir()->present && world_is_own(life, marker) && marker->arrived <= life->died &&
		 waited->added < life->died && world.moved_at < marker->arrived && !world.clock_was_set &&
		 !history_is_soon_after_another(life) && answer->reason != READYD_REASON_IDENTITY_UNKNOWN &&
		 (world_life_of(life->pid) == NULL || world_life_of(life->pid) == life))
		fail("client %d is told that %d has died, but its marker lies there", client, life->pid);
}

/* Its own marker has existed all the time. */
static void check_stale(int client, const struct waited *waited, const struct life *life)
{
	const struct sim_marker *marker = &world_dir()->markers[world_pid_index(life->pid)];

	if (world_dir()->present && world_is_own(life, marker) && marker->arrived < waited->added &&
	    world.moved_at < marker->arrived && !history_may_look_stale(life))
		fail(
		    "client %d is told that the marker of %d is stale, but it is its own", client, life->pid);
}

bool history_is_unbound(const struct waited *waited)
{
	return waited->start_unknown && waited->life != SIM_NONE && world.lives[waited->life].hidden &&
	       faults.odds[FAULT_FD_REFUSED] > 0;
}

static void check_unbound(int client, const struct waited *waited, const struct readyd_answer *answer)
{
	bool exited = answer->verdict == READYD_EXITED;
	bool assumed = (answer->flags & READYD_FLAG_AGE_ASSUMED) != 0;
	bool found = answer->verdict != READYD_READY && !exited;

	for (int i = 0; i < world.life_count; i++) {
		const struct life *life = &world.lives[i];

		found |= life->pid == waited->pid &&
			 (was_ready(life) || was_misled(life) || (exited && was_marked_late(life)) ||
			     (assumed && may_have_been_ready(life) && !history_was_seen_before(life)));
	}
	if (!found)
		fail("client %d is told %s of %d, which never was", client,
		    readyd_verdict_name(answer->verdict), waited->pid);
}

static void check_life(
    int client, const struct waited *waited, const struct life *life, const struct readyd_answer *answer)
{
	if (answer->start != 0 && answer->start != life->start)
		fail("client %d is told of another life of %d", client, life->pid);
	switch (answer->verdict) {
	case READYD_READY:
	case READYD_EXITED:
		check_ready(client, life, answer);
		return;
	case READYD_DIED:
		check_died(client, waited, life, answer);
		return;
	case READYD_STALE:
		check_stale(client, waited, life);
		return;
	case READYD_UNREACHABLE:
		if (answer->reason != READYD_REASON_NO_DIRECTORY || world.no_directory_at < waited->added)
			fail("client %d is told that %d is unreachable", client, life->pid);
		return;
	case READYD_PENDING:
		fail("client %d is told that %d is pending", client, life->pid);
	}
}

/* A process may have started at 0. */
static bool is_zero_its_start(const struct readyd_answer *answer)
{
	int life = answer->verdict == READYD_EXITED ? life_with(answer->pid, 0) : SIM_NONE;

	return life != SIM_NONE && !world.lives[life].alive && any_twin(&world.lives[life], was_ready);
}

void history_check(int client, struct waited *waited, const struct readyd_answer *answer)
{
	const char *reason = readyd_reason_name(answer->reason);

	STORY("is told: %d is %s%s%s (start %llu, by the %s%s)", answer->pid,
	    readyd_verdict_name(answer->verdict), reason == NULL ? "" : ", ", reason == NULL ? "" : reason,
	    (unsigned long long)answer->start, answer->backend == READYD_BACKEND_DAEMON ? "daemon" : "file",
	    answer->flags & READYD_FLAG_AGE_ASSUMED ? ", assumed" : "");
	if (waited == NULL) {
		fail("client %d is told of %d, which it does not wait for", client, answer->pid);
		return;
	}
	/* It is not known which process was meant; the daemon answers for the current or the last one. */
	if ((waited->life == SIM_NONE || waited->start_unknown) &&
	    (answer->start != 0 || is_zero_its_start(answer)))
		waited->life = life_with(answer->pid, answer->start);
	waited->told = true;
	figures.told[answer->verdict]++;
	/* A marker without a process shows that there was one. */
	if (history_is_unbound(waited) ||
	    (waited->life == SIM_NONE && answer->start == 0 && answer->verdict == READYD_READY))
		check_unbound(client, waited, answer);
	else if (waited->life != SIM_NONE)
		check_life(client, waited, &world.lives[waited->life], answer);
	else if (answer->start != 0 || answer->verdict == READYD_PENDING)
		fail("client %d is told %s of %d, which never started", client,
		    readyd_verdict_name(answer->verdict), answer->pid);
}
