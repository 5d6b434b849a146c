#include "daemon/quota.h"
#include "daemon/registry.h"
#include "tests/unit.h"

#define TOMBSTONES 3
#define MOST	   64

/* A wait that records its answer and, when it is settled, detaches its victims. */
struct wait {
	struct registry_wait wait; /* first */
	unsigned told;
	struct readyd_answer answer;
	struct wait *victims[4];
	bool freed; /* to be freed by its own settled() */
};

static struct registry *registry;
/* Pids of the entries that left, in order. */
static pid_t left[MOST];
static unsigned left_count;

static void on_leaving(struct registry_entry *entry, void *context)
{
	(void)context;
	/* The entry is still complete here. */
	ck_assert_ptr_eq(registry_find(registry, entry->process.pid), entry);
	ck_assert(LIST_EMPTY(&entry->waits));
	ck_assert_uint_lt(left_count, MOST);
	left[left_count++] = entry->process.pid;
}

/* The first user is the daemon's own, so it has all tombstones; the others have shares of them. */
static struct quota quota;
static struct quota_user *user;

static void set_up_quota(void)
{
	quota_init(&quota, 1, &(struct quota_config){65536, 1000, 1000});
	quota.limits[QUOTA_TOMBSTONES] = (struct quota_limit){TOMBSTONES, TOMBSTONES};
	user = quota_enter(&quota, 1);
}

static void tear_down_quota(void)
{
	quota_leave(&quota, user);
	ck_assert_ptr_null(quota.users);
}

static void set_up(void)
{
	left_count = 0;
	set_up_quota();
	registry = registry_new(&quota, 0, on_leaving, NULL);
}

static void tear_down(void)
{
	registry_free(registry);
	registry = NULL;
	tear_down_quota();
}

static void on_settled(struct registry_wait *registry_wait, const struct registry_entry *entry,
    const struct readyd_answer *answer)
{
	struct wait *wait = (struct wait *)registry_wait;

	(void)entry;
	ck_assert_ptr_null(registry_wait->entry);
	for (size_t i = 0; i < UNIT_COUNT(wait->victims); i++)
		if (wait->victims[i] != NULL)
			registry_detach(registry, &wait->victims[i]->wait);
	wait->told++;
	wait->answer = *answer;
	if (wait->freed)
		free(wait);
}

static const struct registry_wait_kind any = {.settled = on_settled};

static void init_waits(struct wait *waits, size_t count)
{
	memset(waits, 0, count * sizeof(*waits));
	for (size_t i = 0; i < count; i++)
		waits[i].wait.kind = &any;
}

static struct registry_entry *enter(pid_t pid, bool latched)
{
	const struct process process = {.pid = pid,
	    .fd = open("/dev/null", O_RDONLY | O_CLOEXEC),
	    .ns_pid = pid % 10,
	    .start = (uint64_t)pid * 10};
	const struct history history = {.latched = latched, .absent_seen = true};

	return registry_enter(registry, &process, &history, user);
}

static struct readyd_answer answer_on(pid_t pid, enum readyd_verdict verdict)
{
	return (struct readyd_answer){.pid = pid, .verdict = verdict, .wait_status = -1};
}

static void settle(struct registry_entry *entry)
{
	const struct readyd_answer answer = answer_on(entry->process.pid, READYD_READY);

	registry_settle(registry, entry, &answer);
}

static void retire(struct registry_entry *entry, enum marker_kind kind)
{
	const struct readyd_answer answer = answer_on(entry->process.pid, READYD_EXITED);
	const struct marker_stat marker = {.kind = kind, .ino = (ino_t)entry->process.pid};

	registry_retire(registry, entry, &answer, &marker);
}

static void check_counts(size_t entries, size_t waited, size_t waits, size_t tombstones)
{
	struct registry_counts counts;

	registry_count(registry, &counts);
	unit_check(counts.entries == entries);
	unit_check(counts.waited == waited);
	unit_check(counts.waits == waits);
	unit_check(counts.tombstones == tombstones);
	unit_check(registry_is_waited(registry) == (waited > 0));
}

START_TEST(empty_registry)
{
	check_counts(0, 0, 0, 0);
	ck_assert_ptr_null(registry_find(registry, 1));
	ck_assert_ptr_null(registry_tombstone(registry, 1));
	ck_assert_ptr_null(registry_next_waited(registry));
	registry_begin_sweep(registry);
	ck_assert_ptr_null(registry_next_waited(registry));
	registry_free(NULL);
}
END_TEST

