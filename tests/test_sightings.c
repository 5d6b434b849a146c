#include "daemon/sightings.h"
#include "src/clock.h"
#include "tests/unit.h"

#define LIMIT 3
#define START 1000 /* clock ticks */

static struct sightings sightings;

static void set_up(void)
{
	sightings_init(&sightings, LIMIT);
}

static void tear_down(void)
{
	sightings_fini(&sightings);
	ck_assert_uint_eq(sightings_count(&sightings), 0);
}

static struct sighting leftover(pid_t ns_pid, ino_t ino)
{
	return (struct sighting){.ns_pid = ns_pid,
	    .marker = {.kind = MARKER_FILE, .ino = ino},
	    .alone = true,
	    .seen = START * clock_tick_ns()};
}

static void note(pid_t ns_pid, ino_t ino)
{
	const struct sighting seen = leftover(ns_pid, ino);

	sightings_note(&sightings, &seen);
}

/* This test's own process, which lives, by another number and start. */
static struct process process_of(pid_t ns_pid, uint64_t start)
{
	struct process process;

	process_open(&process, getpid());
	process.ns_pid = ns_pid;
	process.start = start;
	return process;
}

/* The inode of the leftover that counts for that process; 0: none. */
static ino_t ino_for(pid_t ns_pid, uint64_t start)
{
	struct process process = process_of(ns_pid, start);
	const struct marker_stat *found = sightings_leftover(&sightings, &process);

	process_close(&process);
	return found == NULL ? 0 : found->ino;
}

START_TEST(leftovers_are_found)
{
	ck_assert_uint_eq(ino_for(1, START), 0);
	note(1, 10);
	note(2, 20);
	ck_assert_uint_eq(ino_for(1, START), 10);
	ck_assert_uint_eq(ino_for(2, START), 20);
	ck_assert_uint_eq(ino_for(3, START), 0);
}
END_TEST

START_TEST(oldest_is_forgotten)
{
	for (pid_t ns_pid = 1; ns_pid <= LIMIT; ns_pid++)
		note(ns_pid, 10);
	note(1, 10);
	note(9, 90);
	ck_assert_uint_eq(sightings_count(&sightings), LIMIT);
	ck_assert_uint_eq(ino_for(1, START), 0);
	ck_assert_uint_eq(ino_for(2, START), 10);
	ck_assert_uint_eq(ino_for(9, START), 90);
}
END_TEST

START_TEST(another_marker_replaces_it)
{
	struct sighting none = leftover(1, 0);

	note(1, 10);
	note(1, 11);
	ck_assert_uint_eq(ino_for(1, START), 11);
	none.marker.kind = MARKER_ABSENT;
	sightings_note(&sightings, &none);
	ck_assert_uint_eq(ino_for(1, START), 0);
	ck_assert_uint_eq(sightings_count(&sightings), 0);
}
END_TEST

/* While another process had the number, only the start tells which came first; and it is rounded down. */
START_TEST(others_had_the_number)
{
	struct sighting seen = leftover(1, 10);

	seen.alone = false;
	sightings_note(&sightings, &seen);
	ck_assert_uint_eq(ino_for(1, START), 10);
	ck_assert_uint_eq(ino_for(1, START - 1), 0);
	ck_assert_uint_eq(ino_for(1, 0), 0);
}
END_TEST

/* The worker creates its marker and writes to it; at its end, another process has its pid already. */
START_TEST(marker_seen_before_it_was_written)
{
	struct sighting seen = leftover(1, 10);

	sightings_note(&sightings, &seen);
	seen.marker.mtime.tv_nsec = 12000000;
	seen.alone = false;
	seen.seen *= 2;
	sightings_note(&sightings, &seen);
	ck_assert_uint_eq(ino_for(1, START - 1), 10);
	seen.marker.mtime.tv_sec = 1;
	sightings_note(&sightings, &seen);
	ck_assert_uint_eq(ino_for(1, START - 1), 0);
}
END_TEST

