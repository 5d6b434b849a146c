#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/account.h"
#include "src/number.h"
#include "src/uidmap.h"

#define PASSWD "/etc/passwd"
#define GROUP  "/etc/group"
/* (uid_t)-1 means "unchanged" in setresuid(2). */
#define ID_MOST ((uint64_t)UINT32_MAX - 1)

static bool parse_ids(const char *text, struct account *account)
{
	const size_t len = strcspn(text, ":");
	const char *group = text[len] == ':' ? text + len + 1 : NULL;
	uint64_t uid, gid;

	if (number_parse(text, len, ID_MOST, &uid) != 0)
		return false;
	gid = uid;
	if (group != NULL && number_parse(group, strlen(group), ID_MOST, &gid) != 0)
		return false;
	account->uid = (uid_t)uid;
	account->gid = (gid_t)gid;
	return true;
}

/* name:password:uid:gid:... (passwd(5)) */
static bool parse_line(char *line, const char *name, void *account)
{
	char *its_name = strsep(&line, ":"), *ids;

	if (strcmp(its_name, name) != 0 || strsep(&line, ":") == NULL || line == NULL)
		return false;
	ids = line;
	line += strcspn(line, ":");
	line += *line == ':';
	line[strcspn(line, ":")] = '\0';
	return parse_ids(ids, account);
}

/* parse() says whether a line is that of the name, and then fills in *found. */
static int find_in_file(
    const char *path, bool (*parse)(char *line, const char *name, void *found), const char *name, void *found)
{
	FILE *file = fopen(path, "re");
	bool is_there = false;
	char *line = NULL;
	size_t size = 0;

	if (file == NULL)
		return -1;
	while (!is_there && getline(&line, &size, file) > 0)
		is_there = parse(line, name, found);
	free(line);
	(void)fclose(file);
	errno = EINVAL;
	return is_there ? 0 : -1;
}

int account_find(const char *name, struct account *account)
{
	account->name = name;
	return parse_ids(name, account) ? 0 : find_in_file(PASSWD, parse_line, name, account);
}

static bool parse_group(const char *text, gid_t *gid)
{
	uint64_t number;

	if (number_parse(text, strlen(text), ID_MOST, &number) != 0 || number == UIDMAP_OVERFLOW)
		return false;
	*gid = (gid_t)number;
	return true;
}

/* name:password:gid:... (group(5)) */
static bool parse_group_line(char *line, const char *name, void *gid)
{
	char *its_name = strsep(&line, ":"), *number;

	if (strcmp(its_name, name) != 0 || strsep(&line, ":") == NULL)
		return false;
	number = strsep(&line, ":\n");
	return number != NULL && parse_group(number, gid);
}

int account_find_group(const char *name, gid_t *gid)
{
	return parse_group(name, gid) ? 0 : find_in_file(GROUP, parse_group_line, name, gid);
}

static bool is_among_groups(int sock, gid_t gid)
{
	gid_t *groups = NULL;
	socklen_t len = 0;
	bool found = false;

	/* The first call only says how many there are. */
	(void)getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, NULL, &len);
	if (len > 0)
		groups = malloc(len);
	if (groups != NULL && getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == 0)
		for (size_t i = 0; i < len / sizeof(*groups); i++)
			found |= groups[i] == gid;
	free(groups);
	return found;
}

bool account_peer_has_group(int sock, gid_t gid)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.gid == gid)
		return true;
	return is_among_groups(sock, gid);
}
