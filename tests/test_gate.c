#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "daemon/loop.h"
#include "daemon/gate.h"
#include "daemon/quota.h"
#include "daemon/scouts.h"
#include "daemon/tracker.h"
#include "src/dirwatch.h"
#include "tests/unit.h"

#define LIMIT 2

/* A tracker with its gates, and processes to wait for. */
static struct loop *loop;
static struct marker_place place;
static struct tracker tracker;
static struct dirwatch dirs;
static struct gates gates;
static struct quota quota;
static struct quota_user *user; /* the daemon's own, which may have all pipes */
static pid_t children[LIMIT + 1];
static int fds_before;

static void on_first_wait(void *context)
{
	(void)context;
}

static void on_behind(void *context)
{
	(void)context;
}

static const struct scouts_config without_scouts = {.place = &place, .dirs = &dirs, .spawner = -1};
static struct scouts *scouts;

static void limit_pipes(size_t most)
{
	quota.limits[QUOTA_GATES] = (struct quota_limit){most, most};
}

static size_t pipes(void)
{
	return quota.used[QUOTA_GATES];
}

static void set_up(void)
{
	char dir[UNIT_PATH_SIZE];

	unit_dir(dir);
	ck_assert_int_eq(marker_place_init(&place, dir, NULL), 0);
	/* The tests change and remove the directory: it must be the private one. */
	ck_assert_str_eq(place.dir, dir);
	for (size_t i = 0; i < UNIT_COUNT(children); i++)
		children[i] = unit_spawn(NULL);
	fds_before = unit_count_fds();
	loop = loop_new();
	dirwatch_init(&dirs, &place, on_behind, NULL);
	scouts = scouts_new(loop, &without_scouts);
	quota_init(&quota, geteuid(), &(struct quota_config){1024, 100, 100});
	limit_pipes(LIMIT);
	user = quota_enter(&quota, geteuid());
	tracker_init(&tracker, loop, &place, &dirs, scouts, &quota, on_first_wait, NULL);
	gates_init(&gates, loop, &tracker);
}

static void tear_down(void)
{
	if (tracker.registry != NULL)
		gates_fini(&gates);
	tracker_fini(&tracker);
	scouts_free(scouts);
	loop_free(loop);
	quota_leave(&quota, user);
	ck_assert_ptr_null(quota.users);
	ck_assert_uint_eq(gates.count, 0);
	ck_assert_int_eq(unit_count_fds(), fds_before);
	for (size_t i = 0; i < UNIT_COUNT(children); i++)
		if (children[i] > 0)
			unit_kill(children[i]);
}

static void turn(void)
{
	for (int i = 0; i < 8; i++)
		loop_settle(loop);
}

static void enroll(int child, void (*join)(struct registry_entry *entry, void *context), void *context)
{
	struct readyd_answer answer;

	ck_assert(tracker_enroll(
	    &tracker, user, &(struct tracker_named){.pid = children[child]}, join, context, &answer));
	ck_assert_int_eq(answer.verdict, READYD_PENDING);
}

static void join_gate(struct registry_entry *entry, void *context)
{
	int *fd = context;

	*fd = gate_join(&gates, entry, user);
}

/* Joins as a waiter that received the gate: the descriptor is its own, the open file is shared. */
static int join(int child)
{
	int fd;

	enroll(child, join_gate, &fd);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	return fd;
}

static bool is_open(int gate)
{
	struct pollfd poll_fd = {.fd = gate, .events = 0};
	int n = poll(&poll_fd, 1, 0);

	ck_assert_int_eq(n, poll_fd.revents == POLLHUP);
	return n == 0;
}

/* Returns the number of unread bytes in the gate. */
static int left_in(int gate)
{
	int count;

	ck_assert_int_eq(ioctl(gate, FIONREAD, &count), 0);
	return count;
}

