#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "client/ctl/listen_table.h"
#include "src/number.h"
#include "src/span.h"

/* TCP_LISTEN (include/net/tcp_states.h), and __SO_ACCEPTCON (include/uapi/linux/net.h) */
#define STATE_LISTEN   0x0A
#define FLAG_ACCEPTING 0x10000

/* The words that are read; the first has number 0. */
enum { TCP_LOCAL = 1, TCP_STATE = 3, TCP_INODE = 9, UNIX_FLAGS = 3, UNIX_INODE = 6, WORDS = 10 };

/* Splits the start of the line; missing words are empty. Returns the rest. */
static const char *split(const char *line, struct span *words, size_t count)
{
	struct span rest = span_trim(line, strlen(line));

	for (size_t i = 0; i < count; i++)
		words[i] = span_next_word(&rest);
	return rest.at;
}

/* False unless the whole word is one. */
static bool parse_hex(struct span word, unsigned long *value)
{
	if (word.len == 0 || strspn(word.at, "0123456789ABCDEFabcdef") < word.len)
		return false;
	*value = strtoul(word.at, NULL, 16);
	return true;
}

static bool parse_inode(struct span word, uint64_t *inode)
{
	return number_parse(word.at, word.len, UINT64_MAX, inode) == 0;
}

/* What stands behind the address. */
static struct span port_of(struct span local)
{
	const char *colon = local.len > 0 ? memchr(local.at, ':', local.len) : NULL;

	return colon == NULL ? (struct span){local.at, 0}
			     : (struct span){colon + 1, (size_t)(local.at + local.len - colon - 1)};
}

enum listen_line listen_table_tcp(const char *line, unsigned port, uint64_t *inode)
{
	struct span words[WORDS];
	unsigned long local, state;

	(void)split(line, words, WORDS);
	if (!parse_hex(port_of(words[TCP_LOCAL]), &local) || !parse_hex(words[TCP_STATE], &state) ||
	    !parse_inode(words[TCP_INODE], inode))
		return LISTEN_LINE_OTHER;
	if (state != STATE_LISTEN)
		return LISTEN_LINE_LAST;
	return local == port ? LISTEN_LINE_MATCHES : LISTEN_LINE_OTHER;
}

bool listen_table_unix(const char *line, uint64_t *inode, const char **path)
{
	struct span words[UNIX_INODE + 1];
	const char *rest = split(line, words, UNIX_INODE + 1);
	unsigned long flags;

	if (!parse_hex(words[UNIX_FLAGS], &flags) || !parse_inode(words[UNIX_INODE], inode))
		return false;
	if ((flags & FLAG_ACCEPTING) == 0 || rest[0] != ' ')
		return false;
	*path = rest + 1;
	return true;
}
