/* What the examples share: takes the answers that a waiter has. */
#ifndef EXAMPLES_TAKE_H
#define EXAMPLES_TAKE_H

#include <readyd/readyd.h>
#include <stdio.h>
#include <stdlib.h>

/* A waiter for the process that the first argument names. */
static inline struct readyd_waiter *new_waiter(int argc, char **argv)
{
	struct readyd_waiter *waiter = argc == 2 ? readyd_waiter_new(NULL) : NULL;

	if (waiter == NULL || readyd_waiter_add(waiter, atoi(argv[1])) != 0 || readyd_waiter_fd(waiter) < 0) {
		perror("waiter");
		exit(125);
	}
	return waiter;
}

/* Call it whenever the descriptor is readable. True: there is an answer, and *ready is whether it is that the
 * process is ready. */
static inline int take_answer(struct readyd_waiter *waiter, int *ready)
{
	struct readyd_answer answer = READYD_ANSWER_INIT;
	int result = readyd_waiter_next(waiter, &answer);

	if (result < 0) {
		perror("readyd_waiter_next");
		exit(125);
	}
	if (result == 0)
		return 0;
	printf("%s %ld\n", readyd_verdict_name(answer.verdict), (long)answer.pid);
	*ready = answer.verdict == READYD_READY;
	return 1;
}

#endif
