#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/account.h"
#include "src/number.h"

#define PASSWD "/etc/passwd"
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
static bool parse_line(char *line, const char *name, struct account *account)
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

static int find_in_file(const char *name, struct account *account)
{
	FILE *file = fopen(PASSWD, "re");
	bool found = false;
	char *line = NULL;
	size_t size = 0;

	if (file == NULL)
		return -1;
	while (!found && getline(&line, &size, file) > 0)
		found = parse_line(line, name, account);
	free(line);
	(void)fclose(file);
	errno = EINVAL;
	return found ? 0 : -1;
}

int account_find(const char *name, struct account *account)
{
	account->name = name;
	return parse_ids(name, account) ? 0 : find_in_file(name, account);
}
