#include "config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fleet/node_name.h"

#define MACHINE_ID_LENGTH 32

/* Before the first boot is complete, the file is empty or says "uninitialized". */
static int read_machine_id(char node[TOPIC_NODE_SIZE], const char *path)
{
	FILE *file = fopen(path, "re");
	const char *got;

	if (file == NULL)
		return -1;
	got = fgets(node, TOPIC_NODE_SIZE, file);
	fclose(file);
	if (got == NULL)
		return -1;
	node[strcspn(node, "\n")] = '\0';
	return strlen(node) == MACHINE_ID_LENGTH && strspn(node, "0123456789abcdef") == MACHINE_ID_LENGTH
		   ? 0
		   : -1;
}

int node_name_find(char node[TOPIC_NODE_SIZE], const char *machine_id_file)
{
	if (read_machine_id(node, machine_id_file) == 0)
		return 0;
	if (gethostname(node, TOPIC_NODE_SIZE) != 0)
		return -1;
	node[TOPIC_NODE_SIZE - 1] = '\0';
	for (char *c = node; *c != '\0'; c++)
		if (!topic_is_node(c, 1))
			*c = '-';
	return node[0] != '\0' ? 0 : -1;
}