START_TEST(entries_are_found)
{
	struct registry_entry *entry = enter(7, false);

	ck_assert_ptr_eq(registry_find(registry, 7), entry);
	ck_assert_ptr_null(registry_find(registry, 70));
	ck_assert_int_eq(entry->process.pid, 7);
	ck_assert_uint_eq(entry->process.start, 70);
	ck_assert(entry->history.absent_seen);
	ck_assert_ptr_null(entry->gate);
	ck_assert_ptr_null(entry->watch);
	check_counts(1, 0, 0, 0);
}
END_TEST

static void expect_next(struct registry_cursor *cursor, pid_t pid)
{
	struct registry_entry *entry = registry_cursor_next(cursor);

	ck_assert_int_eq(entry == NULL ? 0 : entry->process.pid, pid);
}

START_TEST(entries_come_in_order)
{
	static const pid_t pids[] = {9, 2, 7, 1};
	struct registry_cursor cursor;

	for (size_t i = 0; i < UNIT_COUNT(pids); i++)
		enter(pids[i], false);
	registry_release(registry, registry_find(registry, 2));
	enter(2, false);
	registry_cursor_start(registry, &cursor);
	expect_next(&cursor, 9);
	expect_next(&cursor, 7);
	expect_next(&cursor, 1);
	expect_next(&cursor, 2);
	expect_next(&cursor, 0);
}
END_TEST

/* Two cursors go through the list while entries leave, are added, and are added again. */
START_TEST(cursor_survives)
{
	struct registry_cursor cursor, second;

	registry_cursor_start(registry, &cursor);
	expect_next(&cursor, 0);
	for (pid_t pid = 1; pid <= 6; pid++)
		enter(pid, false);
	registry_cursor_start(registry, &cursor);
	registry_cursor_start(registry, &second);
	expect_next(&cursor, 1);
	registry_release(registry, registry_find(registry, 2));
	registry_release(registry, registry_find(registry, 3));
	registry_release(registry, registry_find(registry, 1));
	enter(7, false);
	enter(2, false);
	expect_next(&cursor, 4);
	expect_next(&second, 4);
	registry_release(registry, registry_find(registry, 4));
	registry_release(registry, registry_find(registry, 6));
	expect_next(&cursor, 5);
	expect_next(&cursor, 0);
	registry_release(registry, registry_find(registry, 5));
	expect_next(&second, 0);
	expect_next(&second, 0);
}
END_TEST

START_TEST(cursor_is_given_up)
{
	struct registry_cursor cursor;

	enter(1, false);
	enter(2, false);
	registry_cursor_start(registry, &cursor);
	expect_next(&cursor, 1);
	ck_assert(!LIST_EMPTY(&registry_find(registry, 2)->cursors));
	registry_cursor_end(&cursor);
	ck_assert(LIST_EMPTY(&registry_find(registry, 2)->cursors));
	expect_next(&cursor, 0);
	registry_cursor_end(&cursor);
}
END_TEST

START_TEST(pidfd_is_closed_with_the_entry)
{
	int fds = unit_count_fds();
	struct process process;
	const struct history history = {0};

	process_open(&process, getpid());
	ck_assert_int_eq(unit_count_fds(), fds + 1);
	registry_release(registry, registry_enter(registry, &process, &history, user));
	ck_assert_int_eq(unit_count_fds(), fds);
}
END_TEST

START_TEST(release_spares_the_waited)
{
	struct registry_entry *entry = enter(7, false);
	struct wait wait;

	init_waits(&wait, 1);
	registry_attach(registry, entry, &wait.wait);
	ck_assert_ptr_eq(wait.wait.entry, entry);
	check_counts(1, 1, 1, 0);
	registry_release(registry, entry);
	check_counts(1, 1, 1, 0);
	registry_detach(registry, &wait.wait);
	ck_assert_ptr_null(wait.wait.entry);
	check_counts(1, 0, 0, 0);
	ck_assert_uint_eq(left_count, 0);
	registry_release(registry, entry);
	check_counts(0, 0, 0, 0);
	ck_assert_uint_eq(left_count, 1);
	ck_assert_uint_eq(wait.told, 0);
}
END_TEST

START_TEST(release_spares_the_latched)
{
	struct registry_entry *entry = enter(7, true);

	registry_release(registry, entry);
	check_counts(1, 0, 0, 0);
	entry->history.latched = false;
	registry_release(registry, entry);
	check_counts(0, 0, 0, 0);
}
END_TEST

