#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/hanging_mounts.h"

/* An overlay counts only by its layers, as far as these are among the mounts; most containers have one as
 * their root. */
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

/* What most tables fit in. */
#define TABLE_SIZE 4096

struct mount {
	char *point, *type, *options; /* where, what, and the options of the file system or NULL */
};

/* What follows the next blank; NULL: nothing. */
static char *next_field(char *text)
{
	char *blank = text == NULL ? NULL : strchr(text, ' ');

	return blank == NULL ? NULL : blank + 1;
}

/* The same, and ends the field before it. */
static char *cut_field(char *text)
{
	char *next = next_field(text);

	if (next != NULL)
		next[-1] = '\0';
	return next;
}

/* Cuts out the fields of a line. */
static bool parse(char *line, struct mount *mount)
{
	char *source;

	mount->point = next_field(next_field(next_field(next_field(line))));
	mount->type = mount->point == NULL ? NULL : strstr(mount->point, " - ");
	if (mount->type == NULL)
		return false;
	mount->type += strlen(" - ");
	(void)cut_field(mount->point);
	source = cut_field(mount->type);
	mount->options = cut_field(source);
	if (strchr(mount->point, '\\') != NULL)
		unescape(mount->point);
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

/* An overlay over overlays: those that are examined, so that none is again. */
struct overlays {
	const char *point;
	const struct overlays *above;
};

static bool cross(const char *mountinfo, const char *dir, const struct overlays *above);

static bool is_layer_option(const char *option)
{
	static const char *const names[] = {"lowerdir=", "lowerdir+=", "datadir+=", "upperdir="};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(option, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* Whether a layer lies on such a mount; one with a relative path may lie anywhere. */
static bool layers_cross(const char *mountinfo, char *options, const struct overlays *above)
{
	char *rest, *paths, *option = strtok_r(options, ",", &rest);

	for (; option != NULL; option = strtok_r(NULL, ",", &rest)) {
		if (!is_layer_option(option))
			continue;
		option = strtok_r(strchr(option, '=') + 1, ":", &paths);
		for (; option != NULL; option = strtok_r(NULL, ":", &paths)) {
			unescape(option);
			if (cross(mountinfo, option[0] == '/' ? option : NULL, above))
				return true;
		}
	}
	return false;
}

static bool is_overlay_of(const struct mount *mount, const char *dir, const struct overlays *above)
{
	for (; above != NULL; above = above->above)
		if (strcmp(above->point, mount->point) == 0)
			return false;
	return dir != NULL && mount->options != NULL && strcmp(mount->type, "overlay") == 0 &&
	       is_below(dir, mount->point);
}

/* Lines have any length. Not read by stdio: in a program as short as readyctl(1), its first use costs more
 * than the kernel takes to write the table. NULL: it cannot be read. */
static char *read_table(const char *mountinfo)
{
	int fd = open(mountinfo, O_RDONLY | O_CLOEXEC);
	size_t size = TABLE_SIZE, len = 0;
	char *table = fd < 0 ? NULL : malloc(size), *larger;
	ssize_t n;

	while (table != NULL && (n = read(fd, table + len, size - len - 1)) > 0) {
		len += (size_t)n;
		if (size - len >= TABLE_SIZE / 2)
			continue;
		larger = realloc(table, size *= 2);
		if (larger == NULL)
			free(table);
		table = larger;
	}
	if (table != NULL)
		table[len] = '\0';
	if (fd >= 0)
		close(fd);
	return table;
}

/* dir NULL: whether there is such a mount at all. */
static bool cross(const char *mountinfo, const char *dir, const struct overlays *above)
{
	struct overlays own = {.above = above};
	char *table = read_table(mountinfo), *line, *next = table;
	bool any = false, on_path = false, hangs;
	struct mount mount;

	while (!on_path && (line = next) != NULL) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		if (!parse(line, &mount))
			continue;
		hangs = can_hang(mount.type);
		any |= hangs;
		on_path = hangs && (dir == NULL || is_below(dir, mount.point));
		own.point = mount.point;
		if (!on_path && is_overlay_of(&mount, dir, above))
			on_path = layers_cross(mountinfo, mount.options, &own);
	}
	free(table);
	return on_path || (any && has_links(dir));
}

bool hanging_mounts_cross(const char *mountinfo, const char *dir)
{
	return cross(mountinfo, NULL, NULL) && (dir == NULL || cross(mountinfo, dir, NULL));
}
