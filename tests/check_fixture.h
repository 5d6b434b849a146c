/* What the tests of check_process() share: a process, its marker, and what is remembered of them. */
#ifndef TESTS_CHECK_FIXTURE_H
#define TESTS_CHECK_FIXTURE_H

#include "src/check.h"
#include "tests/unit.h"

struct fixture {
	struct marker_place place;
	struct process process;
	struct history history;
	struct collisions *collisions;
	struct readyd_answer answer;
	char marker[2 * UNIT_PATH_SIZE];
};

static struct fixture fixture;

static inline void set_up(pid_t pid)
{
	char dir[UNIT_PATH_SIZE];

	unit_dir(dir);
	memset(&fixture, 0, sizeof(fixture));
	fixture.collisions = collisions_lone();
	ck_assert_int_eq(marker_place_init(&fixture.place, dir, "ready-"), 0);
	/* The tests create and remove this directory, so it must be the private one. */
	ck_assert_str_eq(fixture.place.dir, dir);
	snprintf(fixture.marker, sizeof(fixture.marker), "%s/ready-%d", dir, (int)pid);
	process_open(&fixture.process, pid);
}

/* Whether the age is assumed depends on how long ago this process was started: see test_evidence.c. */
static inline void expect(enum readyd_verdict verdict, enum readyd_reason reason, unsigned flags)
{
	memset(&fixture.answer, 0xff, sizeof(fixture.answer));
	check_process(&fixture.place, &fixture.process, &fixture.history, fixture.collisions,
	    &marker_viewer_direct, &fixture.answer);
	ck_assert_int_eq(fixture.answer.verdict, verdict);
	ck_assert_int_eq(fixture.answer.reason, reason);
	ck_assert_uint_eq(fixture.answer.flags & ~READYD_FLAG_AGE_ASSUMED, flags);
	ck_assert_int_eq(fixture.answer.pid, fixture.process.pid);
	ck_assert_uint_eq(fixture.answer.start, fixture.process.start);
}

static inline void tear_down(void)
{
	process_close(&fixture.process);
}

/* A child writes to it when it has done what the test waits for. */
static int progress[2];

static inline void report_progress(void)
{
	if (write(progress[1], "x", 1) != 1)
		_exit(1);
}

/* Returns once the child that run() is called in has reported. */
static inline pid_t spawn_and_await(void (*run)(void))
{
	pid_t child;
	char byte;

	ck_assert_int_eq(pipe(progress), 0);
	child = unit_spawn(run);
	close(progress[1]);
	ck_assert_int_eq(read(progress[0], &byte, 1), 1);
	close(progress[0]);
	return child;
}

#endif
