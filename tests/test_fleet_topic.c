#include "fleet/node_name.h"
#include "fleet/target.h"
#include "fleet/topic.h"
#include "tests/unit.h"

#define LONGEST "0123456789012345678901234567890123456789012345678901234567890123"

static const struct {
	const char *text;
	bool is_node;
} nodes[] = {
    {"a", true},
    {"web-1.example_org", true},
    {"A-Z", true},
    {LONGEST, true},
    {LONGEST "4", false},
    {"", false},
    {"+", false},
    {"#", false},
    {"a/b", false},
    {"a b", false},
    {"a\n", false},
    {"\xc3\xa4", false},
};

START_TEST(names_nodes)
{
	ck_assert_int_eq(topic_is_node(nodes[_i].text, strlen(nodes[_i].text)), nodes[_i].is_node);
}
END_TEST

START_TEST(reads_what_it_writes)
{
	char text[TOPIC_SIZE];
	struct topic topic;

	topic_of_process(text, LONGEST, 2147483647, UINT64_MAX);
	ck_assert_str_eq(text, "readyd/1/" LONGEST "/process/2147483647:18446744073709551615");
	ck_assert_int_eq(topic_parse(text, &topic), 0);
	ck_assert_int_eq(topic.kind, TOPIC_PROCESS);
	ck_assert_str_eq(topic.node, LONGEST);
	ck_assert_int_eq(topic.pid, 2147483647);
	ck_assert(topic.start == UINT64_MAX);
	topic_of_status(text, "n");
	ck_assert_str_eq(text, "readyd/1/n/status");
	ck_assert_int_eq(topic_parse(text, &topic), 0);
	ck_assert_int_eq(topic.kind, TOPIC_STATUS);
	topic_of_processes(text, "n");
	ck_assert_str_eq(text, "readyd/1/n/process/+");
}
END_TEST

/* One process has one topic: what could be written in another way is another's. */
static const char *const strange[] = {
    "",
    "readyd/1/",
    "readyd/1/n",
    "readyd/1/n/",
    "readyd/1/n/status/",
    "readyd/2/n/status",
    "readyd/1//status",
    "readyd/1/+/status",
    "readyd/1/n/process",
    "readyd/1/n/process/",
    "readyd/1/n/process/1",
    "readyd/1/n/process/01:2",
    "readyd/1/n/process/1:02",
    "readyd/1/n/process/0:2",
    "readyd/1/n/process/-1:2",
    "readyd/1/n/process/1:-2",
    "readyd/1/n/process/1:2:3",
    "readyd/1/n/process/1:2/3",
    "readyd/1/n/process/2147483648:1",
    "readyd/1/n/process/1:18446744073709551616",
    "/readyd/1/n/status",
    "Readyd/1/n/status",
};

START_TEST(refuses_other_topics)
{
	struct topic topic;

	ck_assert_msg(topic_parse(strange[_i], &topic) == -1, "%s", strange[_i]);
}
END_TEST

static const struct {
	const char *text;
	pid_t pid; /* 0: refused */
	uint64_t start;
} targets[] = {
    {"n/1", 1, 0},
    {"n/1:5", 1, 5},
    {"n.x-y_z/4194304:18446744073709551615", 4194304, UINT64_MAX},
    {"1", 0, 0},
    {"n", 0, 0},
    {"n/", 0, 0},
    {"/1", 0, 0},
    {"n/0", 0, 0},
    {"n/x", 0, 0},
    {"n/1:", 0, 0},
    {"n/1:x", 0, 0},
    {"n/1/2", 0, 0},
    {"+/1", 0, 0},
};

START_TEST(parses_targets)
{
	struct target target;

	ck_assert_int_eq(target_parse(targets[_i].text, &target), targets[_i].pid > 0 ? 0 : -1);
	if (targets[_i].pid == 0)
		return;
	ck_assert_int_eq(target.pid, targets[_i].pid);
	ck_assert(target.start == targets[_i].start);
	ck_assert_int_eq(strncmp(target.node, targets[_i].text, strlen(target.node)), 0);
}
END_TEST

START_TEST(prefers_the_machine_id)
{
	char dir[UNIT_PATH_SIZE], path[UNIT_PATH_SIZE + 8], node[TOPIC_NODE_SIZE], host[TOPIC_NODE_SIZE];

	unit_dir(dir);
	snprintf(path, sizeof(path), "%s/id", dir);
	ck_assert_int_eq(node_name_find(host, path), 0);
	ck_assert(topic_is_node(host, strlen(host)));
	unit_write(path, "0123456789abcdef0123456789abcdef\n");
	ck_assert_int_eq(node_name_find(node, path), 0);
	ck_assert_str_eq(node, "0123456789abcdef0123456789abcdef");
	unit_write(path, "uninitialized\n");
	ck_assert_int_eq(node_name_find(node, path), 0);
	ck_assert_str_eq(node, host);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("fleet_topic");
	TCase *tcase = unit_case(s, "fleet_topic");

	tcase_add_loop_test(tcase, names_nodes, 0, UNIT_COUNT(nodes));
	tcase_add_test(tcase, reads_what_it_writes);
	tcase_add_loop_test(tcase, refuses_other_topics, 0, UNIT_COUNT(strange));
	tcase_add_loop_test(tcase, parses_targets, 0, UNIT_COUNT(targets));
	tcase_add_test(tcase, prefers_the_machine_id);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