/* Without a pidfd, the end of the process would go unnoticed. */
START_TEST(release_forgets_the_latched_without_a_pidfd)
{
	struct registry_entry *entry = enter(7, true);

	process_close(&entry->process);
	registry_release(registry, entry);
	check_counts(0, 0, 0, 0);
}
END_TEST

static void allow_idle(size_t count)
{
	registry_free(registry);
	registry = registry_new(&quota, count, on_leaving, NULL);
}

static void enter_and_release(pid_t pid)
{
	registry_release(registry, enter(pid, false));
}

static void check_idle(size_t idle)
{
	struct registry_counts counts;

	registry_count(registry, &counts);
	ck_assert_uint_eq(counts.idle, idle);
}

/* The entry that was used longest ago leaves first; a release counts as use. */
START_TEST(idle_entries_stay_for_a_while)
{
	allow_idle(2);
	enter_and_release(1);
	enter_and_release(2);
	check_idle(2);
	check_counts(0, 0, 0, 0);
	registry_release(registry, registry_find(registry, 1));
	enter_and_release(3);
	check_idle(2);
	ck_assert_uint_eq(left_count, 1);
	ck_assert_int_eq(left[0], 2);
	ck_assert_ptr_nonnull(registry_find(registry, 1));
}
END_TEST

START_TEST(idle_entry_is_used_again)
{
	struct wait wait;

	allow_idle(1);
	enter_and_release(1);
	init_waits(&wait, 1);
	registry_attach(registry, registry_find(registry, 1), &wait.wait);
	check_idle(0);
	check_counts(1, 1, 1, 0);
	enter_and_release(2);
	ck_assert_uint_eq(left_count, 0);
	settle(registry_find(registry, 1));
	registry_find(registry, 1)->history.latched = true;
	registry_release(registry, registry_find(registry, 1));
	check_idle(1);
	check_counts(1, 0, 0, 0);
	retire(registry_find(registry, 2), MARKER_ABSENT);
	check_idle(0);
	check_counts(1, 0, 0, 1);
}
END_TEST

/* Its end would go unnoticed. */
START_TEST(no_idle_entry_without_a_pidfd)
{
	struct registry_entry *entry;

	allow_idle(2);
	entry = enter(1, false);
	process_close(&entry->process);
	registry_release(registry, entry);
	check_idle(0);
	ck_assert_uint_eq(left_count, 1);
}
END_TEST

START_TEST(cursor_skips_idle_entries)
{
	struct registry_cursor cursor;

	allow_idle(3);
	enter_and_release(1);
	enter(2, false);
	enter_and_release(3);
	enter_and_release(4);
	registry_cursor_start(registry, &cursor);
	expect_next(&cursor, 2);
	enter_and_release(5);
	expect_next(&cursor, 0);
}
END_TEST

START_TEST(detaching_twice_is_harmless)
{
	struct registry_entry *entry = enter(7, false);
	struct wait waits[2];

	init_waits(waits, 2);
	registry_detach(registry, &waits[0].wait);
	registry_attach(registry, entry, &waits[0].wait);
	registry_attach(registry, entry, &waits[1].wait);
	registry_detach(registry, &waits[0].wait);
	registry_detach(registry, &waits[0].wait);
	check_counts(1, 1, 1, 0);
	registry_detach(registry, &waits[1].wait);
	check_counts(1, 0, 0, 0);
}
END_TEST

START_TEST(settle_tells_each_wait_once)
{
	struct registry_entry *entry = enter(7, false);
	struct wait waits[10];

	init_waits(waits, 10);
	for (int i = 0; i < 10; i++)
		registry_attach(registry, entry, &waits[i].wait);
	settle(entry);
	settle(entry);
	for (int i = 0; i < 10; i++) {
		ck_assert_uint_eq(waits[i].told, 1);
		ck_assert_int_eq(waits[i].answer.pid, 7);
		ck_assert_int_eq(waits[i].answer.verdict, READYD_READY);
	}
	check_counts(1, 0, 0, 0);
	/* A wait can be attached again. */
	registry_attach(registry, entry, &waits[0].wait);
	settle(entry);
	ck_assert_uint_eq(waits[0].told, 2);
}
END_TEST

