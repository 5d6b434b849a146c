#include "config.h"

#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
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

static int find_in_file(const char *name, struct account *account)
{
	FILE *file = fopen(PASSWD, "re");
	const struct passwd *entry;

	if (file == NULL)
		return -1;
	do
		entry = fgetpwent(file);
	while (entry != NULL && strcmp(entry->pw_name, name) != 0);
	if (entry != NULL) {
		account->uid = entry->pw_uid;
		account->gid = entry->pw_gid;
	}
	(void)fclose(file);
	errno = EINVAL;
	return entry != NULL ? 0 : -1;
}

int account_find(const char *name, struct account *account)
{
	account->name = name;
	return parse_ids(name, account) ? 0 : find_in_file(name, account);
}