static bool same_file(int a, int b)
{
	struct stat first, second;

	ck_assert_int_eq(fstat(a, &first), 0);
	ck_assert_int_eq(fstat(b, &second), 0);
	ck_assert(S_ISFIFO(first.st_mode));
	return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

static void write_marker(int child)
{
	char path[sizeof(place) + 16];

	snprintf(path, sizeof(path), "%s/%s%d", place.dir, place.prefix, (int)children[child]);
	unit_write(path, "ready\n");
}

static void mark(int child)
{
	struct readyd_answer answer;

	write_marker(child);
	tracker_query(&tracker, user, children[child], 0, &answer);
	ck_assert_int_eq(answer.verdict, READYD_READY);
}

static void check_registry(size_t entries, size_t waits)
{
	struct registry_counts counts;

	registry_count(tracker.registry, &counts);
	ck_assert_uint_eq(counts.entries, entries);
	ck_assert_uint_eq(counts.waits, waits);
}

START_TEST(one_gate_for_all)
{
	int first = join(0), second = join(0), other = join(1);

	ck_assert(same_file(first, second));
	ck_assert(!same_file(first, other));
	ck_assert_uint_eq(gates.count, 2);
	ck_assert_uint_eq(gates.handed_out, 3);
	check_registry(2, 2);
	turn();
	ck_assert(is_open(first) && is_open(second) && is_open(other));
	close(first);
	close(second);
	close(other);
}
END_TEST

START_TEST(only_its_owner_may_open_it)
{
	int gate = join(0);
	struct stat st;

	ck_assert_int_eq(fstat(gate, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	ck_assert_uint_eq(st.st_uid, geteuid());
	close(gate);
}
END_TEST

START_TEST(marker_wakes_all)
{
	int waiting[20], other = join(1);

	for (size_t i = 0; i < UNIT_COUNT(waiting); i++)
		waiting[i] = join(0);
	mark(0);
	for (size_t i = 0; i < UNIT_COUNT(waiting); i++) {
		ck_assert(!is_open(waiting[i]));
		ck_assert_int_eq(left_in(waiting[i]), 1);
		close(waiting[i]);
	}
	ck_assert(is_open(other));
	ck_assert_int_eq(left_in(other), 0);
	close(other);
	ck_assert_uint_eq(gates.count, 1);
	/* The entry stays, latched. */
	ck_assert_ptr_nonnull(registry_find(tracker.registry, children[0]));
	ck_assert_ptr_null(registry_find(tracker.registry, children[0])->gate);
}
END_TEST

START_TEST(death_wakes_all)
{
	int first = join(0), second = join(0), other = join(1);
	pid_t child = children[0];

	ck_assert_int_eq(kill(child, SIGKILL), 0);
	while (gates.count == 2)
		loop_turn(loop, true);
	ck_assert(!is_open(first) && !is_open(second) && is_open(other));
	ck_assert_int_eq(left_in(first), 0);
	check_registry(1, 1);
	ck_assert_int_eq(registry_tombstone(tracker.registry, child)->answer.verdict, READYD_DIED);
	unit_reap(child);
	children[0] = 0;
	close(first);
	close(second);
	close(other);
}
END_TEST

/* The process became ready and exited before the marker was seen. */
START_TEST(exit_after_the_marker_leaves_a_byte)
{
	int gate = join(0);
	pid_t child = children[0];

	write_marker(0);
	unit_kill(child);
	children[0] = 0;
	while (gates.count == 1)
		loop_turn(loop, true);
	ck_assert(!is_open(gate));
	ck_assert_int_eq(left_in(gate), 1);
	ck_assert_int_eq(registry_tombstone(tracker.registry, child)->answer.verdict, READYD_EXITED);
	close(gate);
}
END_TEST

START_TEST(end_of_daemon_wakes_all)
{
	int first = join(0), second = join(1);

	gates_fini(&gates);
	gates_fini(&gates);
	ck_assert_uint_eq(gates.count, 0);
	check_registry(0, 0);
	ck_assert(!is_open(first) && !is_open(second));
	ck_assert_int_eq(left_in(first), 0);
	close(first);
	close(second);
}
END_TEST

START_TEST(gate_opens_again)
{
	int first = join(0), second;

	gates_fini(&gates);
	gates_fini(&gates);
	second = join(0);
	ck_assert_uint_eq(gates.count, 1);
	ck_assert(!is_open(first) && is_open(second));
	ck_assert(!same_file(first, second));
	close(first);
	close(second);
}
END_TEST

/* The number of waiters that share a pipe, and the most pipes of a gate. */
#define SHARE 64
#define PIPES 16

static void close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
}

/* Joins, and checks that the new waiter shares this pipe. */
static void join_held(int held)
{
	int fd = join(0);

	ck_assert(same_file(fd, held));
	close(fd);
}

START_TEST(crowd_gets_more_pipes)
{
	int held[PIPES + 1];

	limit_pipes((size_t)2 * PIPES);
	for (size_t i = 0; i <= PIPES; i++) {
		held[i] = join(0);
		ck_assert_uint_eq(pipes(), i < PIPES ? i + 1 : PIPES);
		ck_assert(i == 0 || !same_file(held[i], held[i - 1]));
		for (int more = 1; more < SHARE; more++)
			join_held(held[i]);
	}
	ck_assert_uint_eq(gates.count, 1);
	check_registry(1, 1);
	/* When all pipes are equally full, an existing one takes further waiters. */
	ck_assert(same_file(held[PIPES], held[PIPES - 2]));
	mark(0);
	for (size_t i = 0; i < UNIT_COUNT(held); i++) {
		ck_assert(!is_open(held[i]));
		ck_assert_int_eq(left_in(held[i]), 1);
	}
	ck_assert_uint_eq(pipes(), 0);
	close_all(held, UNIT_COUNT(held));
}
END_TEST

/* At the limit of pipes, the existing one takes all waiters. */
START_TEST(crowd_at_the_limit)
{
	int waiting[2 * SHARE + 1], other = join(1);

	for (size_t i = 0; i < UNIT_COUNT(waiting); i++)
		waiting[i] = join(0);
	ck_assert_uint_eq(pipes(), LIMIT);
	ck_assert(same_file(waiting[0], waiting[2 * SHARE]));
	mark(0);
	ck_assert(!is_open(waiting[0]) && !is_open(waiting[2 * SHARE]));
	ck_assert(is_open(other));
	close_all(waiting, UNIT_COUNT(waiting));
	close(other);
}
END_TEST

/* Waits until the gate's time for sharing has passed or, if no waiter is left, until the gate is gone. */
static void await_gate(void)
{
	loop_turn(loop, true);
}

START_TEST(abandoned_gate_frees_itself)
{
	close(join(0));
	close(join(0));
	ck_assert_uint_eq(gates.count, 1);
	while (gates.count > 0)
		await_gate();
	check_registry(0, 0);
}
END_TEST

/* Each pipe is freed when its own waiters have gone; the gate stays for the others. */
START_TEST(abandoned_pipe_of_a_crowd)
{
	int waiting[2 * SHARE];

	limit_pipes((size_t)2 * PIPES);
	for (size_t i = 0; i < UNIT_COUNT(waiting); i++)
		waiting[i] = join(0);
	close_all(waiting, SHARE);
	while (pipes() == 2)
		await_gate();
	ck_assert_uint_eq(gates.count, 1);
	ck_assert(is_open(waiting[SHARE]));
	mark(0);
	ck_assert(!is_open(waiting[SHARE]));
	close_all(waiting + SHARE, SHARE);
}
END_TEST

START_TEST(held_gate_stays)
{
	int first = join(0), second;

	await_gate();
	turn();
	ck_assert(!unit_loop_is_busy());
	ck_assert_uint_eq(gates.count, 1);
	ck_assert(is_open(first));
	/* A new waiter joins it as it would join a new gate. */
	second = join(0);
	ck_assert(same_file(first, second));
	mark(0);
	ck_assert(!is_open(first) && !is_open(second));
	close(first);
	close(second);
}
END_TEST

/* A waiter joins after the last one has left and before that is noticed. */
START_TEST(joined_while_abandoned)
{
	int first = join(0);

	await_gate();
	close(first);
	ck_assert(unit_loop_is_busy());
	first = join(0);
	turn();
	ck_assert_uint_eq(gates.count, 1);
	ck_assert(is_open(first));
	mark(0);
	ck_assert(!is_open(first));
	close(first);
}
END_TEST

static bool told;

static void on_settled(
    struct registry_wait *wait, const struct registry_entry *entry, const struct readyd_answer *answer)
{
	(void)wait;
	(void)entry;
	told = answer->verdict == READYD_READY;
}

static void join_wait(struct registry_entry *entry, void *context)
{
	registry_attach(tracker.registry, entry, context);
}

START_TEST(others_wait_without_the_gate)
{
	static const struct registry_wait_kind kind = {.settled = on_settled};
	struct registry_wait wait = {.kind = &kind};

	enroll(0, join_wait, &wait);
	close(join(0));
	while (gates.count > 0)
		await_gate();
	check_registry(1, 1);
	mark(0);
	ck_assert(told);
}
END_TEST

/* Stores why there is no gate. */
static void refuse_gate(struct registry_entry *entry, void *context)
{
	int *error = context;

	errno = 0;
	ck_assert_int_eq(gate_join(&gates, entry, user), -1);
	*error = errno;
}

static void refuse_descriptors(struct registry_entry *entry, void *context)
{
	struct rlimit limit = unit_forbid_new_fds();

	refuse_gate(entry, context);
	unit_restore_fd_limit(&limit);
}

START_TEST(gates_have_a_limit)
{
	int held[LIMIT], error;

	for (int i = 0; i < LIMIT; i++)
		held[i] = join(i);
	enroll(LIMIT, refuse_gate, &error);
	ck_assert_int_eq(error, ENOSPC);
	ck_assert_uint_eq(gates.count, LIMIT);
	check_registry(LIMIT, LIMIT);
	/* Existing gates can still be joined, and a gate that closes makes room. */
	close(join(0));
	mark(0);
	close(join(LIMIT));
	for (int i = 0; i < LIMIT; i++)
		close(held[i]);
}
END_TEST

struct gate_asker {
	struct quota_user *user;
	int fd;
};

static void join_for(struct registry_entry *entry, void *context)
{
	struct gate_asker *asker = context;

	asker->fd = gate_join(&gates, entry, asker->user);
	asker->fd = asker->fd < 0 ? -1 : fcntl(asker->fd, F_DUPFD_CLOEXEC, 0);
}

/* Joins as a waiter of that user; -1: it gets none. */
static int join_as(struct quota_user *account, int child)
{
	struct gate_asker asker = {.user = account};

	enroll(child, join_for, &asker);
	return asker.fd;
}

/* A waiter can read the byte in its pipe, and so take it from all that share the pipe. */
START_TEST(users_share_no_pipe)
{
	struct quota_user *other = quota_enter(&quota, geteuid() + 1);
	int mine[2], its;
	char byte;

	limit_pipes(100);
	mine[0] = join(0);
	its = join_as(other, 0);
	mine[1] = join(0);
	ck_assert(same_file(mine[0], mine[1]));
	ck_assert(!same_file(mine[0], its));
	ck_assert_uint_eq(gates.count, 1);
	check_registry(1, 1);
	mark(0);
	ck_assert(!is_open(its));
	ck_assert_int_eq(read(its, &byte, 1), 1);
	ck_assert_int_eq(left_in(mine[0]), 1);
	close_all(mine, 2);
	close(its);
	ck_assert_uint_eq(pipes(), 0);
	quota_leave(&quota, other);
}
END_TEST

START_TEST(a_user_at_its_limit_leaves_gates_to_others)
{
	struct quota_user *other = quota_enter(&quota, geteuid() + 1);
	struct quota_user *victim = quota_enter(&quota, geteuid() + 2);
	int held[LIMIT + 2];

	/* Its share is one. */
	limit_pipes(2);
	held[0] = join_as(other, 0);
	ck_assert_int_ge(held[0], 0);
	ck_assert_int_eq(join_as(other, 1), -1);
	held[1] = join_as(other, 0);
	ck_assert(same_file(held[0], held[1]));
	limit_pipes(8);
	held[2] = join_as(victim, 0);
	held[3] = join(1);
	ck_assert(held[2] >= 0 && held[3] >= 0);
	/* What one user leaves does not close the others' gates. */
	close(held[0]);
	close(held[1]);
	while (other->used[QUOTA_GATES] > 0)
		loop_turn(loop, true);
	ck_assert(is_open(held[2]) && is_open(held[3]));
	close(held[2]);
	close(held[3]);
	while (gates.count > 0)
		loop_turn(loop, true);
	quota_leave(&quota, other);
	quota_leave(&quota, victim);
}
END_TEST

START_TEST(no_descriptor_for_a_gate)
{
	int error;

	enroll(0, refuse_descriptors, &error);
	ck_assert_int_eq(error, EMFILE);
	ck_assert_uint_eq(gates.count, 0);
	check_registry(0, 0);
}
END_TEST

START_TEST(no_descriptor_to_join)
{
	struct rlimit limit;
	int first = join(0), second;

	await_gate();
	limit = unit_forbid_new_fds();
	second = gate_join(&gates, registry_find(tracker.registry, children[0]), user);
	unit_restore_fd_limit(&limit);
	ck_assert_int_eq(second, -1);
	ck_assert_uint_eq(gates.count, 1);
	ck_assert(is_open(first));
	close(first);
	turn();
	ck_assert_uint_eq(gates.count, 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("gate");
	TCase *tcase = unit_case(s, "gate");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, one_gate_for_all);
	tcase_add_test(tcase, only_its_owner_may_open_it);
	tcase_add_test(tcase, marker_wakes_all);
	tcase_add_test(tcase, death_wakes_all);
	tcase_add_test(tcase, exit_after_the_marker_leaves_a_byte);
	tcase_add_test(tcase, end_of_daemon_wakes_all);
	tcase_add_test(tcase, gate_opens_again);
	tcase_add_test(tcase, crowd_gets_more_pipes);
	tcase_add_test(tcase, crowd_at_the_limit);
	tcase_add_test(tcase, abandoned_pipe_of_a_crowd);
	tcase_add_test(tcase, abandoned_gate_frees_itself);
	tcase_add_test(tcase, held_gate_stays);
	tcase_add_test(tcase, joined_while_abandoned);
	tcase_add_test(tcase, others_wait_without_the_gate);
	tcase_add_test(tcase, gates_have_a_limit);
	tcase_add_test(tcase, users_share_no_pipe);
	tcase_add_test(tcase, a_user_at_its_limit_leaves_gates_to_others);
	tcase_add_test(tcase, no_descriptor_for_a_gate);
	tcase_add_test(tcase, no_descriptor_to_join);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
