#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/hidepid.h"

enum found { NO_PROC, SHOWS, HIDES };

static bool is_hiding(const char *option)
{
	const char *value = strncmp(option, "hidepid=", 8) == 0 ? option + 8 : "off";

	return strcmp(value, "off") != 0 && strcmp(value, "0") != 0;
}

static enum found read_options(char *options)
{
	char *rest, *option = strtok_r(options, ",\n", &rest);

	for (; option != NULL; option = strtok_r(NULL, ",\n", &rest))
		if (is_hiding(option))
			return HIDES;
	return SHOWS;
}

/* The fifth field is the mount point; after " - " come type, source and options (proc_pid_mountinfo(5)). */
static enum found read_line(char *line)
{
	char *tail = strstr(line, " - proc "), point[8];

	if (tail == NULL || sscanf(line, "%*s %*s %*s %*s %7s", point) != 1 || strcmp(point, "/proc") != 0)
		return NO_PROC;
	tail = strchr(tail + strlen(" - proc "), ' ');
	return tail == NULL ? NO_PROC : read_options(tail + 1);
}

/* Which of several mounts is on top, the order of the lines does not say for sure: one that hides counts. */
bool hidepid_hides(const char *mountinfo)
{
	FILE *file = fopen(mountinfo, "re");
	enum found found = NO_PROC, next;
	char *line = NULL;
	size_t size = 0;

	if (file == NULL)
		return true;
	while (getline(&line, &size, file) > 0) {
		next = read_line(line);
		found = next > found ? next : found;
	}
	if (ferror(file))
		found = NO_PROC;
	free(line);
	(void)fclose(file);
	return found != SHOWS;
}