START_TEST(only_the_end_settles_a_wait_for_it)
{
	struct registry_entry *entry = enter(7, false);
	static const struct registry_wait_kind until_end = {true, on_settled};
	struct wait waits[2];

	init_waits(waits, 2);
	waits[1].wait.kind = &until_end;
	ck_assert(!registry_awaits_only_end(entry));
	registry_attach(registry, entry, &waits[0].wait);
	registry_attach(registry, entry, &waits[1].wait);
	ck_assert(!registry_awaits_only_end(entry));
	settle(entry);
	ck_assert_uint_eq(waits[0].told, 1);
	ck_assert_uint_eq(waits[1].told, 0);
	ck_assert(registry_awaits_only_end(entry));
	registry_release(registry, entry);
	check_counts(1, 1, 1, 0);
	retire(entry, MARKER_FILE);
	ck_assert_uint_eq(waits[1].told, 1);
	ck_assert_int_eq(waits[1].answer.verdict, READYD_EXITED);
	check_counts(0, 0, 0, 1);
}
END_TEST

START_TEST(settle_tells_no_other_wait)
{
	struct wait waits[2];

	init_waits(waits, 2);
	registry_attach(registry, enter(1, false), &waits[0].wait);
	registry_attach(registry, enter(2, false), &waits[1].wait);
	settle(registry_find(registry, 1));
	ck_assert_uint_eq(waits[0].told, 1);
	ck_assert_uint_eq(waits[1].told, 0);
	check_counts(2, 1, 1, 0);
	registry_detach(registry, &waits[1].wait);
}
END_TEST

START_TEST(settled_may_free_the_wait)
{
	struct registry_entry *entry = enter(7, false);

	for (int i = 0; i < 3; i++) {
		struct wait *wait = malloc(sizeof(*wait));

		init_waits(wait, 1);
		wait->freed = true;
		registry_attach(registry, entry, &wait->wait);
	}
	retire(entry, MARKER_ABSENT);
	check_counts(0, 0, 0, 1);
}
END_TEST

/* The order in which waits are settled is unspecified: the first one detaches the other three. */
START_TEST(settled_may_detach_others)
{
	struct registry_entry *entry = enter(1, false), *other = enter(2, false);
	struct wait waits[4];
	unsigned told = 0;

	init_waits(waits, 4);
	for (int i = 0; i < 4; i++) {
		registry_attach(registry, i < 3 ? entry : other, &waits[i].wait);
		for (int j = 0; j < 4; j++)
			waits[i].victims[j] = i == j ? NULL : &waits[j];
	}
	settle(entry);
	for (int i = 0; i < 3; i++)
		told += waits[i].told;
	ck_assert_uint_eq(told, 1);
	ck_assert_uint_eq(waits[3].told, 0);
	ck_assert_ptr_null(waits[3].wait.entry);
	check_counts(2, 0, 0, 0);
}
END_TEST

START_TEST(retire_tells_and_remembers)
{
	struct registry_entry *entry = enter(7, true);
	const struct registry_tombstone *tombstone;
	struct wait wait;

	init_waits(&wait, 1);
	registry_attach(registry, entry, &wait.wait);
	retire(entry, MARKER_FILE);
	ck_assert_uint_eq(wait.told, 1);
	ck_assert_int_eq(wait.answer.verdict, READYD_EXITED);
	ck_assert_ptr_null(registry_find(registry, 7));
	check_counts(0, 0, 0, 1);
	ck_assert_uint_eq(left_count, 1);
	tombstone = registry_tombstone(registry, 7);
	ck_assert_ptr_nonnull(tombstone);
	ck_assert_int_eq(tombstone->pid, 7);
	ck_assert_int_eq(tombstone->answer.verdict, READYD_EXITED);
	ck_assert_int_eq(tombstone->marker.kind, MARKER_FILE);
	ck_assert_uint_eq(tombstone->marker.ino, 7);
	ck_assert_ptr_null(registry_tombstone(registry, 70));
}
END_TEST

START_TEST(oldest_tombstone_is_forgotten)
{
	for (pid_t pid = 1; pid <= TOMBSTONES + 2; pid++)
		retire(enter(pid, false), MARKER_ABSENT);
	check_counts(0, 0, 0, TOMBSTONES);
	for (pid_t pid = 1; pid <= TOMBSTONES + 2; pid++)
		ck_assert((registry_tombstone(registry, pid) != NULL) == (pid > 2));
}
END_TEST

static struct registry_entry *enter_for(struct quota_user *account, pid_t pid)
{
	struct registry_entry *entry = enter(pid, false);

	registry_give(registry, entry, account);
	return entry;
}