/* A later sighting replaces one while others had the number. */
START_TEST(sighting_alone_counts)
{
	struct sighting seen = leftover(1, 10);

	seen.alone = false;
	sightings_note(&sightings, &seen);
	ck_assert_uint_eq(ino_for(1, START - 1), 0);
	note(1, 10);
	ck_assert_uint_eq(ino_for(1, START - 1), 10);
}
END_TEST

/* The first sighting counts, also for a process that was there at the second. */
START_TEST(first_sighting_counts)
{
	struct sighting again = leftover(1, 10);

	note(1, 10);
	again.alone = false;
	again.seen *= 2;
	sightings_note(&sightings, &again);
	ck_assert_uint_eq(ino_for(1, START - 1), 10);
}
END_TEST

/* Nothing is known of a process that is gone but the start that the asker says it had. */
/* An event that was queued before the sighting is the leftover's own. */
START_TEST(written_later_is_no_leftover)
{
	struct sighting seen = leftover(1, 10);

	seen.position = 100;
	sightings_note(&sightings, &seen);
	ck_assert(!sightings_rewritten(&sightings, 2, 200));
	ck_assert(!sightings_rewritten(&sightings, 1, 100));
	ck_assert_uint_eq(ino_for(1, START), 10);
	ck_assert(sightings_rewritten(&sightings, 1, 101));
	ck_assert_uint_eq(ino_for(1, START), 0);
}
END_TEST

START_TEST(process_that_is_gone)
{
	struct process process = process_of(1, START - 1);

	note(1, 10);
	process.no_such_process = true;
	ck_assert_ptr_null(sightings_leftover(&sightings, &process));
	process.start = 0;
	ck_assert_ptr_null(sightings_leftover(&sightings, &process));
	process.start = START;
	ck_assert_ptr_nonnull(sightings_leftover(&sightings, &process));
	process_close(&process);
}
END_TEST

static void note_of(uid_t uid, pid_t ns_pid)
{
	struct sighting seen = leftover(ns_pid, (ino_t)ns_pid);

	seen.marker.uid = uid;
	sightings_note(&sightings, &seen);
}

START_TEST(a_flood_of_one_user_pushes_out_no_other)
{
	note_of(1000, 1);
	for (pid_t ns_pid = 100; ns_pid < 200; ns_pid++)
		note_of(1001, ns_pid);
	ck_assert_uint_eq(sightings_count(&sightings), LIMIT);
	ck_assert_uint_eq(ino_for(1, START), 1);
	ck_assert_uint_eq(ino_for(199, START), 199);
	ck_assert_uint_eq(ino_for(197, START), 0);
	/* The other way round, a user gets room from the one that has most. */
	note_of(1000, 2);
	ck_assert_uint_eq(ino_for(1, START), 1);
	ck_assert_uint_eq(ino_for(2, START), 2);
	ck_assert_uint_eq(ino_for(199, START), 199);
	ck_assert_uint_eq(ino_for(198, START), 0);
}
END_TEST

/* Another owner's file by a change of the owner. */
START_TEST(a_leftover_can_change_its_owner)
{
	note_of(1000, 1);
	note_of(1001, 1);
	note_of(1001, 2);
	note_of(1001, 3);
	note_of(1000, 4);
	ck_assert_uint_eq(ino_for(1, START), 0);
	ck_assert_uint_eq(ino_for(4, START), 4);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sightings");
	TCase *tcase = unit_case(s, "sightings");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, leftovers_are_found);
	tcase_add_test(tcase, oldest_is_forgotten);
	tcase_add_test(tcase, another_marker_replaces_it);
	tcase_add_test(tcase, others_had_the_number);
	tcase_add_test(tcase, sighting_alone_counts);
	tcase_add_test(tcase, marker_seen_before_it_was_written);
	tcase_add_test(tcase, first_sighting_counts);
	tcase_add_test(tcase, written_later_is_no_leftover);
	tcase_add_test(tcase, process_that_is_gone);
	tcase_add_test(tcase, a_flood_of_one_user_pushes_out_no_other);
	tcase_add_test(tcase, a_leftover_can_change_its_owner);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
