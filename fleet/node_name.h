/* How a machine names itself. */
#ifndef FLEET_NODE_NAME_H
#define FLEET_NODE_NAME_H

#include "fleet/topic.h"

/* The machine id of this file (machine-id(5)), else the host name with what is not allowed in a topic
 * replaced by
 * '-'. 0, or -1: there is neither. */
int node_name_find(char node[TOPIC_NODE_SIZE], const char *machine_id_file);

#endif