/* A user at its limit forgets its own oldest one. */
START_TEST(tombstones_of_a_user_push_out_no_others)
{
	struct quota_user *other = quota_enter(&quota, 1000), *victim = quota_enter(&quota, 1001);

	quota.limits[QUOTA_TOMBSTONES] = (struct quota_limit){24, 24};
	retire(enter_for(victim, 1), MARKER_ABSENT);
	for (pid_t pid = 2; pid < MOST; pid++)
		retire(enter_for(other, pid), MARKER_ABSENT);
	ck_assert_ptr_nonnull(registry_tombstone(registry, 1));
	ck_assert_ptr_null(registry_tombstone(registry, 2));
	ck_assert_ptr_nonnull(registry_tombstone(registry, MOST - 1));
	check_counts(0, 0, 0, 1 + 8);
	quota_leave(&quota, other);
	quota_leave(&quota, victim);
}
END_TEST

/* The idle entries of each user are kept, and removed, by themselves. */
START_TEST(idle_entries_of_a_user_push_out_no_others)
{
	struct quota_user *other = quota_enter(&quota, 1000);

	allow_idle(2);
	enter_and_release(1);
	for (pid_t pid = 2; pid < 10; pid++)
		registry_release(registry, enter_for(other, pid));
	ck_assert_ptr_nonnull(registry_find(registry, 1));
	ck_assert_ptr_null(registry_find(registry, 7));
	ck_assert_ptr_nonnull(registry_find(registry, 8));
	check_idle(3);
	quota_leave(&quota, other);
}
END_TEST

/* A pidfd is charged to the user of the entry, from the one it is given by to the one it is given to. */
START_TEST(pidfds_are_charged_to_a_user)
{
	struct quota_user *other = quota_enter(&quota, 1000);
	struct registry_entry *entry;

	quota.limits[QUOTA_PROCESSES] = (struct quota_limit){SIZE_MAX, 2};
	entry = enter_for(other, 1);
	ck_assert_uint_eq(other->used[QUOTA_PROCESSES], 1);
	ck_assert_uint_eq(user->used[QUOTA_PROCESSES], 0);
	/* It has no room for a second one, which stays where it is. */
	ck_assert_ptr_eq(enter_for(other, 2)->user, user);
	registry_release(registry, entry);
	registry_release(registry, registry_find(registry, 2));
	ck_assert_uint_eq(other->used[QUOTA_PROCESSES] + user->used[QUOTA_PROCESSES], 0);
	quota_leave(&quota, other);
}
END_TEST

/* If a pid is reused, its tombstone is replaced, and becomes the youngest. */
START_TEST(tombstone_is_replaced)
{
	for (pid_t pid = 1; pid <= TOMBSTONES; pid++)
		retire(enter(pid, false), MARKER_ABSENT);
	retire(enter(1, false), MARKER_FILE);
	check_counts(0, 0, 0, TOMBSTONES);
	ck_assert_int_eq(registry_tombstone(registry, 1)->marker.kind, MARKER_FILE);
	retire(enter(9, false), MARKER_ABSENT);
	ck_assert_ptr_null(registry_tombstone(registry, 2));
	ck_assert_ptr_nonnull(registry_tombstone(registry, 1));
}
END_TEST

START_TEST(tombstone_and_entry_are_independent)
{
	retire(enter(7, false), MARKER_ABSENT);
	enter(7, false);
	check_counts(1, 0, 0, 1);
	ck_assert_ptr_nonnull(registry_find(registry, 7));
	ck_assert_ptr_nonnull(registry_tombstone(registry, 7));
}
END_TEST

START_TEST(free_lets_all_go)
{
	struct wait waits[4];

	init_waits(waits, 4);
	for (int i = 0; i < 4; i++)
		registry_attach(
		    registry, i % 2 == 0 ? enter(i + 1, true) : registry_find(registry, i), &waits[i].wait);
	enter(9, false);
	retire(enter(8, false), MARKER_FILE);
	left_count = 0;
	registry_free(registry);
	registry = NULL;
	ck_assert_uint_eq(left_count, 3);
	for (int i = 0; i < 4; i++) {
		ck_assert_uint_eq(waits[i].told, 0);
		ck_assert_ptr_null(waits[i].wait.entry);
	}
}
END_TEST

