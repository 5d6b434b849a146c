/* The topics of a node and of its processes; see readyd-fleet(7). Pure. */
#ifndef FLEET_TOPIC_H
#define FLEET_TOPIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TOPIC_NODE_SIZE 65 /* with the NUL */
#define TOPIC_SIZE	160

enum topic_kind { TOPIC_STATUS, TOPIC_PROCESS };

struct topic {
	enum topic_kind kind;
	char node[TOPIC_NODE_SIZE];
	pid_t pid; /* of TOPIC_PROCESS, as start */
	uint64_t start;
};

/* Whether the bytes can name a node: 1 to 64 of A-Z a-z 0-9 . _ - */
bool topic_is_node(const char *text, size_t length);

/* Node "+" stands for every node. */
void topic_of_status(char topic[TOPIC_SIZE], const char *node);
void topic_of_process(char topic[TOPIC_SIZE], const char *node, pid_t pid, uint64_t start);
/* What to subscribe to for all processes of the node. */
void topic_of_processes(char topic[TOPIC_SIZE], const char *node);

/* 0, or -1: it is not exactly what the functions above write for one node. */
int topic_parse(const char *text, struct topic *topic);

/* "PID:START", or "PID" with start 0. 0, or -1. */
int topic_parse_process(const char *text, pid_t *pid, uint64_t *start);

#endif
