#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/ctl/listen_table.h"

/* TCP_LISTEN (include/net/tcp_states.h), and __SO_ACCEPTCON (include/uapi/linux/net.h) */
#define STATE_LISTEN   0x0A
#define FLAG_ACCEPTING 0x10000

enum listen_line listen_table_tcp(const char *line, unsigned port, uint64_t *inode)
{
	unsigned local, state;

	if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*u %*u %" SCNu64, &local,
		&state, inode) != 3)
		return LISTEN_LINE_OTHER;
	if (state != STATE_LISTEN)
		return LISTEN_LINE_LAST;
	return local == port ? LISTEN_LINE_MATCHES : LISTEN_LINE_OTHER;
}

bool listen_table_unix(const char *line, uint64_t *inode, const char **path)
{
	unsigned flags;
	int end = 0;

	if (sscanf(line, "%*s %*x %*x %x %*x %*x %" SCNu64 "%n", &flags, inode, &end) != 2 || end == 0)
		return false;
	if ((flags & FLAG_ACCEPTING) == 0 || line[end] != ' ')
		return false;
	*path = line + end + 1;
	return true;
}