START_TEST(sweep_visits_waited_entries_once)
{
	struct wait waits[4];
	unsigned seen = 0;

	init_waits(waits, 4);
	for (int i = 0; i < 4; i++)
		registry_attach(registry, enter(i, false), &waits[i].wait);
	enter(4, false);
	ck_assert_ptr_null(registry_next_waited(registry));
	for (int round = 0; round < 3; round++) {
		seen = 0;
		registry_begin_sweep(registry);
		for (int i = 0; i < 4; i++)
			seen |= 1u << registry_next_waited(registry)->process.pid;
		ck_assert_uint_eq(seen, 15);
		ck_assert_ptr_null(registry_next_waited(registry));
	}
	for (int i = 0; i < 4; i++)
		registry_detach(registry, &waits[i].wait);
}
END_TEST

/* A sweep that is restarted before its end still visits every entry with waits. */
START_TEST(sweep_restarted)
{
	struct wait waits[5];
	unsigned seen = 0;

	init_waits(waits, 5);
	for (int i = 0; i < 5; i++)
		registry_attach(registry, enter(i, false), &waits[i].wait);
	for (int round = 0; round < 5; round++) {
		registry_begin_sweep(registry);
		seen |= 1u << registry_next_waited(registry)->process.pid;
	}
	ck_assert_uint_eq(seen, 31);
	for (int i = 0; i < 5; i++)
		registry_detach(registry, &waits[i].wait);
}
END_TEST

/* Random operations, compared with a model that is simple enough to be checked by reading. */

#define PIDS  16
#define WAITS 48
#define IDLE  3
#define STEPS 40000
#define SEEDS 6

struct model_entry {
	bool here, latched, due; /* due: still to be visited in this sweep */
	unsigned entered;	 /* when */
};

struct model_tombstone {
	pid_t pid;
	uint64_t mark; /* tells the tombstones of a pid apart */
};

static struct {
	uint64_t seed;
	unsigned clock;
	struct model_entry entries[PIDS];
	struct wait waits[WAITS];
	pid_t attached[WAITS];			       /* pid + 1, 0: not */
	struct model_tombstone tombstones[TOMBSTONES]; /* oldest first */
	unsigned tombstone_count;
	pid_t idle[IDLE]; /* the one used longest ago first */
	unsigned idle_count;
	pid_t told;    /* the pid being settled, or -1 */
	pid_t leaving; /* the pid of the entry that may leave now, or -1 */
	unsigned told_count, left_count;
} model;

static unsigned dice(unsigned sides)
{
	return unit_random_below(&model.seed, sides);
}

static bool model_is_waited(pid_t pid)
{
	for (unsigned i = 0; i < WAITS; i++)
		if (model.attached[i] == pid + 1)
			return true;
	return false;
}

static bool model_is_waited_before_its_end(pid_t pid)
{
	for (unsigned i = 0; i < WAITS; i++)
		if (model.attached[i] == pid + 1 && !model.waits[i].wait.kind->until_end)
			return true;
	return false;
}

static void model_detach(unsigned wait)
{
	pid_t pid = model.attached[wait] - 1;

	model.attached[wait] = 0;
	if (pid >= 0 && !model_is_waited(pid))
		model.entries[pid].due = false;
}

static void model_use(pid_t pid)
{
	unsigned at = 0;

	while (at < model.idle_count && model.idle[at] != pid)
		at++;
	if (at == model.idle_count)
		return;
	model.idle_count--;
	memmove(&model.idle[at], &model.idle[at + 1], (model.idle_count - at) * sizeof(model.idle[0]));
}

static void on_model_settled(struct registry_wait *registry_wait, const struct registry_entry *entry,
    const struct readyd_answer *answer)
{
	unsigned number = (unsigned)((struct wait *)registry_wait - model.waits), victim;

	(void)entry;
	unit_check(answer->pid == model.told);
	unit_check(model.attached[number] == model.told + 1);
	unit_check(!registry_wait->kind->until_end || model.leaving == model.told);
	model_detach(number);
	model.told_count++;
	for (unsigned n = dice(4); n > 0; n--) {
		victim = dice(WAITS);
		registry_detach(registry, &model.waits[victim].wait);
		model_detach(victim);
	}
}

static void on_model_leaving(struct registry_entry *entry, void *context)
{
	(void)context;
	unit_check(entry->process.pid == model.leaving);
	model.entries[model.leaving].here = false;
	model.leaving = -1;
	model.left_count++;
}

static void step_enter(pid_t pid)
{
	if (model.entries[pid].here)
		return;
	model.entries[pid] = (struct model_entry){.here = true, .latched = dice(3) == 0};
	model.entries[pid].entered = ++model.clock;
	enter(pid, model.entries[pid].latched);
}

