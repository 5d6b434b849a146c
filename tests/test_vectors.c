/* Asks libreadyd what each line of standard input says, QUESTION PID:START (0: any); see
 * tests/test_vectors.sh. */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "readyd/readyd.h"

static struct timespec deadline_after(int ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += ms / 1000;
	at.tv_nsec += ms % 1000 * 1000000L;
	if (at.tv_nsec >= 1000000000L) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000L;
	}
	return at;
}

static int left_until(const struct timespec *deadline)
{
	struct timespec now;
	long ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (deadline->tv_sec - now.tv_sec) * 1000 + (deadline->tv_nsec - now.tv_nsec) / 1000000;
	return ms < 0 ? 0 : (int)ms + 1;
}

static unsigned flags_of(const char *question)
{
	if (strcmp(question, "strict") == 0)
		return READYD_OPTION_STRICT_AGE;
	if (strcmp(question, "fail-stale") == 0)
		return READYD_OPTION_FAIL_STALE;
	return strcmp(question, "await-start") == 0 ? READYD_OPTION_AWAIT_START : 0;
}

static bool is_long(const char *question)
{
	return strcmp(question, "wait") == 0 || strcmp(question, "fail-stale") == 0;
}

/* As readyd_wait(), which takes no start; without an answer in time it fails. */
static int end_of_wait(
    struct readyd_waiter *waiter, const struct timespec *deadline, struct readyd_answer *answer)
{
	int result;

	while ((result = readyd_waiter_next(waiter, answer)) == 0 && left_until(deadline) > 0)
		if (readyd_waiter_sleep(waiter, left_until(deadline)) != 0)
			return -1;
	return result == 1 ? 0 : -1;
}

/* What is known in mid-wait, once the file exists that says so. */
static int peek(struct readyd_waiter *waiter, pid_t pid, uint64_t start, struct readyd_answer *answer)
{
	bool told = false;
	int result;

	while (!told) {
		told = access("now", F_OK) == 0;
		result = readyd_waiter_next(waiter, answer);
		if (result != 0)
			return result == 1 ? 0 : -1;
		if (!told && readyd_waiter_sleep(waiter, 20) != 0)
			return -1;
	}
	return readyd_waiter_peek_exact(waiter, pid, start, answer);
}

static int ask_waiter(const char *question, const struct readyd_options *options, pid_t pid, uint64_t start,
    const struct timespec *deadline, struct readyd_answer *answer)
{
	struct readyd_waiter *waiter = readyd_waiter_new(options);
	int result = -1;

	if (waiter == NULL)
		return -1;
	if (readyd_waiter_add_exact(waiter, pid, start) == 0)
		result = strcmp(question, "peek") == 0 ? peek(waiter, pid, start, answer)
						       : end_of_wait(waiter, deadline, answer);
	readyd_waiter_free(waiter);
	return result;
}

static int ask(const char *question, pid_t pid, uint64_t start, struct readyd_answer *answer)
{
	const struct readyd_options options = {.size = sizeof(options), .flags = flags_of(question)};
	struct timespec deadline = deadline_after(is_long(question) ? 600000 : 300);

	if (strcmp(question, "status") == 0)
		return readyd_query_exact(&options, pid, start, answer);
	return start == 0 && strcmp(question, "peek") != 0
		   ? readyd_wait(&options, pid, &deadline, answer)
		   : ask_waiter(question, &options, pid, start, &deadline, answer);
}

static int exit_code(const struct readyd_answer *answer)
{
	static const int codes[] = {0, 1, 3, 4, 5, 6};

	return answer->reason == READYD_REASON_DEADLINE ? 124 : codes[answer->verdict];
}

static void print_answer(const struct readyd_answer *answer)
{
	printf("%s", readyd_verdict_name(answer->verdict));
	if (answer->reason != READYD_REASON_NONE)
		printf(" %s", readyd_reason_name(answer->reason));
	if (answer->wait_status >= 0 && WIFSIGNALED(answer->wait_status))
		printf(" signal=%d", WTERMSIG(answer->wait_status));
	else if (answer->wait_status >= 0)
		printf(" status=%d", WEXITSTATUS(answer->wait_status));
	printf(" %s %d\n", answer->backend == READYD_BACKEND_DAEMON ? "daemon" : "file", exit_code(answer));
}

int main(void)
{
	char question[16];
	unsigned long long start;
	int pid;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (scanf("%15s %d:%llu", question, &pid, &start) == 3) {
		struct readyd_answer answer = READYD_ANSWER_INIT;

		if (ask(question, pid, start, &answer) == 0)
			print_answer(&answer);
		else
			printf("error %s\n", strerror(errno));
	}
	return 0;
}
