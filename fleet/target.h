/* What `readyctl fleet wait` waits for. Pure but for its messages. */
#ifndef FLEET_TARGET_H
#define FLEET_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "fleet/topic.h"

struct target {
	char node[TOPIC_NODE_SIZE];
	pid_t pid;
	uint64_t start; /* 0: the newest process with the pid */
	bool is_done;	/* its answer is told */
};

/* NODE/PID[:START]. 0, or -1 after reporting what is wrong. */
int target_parse(const char *text, struct target *target);
bool target_is_same(const struct target *a, const struct target *b);
/* As it is printed: NODE/PID. */
#define TARGET_NAME_SIZE (TOPIC_NODE_SIZE + 16)
const char *target_name(char buf[TARGET_NAME_SIZE], const char *node, pid_t pid);

#endif