static void step_attach(pid_t pid)
{
	unsigned wait = dice(WAITS);

	if (!model.entries[pid].here || model.attached[wait] != 0)
		return;
	registry_attach(registry, registry_find(registry, pid), &model.waits[wait].wait);
	model.attached[wait] = pid + 1;
	model_use(pid);
}

static void step_detach(pid_t pid)
{
	unsigned wait = dice(WAITS);

	(void)pid;
	registry_detach(registry, &model.waits[wait].wait);
	model_detach(wait);
}

static void step_release(pid_t pid)
{
	if (!model.entries[pid].here)
		return;
	model_use(pid);
	if (!model.entries[pid].latched && !model_is_waited(pid)) {
		if (model.idle_count == IDLE) {
			model.leaving = model.idle[0];
			model_use(model.leaving);
		}
		model.idle[model.idle_count++] = pid;
	}
	registry_release(registry, registry_find(registry, pid));
	unit_check(model.leaving == -1);
}

static void step_latch(pid_t pid)
{
	if (!model.entries[pid].here)
		return;
	model.entries[pid].latched = dice(2) == 0;
	registry_find(registry, pid)->history.latched = model.entries[pid].latched;
	step_release(pid);
}

static void step_settle(pid_t pid)
{
	if (!model.entries[pid].here)
		return;
	model.told = pid;
	settle(registry_find(registry, pid));
	model.told = -1;
	unit_check(!model_is_waited_before_its_end(pid));
}

static void model_add_tombstone(pid_t pid, uint64_t mark)
{
	unsigned at = 0;

	while (at < model.tombstone_count && model.tombstones[at].pid != pid)
		at++;
	if (at == TOMBSTONES)
		at = 0;
	if (at < model.tombstone_count) {
		model.tombstone_count--;
		memmove(&model.tombstones[at], &model.tombstones[at + 1],
		    (model.tombstone_count - at) * sizeof(model.tombstones[0]));
	}
	model.tombstones[model.tombstone_count++] = (struct model_tombstone){pid, mark};
}

static void step_retire(pid_t pid)
{
	struct readyd_answer answer = answer_on(pid, READYD_DIED);
	const struct marker_stat marker = {.kind = MARKER_ABSENT};

	if (!model.entries[pid].here)
		return;
	answer.start = ++model.clock;
	model_use(pid);
	model_add_tombstone(pid, answer.start);
	model.told = model.leaving = pid;
	registry_retire(registry, registry_find(registry, pid), &answer, &marker);
	model.told = -1;
	unit_check(model.leaving == -1);
	unit_check(!model_is_waited(pid));
}

static void step_begin_round(pid_t pid)
{
	(void)pid;
	registry_begin_sweep(registry);
	for (pid_t i = 0; i < PIDS; i++)
		model.entries[i].due = model_is_waited(i);
}

static void step_visit(pid_t pid)
{
	struct registry_entry *entry = registry_next_waited(registry);

	(void)pid;
	if (entry != NULL) {
		unit_check(model.entries[entry->process.pid].due);
		model.entries[entry->process.pid].due = false;
		return;
	}
	for (pid_t i = 0; i < PIDS; i++)
		unit_check(!model.entries[i].due);
}

static const struct {
	void (*step)(pid_t pid);
	unsigned weight;
} steps[] = {
    {step_enter, 6},
    {step_attach, 12},
    {step_detach, 4},
    {step_release, 4},
    {step_latch, 1},
    {step_settle, 1},
    {step_retire, 2},
    {step_begin_round, 1},
    {step_visit, 6},
};

static void step(void)
{
	unsigned total = 0, at;

	for (size_t i = 0; i < UNIT_COUNT(steps); i++)
		total += steps[i].weight;
	at = dice(total);
	for (size_t i = 0; i < UNIT_COUNT(steps); i++) {
		if (at < steps[i].weight) {
			steps[i].step((pid_t)dice(PIDS));
			return;
		}
		at -= steps[i].weight;
	}
}

static void check_entries(void)
{
	struct registry_cursor cursor;
	struct registry_entry *entry;
	unsigned last = 0;
	size_t count = 0, in_order = 0;

	for (pid_t pid = 0; pid < PIDS; pid++) {
		entry = registry_find(registry, pid);
		unit_check((entry != NULL) == model.entries[pid].here);
		count += entry != NULL;
		if (entry != NULL)
			unit_check((entry->wait_count == 0) == !model_is_waited(pid));
	}
	registry_cursor_start(registry, &cursor);
	while ((entry = registry_cursor_next(&cursor)) != NULL) {
		unit_check(model.entries[entry->process.pid].entered > last);
		last = model.entries[entry->process.pid].entered;
		in_order++;
	}
	unit_check(in_order == count - model.idle_count);
}

