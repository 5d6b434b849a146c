/* test_vectors QUESTION PID[:START]: asks libreadyd, as tests/test_vectors.sh says. */
#include "config.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

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

/* readyd_wait() for a process that is named with its start. */
static int wait_exact(const struct readyd_options *options, pid_t pid, uint64_t start,
    const struct timespec *deadline, struct readyd_answer *answer)
{
	struct readyd_waiter *waiter = readyd_waiter_new(options);
	int result;

	if (waiter == NULL || readyd_waiter_add_exact(waiter, pid, start) != 0)
		return -1;
	while ((result = readyd_waiter_next(waiter, answer)) == 0 && left_until(deadline) > 0)
		if (readyd_waiter_sleep(waiter, left_until(deadline)) != 0)
			return -1;
	readyd_waiter_free(waiter);
	return result == 1 ? 0 : -1;
}

static int ask(const char *question, pid_t pid, uint64_t start, struct readyd_answer *answer)
{
	const struct readyd_options options = {.size = sizeof(options), .flags = flags_of(question)};
	struct timespec deadline = deadline_after(is_long(question) ? 600000 : 300);

	if (strcmp(question, "status") == 0)
		return readyd_query_exact(&options, pid, start, answer);
	return start == 0 ? readyd_wait(&options, pid, &deadline, answer)
			  : wait_exact(&options, pid, start, &deadline, answer);
}

static int exit_code(const struct readyd_answer *answer)
{
	static const int codes[] = {0, 1, 3, 4, 5, 6};

	return answer->reason == READYD_REASON_DEADLINE ? 124 : codes[answer->verdict];
}

int main(int argc, char **argv)
{
	struct readyd_answer answer = READYD_ANSWER_INIT;
	char *colon;

	if (argc != 3)
		return 2;
	colon = strchr(argv[2], ':');
	if (ask(argv[1], atoi(argv[2]), colon != NULL ? strtoull(colon + 1, NULL, 10) : 0, &answer) != 0) {
		perror(argv[1]);
		return 125;
	}
	printf("%s", readyd_verdict_name(answer.verdict));
	if (answer.reason != READYD_REASON_NONE)
		printf(" %s", readyd_reason_name(answer.reason));
	if (answer.wait_status >= 0 && WIFSIGNALED(answer.wait_status))
		printf(" signal=%d", WTERMSIG(answer.wait_status));
	else if (answer.wait_status >= 0)
		printf(" status=%d", WEXITSTATUS(answer.wait_status));
	printf(" %s %d\n", answer.backend == READYD_BACKEND_DAEMON ? "daemon" : "file", exit_code(&answer));
	return 0;
}
