/* What readyctl run reads: lines that come in pieces, messages of sd_notify(3), and the tables of sockets. */
#include "client/ctl/lines.h"
#include "client/ctl/listen_table.h"
#include "client/ctl/notify_message.h"
#include "tests/unit.h"

static void feed(struct lines *l, const char *text)
{
	lines_feed(l, text, strlen(text));
}

static char seen[256];

static void on_line(const char *line, void *context)
{
	(void)context;
	strcat(seen, line);
	strcat(seen, "|");
}

START_TEST(lines_in_pieces)
{
	struct lines l = {.on_line = on_line};

	seen[0] = '\0';
	feed(&l, "on");
	feed(&l, "e\n\ntwo\nthr");
	ck_assert_str_eq(seen, "one||two|");
	feed(&l, "ee");
	lines_end(&l);
	lines_end(&l);
	ck_assert_str_eq(seen, "one||two|three|");
}
END_TEST

START_TEST(last_line)
{
	struct lines l = {.length = 0};

	ck_assert_str_eq(lines_last(&l), "");
	feed(&l, "one\ntwo\n\n\n");
	ck_assert_str_eq(lines_last(&l), "two");
	feed(&l, "unfinished");
	ck_assert_str_eq(lines_last(&l), "unfinished");
	feed(&l, "\n");
	ck_assert_str_eq(lines_last(&l), "unfinished");
}
END_TEST

START_TEST(long_lines_are_cut)
{
	static char text[3 * LINES_SIZE];
	struct lines l = {.length = 0};

	memset(text, 'x', sizeof(text));
	lines_feed(&l, text, sizeof(text));
	lines_feed(&l, text, sizeof(text));
	ck_assert_uint_eq(strlen(lines_last(&l)), LINES_SIZE - 1);
	feed(&l, "\nnext\n");
	ck_assert_str_eq(lines_last(&l), "next");
}
END_TEST

static const struct {
	const char *text;
	bool ready;
	const char *status; /* NULL: none */
} messages[] = {
    {"READY=1", true, NULL},
    {"READY=1\n", true, NULL},
    {"STATUS=a b\nREADY=1\nMAINPID=3", true, "a b"},
    {"STATUS=", false, ""},
    {"STATUS=x\nSTATUS=y\n", false, "y"},
    {"READY=0", false, NULL},
    {"READY=11", false, NULL},
    {"XREADY=1", false, NULL},
    {"READY=1 ", false, NULL},
    {"STATUS", false, NULL},
    {"STATUS=READY=1", false, "READY=1"},
    {"", false, NULL},
    {"\n\n", false, NULL},
};

START_TEST(notify_messages)
{
	const char *text = messages[_i].text;
	struct notify_message m;

	notify_message_parse(&m, text, strlen(text));
	ck_assert_int_eq(m.ready, messages[_i].ready);
	ck_assert_int_eq(m.has_status, messages[_i].status != NULL);
	if (messages[_i].status != NULL)
		ck_assert_str_eq(m.status, messages[_i].status);
}
END_TEST

START_TEST(a_long_status_is_cut)
{
	char text[2 * NOTIFY_STATUS_SIZE] = "STATUS=";
	struct notify_message m;

	memset(text + 7, 'x', sizeof(text) - 7);
	notify_message_parse(&m, text, sizeof(text));
	ck_assert_uint_eq(strlen(m.status), NOTIFY_STATUS_SIZE - 1);
}
END_TEST

#define TCP6_ZERO "00000000000000000000000000000000"
static const struct {
	const char *line;
	enum listen_line kind;
} tcp_lines[] = {
    {"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n",
	LISTEN_LINE_OTHER},
    {"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 00 "
     "100 "
     "0\n",
	LISTEN_LINE_MATCHES},
    {"  12: " TCP6_ZERO ":1F90 " TCP6_ZERO
     ":0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 00\n",
	LISTEN_LINE_MATCHES},
    {"   0: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n",
	LISTEN_LINE_OTHER},
    {"   1: 0100007F:1F90 0100007F:B1C2 01 00000000:00000000 00:00000000 00000000     0        0 4711 1\n",
	LISTEN_LINE_LAST},
    {"", LISTEN_LINE_OTHER},
};

START_TEST(tcp_tables)
{
	uint64_t inode = 0;

	ck_assert_int_eq(listen_table_tcp(tcp_lines[_i].line, 8080, &inode), tcp_lines[_i].kind);
	if (tcp_lines[_i].kind == LISTEN_LINE_MATCHES)
		ck_assert_uint_eq(inode, 4711);
}
END_TEST

static const struct {
	const char *line, *path; /* path NULL: it does not listen, or has no name */
} unix_lines[] = {
    {"Num       RefCount Protocol Flags    Type St Inode Path", NULL},
    {"0000000000000000: 00000002 00000000 00010000 0001 01 4711 /run/a b", "/run/a b"},
    {"0000000000000000: 00000002 00000000 00010000 0005 01  4711 @name", "@name"},
    {"0000000000000000: 00000003 00000000 00000000 0001 03 4711 /run/a", NULL},
    {"0000000000000000: 00000002 00000000 00000000 0002 01 4711 /run/datagrams", NULL},
    {"0000000000000000: 00000002 00000000 00010000 0001 01 4711", NULL},
    {"", NULL},
};

START_TEST(unix_tables)
{
	const char *path = NULL;
	uint64_t inode = 0;
	bool listens = listen_table_unix(unix_lines[_i].line, &inode, &path);

	ck_assert_int_eq(listens, unix_lines[_i].path != NULL);
	if (!listens)
		return;
	ck_assert_str_eq(path, unix_lines[_i].path);
	ck_assert_uint_eq(inode, 4711);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("run_texts");
	TCase *tcase = unit_case(s, "run_texts");

	tcase_add_test(tcase, lines_in_pieces);
	tcase_add_test(tcase, last_line);
	tcase_add_test(tcase, long_lines_are_cut);
	tcase_add_loop_test(tcase, notify_messages, 0, UNIT_COUNT(messages));
	tcase_add_test(tcase, a_long_status_is_cut);
	tcase_add_loop_test(tcase, tcp_tables, 0, UNIT_COUNT(tcp_lines));
	tcase_add_loop_test(tcase, unix_tables, 0, UNIT_COUNT(unix_lines));
	return s;
}

int main(void)
{
	return unit_main(suite);
}