static void check_tombstones(void)
{
	const struct registry_tombstone *tombstone;

	for (pid_t pid = 0; pid < PIDS; pid++) {
		unsigned at = 0;

		while (at < model.tombstone_count && model.tombstones[at].pid != pid)
			at++;
		tombstone = registry_tombstone(registry, pid);
		unit_check((tombstone != NULL) == (at < model.tombstone_count));
		if (tombstone != NULL)
			unit_check(tombstone->answer.start == model.tombstones[at].mark);
	}
}

static void check_against_model(void)
{
	size_t entries = 0, waited = 0, waits = 0;

	for (pid_t pid = 0; pid < PIDS; pid++) {
		entries += model.entries[pid].here;
		waited += model_is_waited(pid);
	}
	for (unsigned i = 0; i < WAITS; i++) {
		waits += model.attached[i] != 0;
		unit_check((model.waits[i].wait.entry != NULL) == (model.attached[i] != 0));
		if (model.attached[i] != 0)
			unit_check(model.waits[i].wait.entry->process.pid == model.attached[i] - 1);
	}
	check_counts(entries - model.idle_count, waited, waits, model.tombstone_count);
	check_entries();
	check_tombstones();
}

START_TEST(behaves_like_the_model)
{
	static const struct registry_wait_kind kinds[] = {
	    {false, on_model_settled}, {true, on_model_settled}};

	memset(&model, 0, sizeof(model));
	model.seed = (uint64_t)_i;
	model.told = model.leaving = -1;
	init_waits(model.waits, WAITS);
	for (unsigned i = 0; i < WAITS; i++) {
		model.waits[i].wait.kind = &kinds[i % 4 == 0];
	}
	registry_free(registry);
	registry = registry_new(&quota, IDLE, on_model_leaving, NULL);
	for (unsigned n = 0; n < STEPS; n++) {
		step();
		check_against_model();
	}
	ck_assert_uint_gt(model.told_count, STEPS / 100);
	ck_assert_uint_gt(model.left_count, STEPS / 100);
	for (pid_t pid = 0; pid < PIDS; pid++)
		step_retire(pid);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("registry");
	TCase *tcase = unit_case(s, "registry");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, empty_registry);
	tcase_add_test(tcase, entries_are_found);
	tcase_add_test(tcase, entries_come_in_order);
	tcase_add_test(tcase, cursor_survives);
	tcase_add_test(tcase, cursor_is_given_up);
	tcase_add_test(tcase, pidfd_is_closed_with_the_entry);
	tcase_add_test(tcase, release_spares_the_waited);
	tcase_add_test(tcase, release_spares_the_latched);
	tcase_add_test(tcase, release_forgets_the_latched_without_a_pidfd);
	tcase_add_test(tcase, idle_entries_stay_for_a_while);
	tcase_add_test(tcase, idle_entry_is_used_again);
	tcase_add_test(tcase, no_idle_entry_without_a_pidfd);
	tcase_add_test(tcase, cursor_skips_idle_entries);
	tcase_add_test(tcase, detaching_twice_is_harmless);
	tcase_add_test(tcase, settle_tells_each_wait_once);
	tcase_add_test(tcase, only_the_end_settles_a_wait_for_it);
	tcase_add_test(tcase, settle_tells_no_other_wait);
	tcase_add_test(tcase, settled_may_free_the_wait);
	tcase_add_test(tcase, settled_may_detach_others);
	tcase_add_test(tcase, retire_tells_and_remembers);
	tcase_add_test(tcase, oldest_tombstone_is_forgotten);
	tcase_add_test(tcase, tombstones_of_a_user_push_out_no_others);
	tcase_add_test(tcase, idle_entries_of_a_user_push_out_no_others);
	tcase_add_test(tcase, pidfds_are_charged_to_a_user);
	tcase_add_test(tcase, tombstone_is_replaced);
	tcase_add_test(tcase, tombstone_and_entry_are_independent);
	tcase_add_test(tcase, free_lets_all_go);
	tcase_add_test(tcase, sweep_visits_waited_entries_once);
	tcase_add_test(tcase, sweep_restarted);
	tcase_add_loop_test(tcase, behaves_like_the_model, 1, 1 + SEEDS);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
