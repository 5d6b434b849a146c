#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/hanging_mounts.h"

/* An overlay counts only by its layers, which are among the mounts or out of reach; most containers have one
 * as their root. */
static const char *const types[] = {
    "9p", "afs", "autofs", "ceph", "cifs", "fuse", "fuseblk", "nfs", "nfs4", "smb3", "virtiofs"};

static bool can_hang(const char *type)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(type, types[i]) == 0)
			return true;
	return strncmp(type, "fuse.", strlen("fuse.")) == 0;
}

/* Space, tab, newline and backslash are written as \040 and the like. */
static void unescape(char *text)
{
	char *to = text;

	while (*text != '\0') {
		if (text[0] == '\\' && strspn(text + 1, "01234567") >= 3) {
			*to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
}

/* Cuts out the fields of a line: where it is mounted, and the type. */
static bool parse(char *line, char **point, char **type)
{
	char *rest, *field = strtok_r(line, " ", &rest);

	for (int number = 1; field != NULL && number < 5; number++)
		field = strtok_r(NULL, " ", &rest);
	*point = field;
	while (field != NULL && strcmp(field, "-") != 0)
		field = strtok_r(NULL, " ", &rest);
	*type = field == NULL ? NULL : strtok_r(NULL, " \n", &rest);
	if (*type == NULL)
		return false;
	unescape(*point);
	return true;
}

static bool is_below(const char *dir, const char *point)
{
	size_t len = strlen(point);

	if (len == 1)
		return true;
	return strncmp(dir, point, len) == 0 && (dir[len] == '/' || dir[len] == '\0');
}

/* A symbolic link may lead to any mount. All mounts on the path itself answer. */
static bool has_links(const char *dir)
{
	char path[4096];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/", dir) >= (int)sizeof(path))
		return true;
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (strcmp(strrchr(path, '/'), "/..") == 0 || (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)))
			return true;
		*slash = '/';
	}
	return false;
}

bool hanging_mounts_cross(const char *mountinfo, const char *dir)
{
	FILE *file = fopen(mountinfo, "re");
	char *line = NULL, *point, *type;
	bool any = false, on_path = false;
	size_t size = 0;

	if (file == NULL)
		return false;
	while (!on_path && getline(&line, &size, file) > 0) {
		if (!parse(line, &point, &type) || !can_hang(type))
			continue;
		any = true;
		on_path = dir == NULL || is_below(dir, point);
	}
	free(line);
	fclose(file);
	return on_path || (any && has_links(dir));
}
