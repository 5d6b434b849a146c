#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/log.h"
#include "src/escape.h"

static const char *const names[] = {[LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARNING] = "warning",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug"};

/* syslog(3) */
static const int priorities[] = {
    [LOG_LEVEL_ERROR] = 3, [LOG_LEVEL_WARNING] = 4, [LOG_LEVEL_INFO] = 6, [LOG_LEVEL_DEBUG] = 7};

static enum log_level limit = LOG_LEVEL_INFO;
static bool to_journal;

void log_set_level(enum log_level level)
{
	limit = level;
}

/* systemd.exec(5): the variable stays set where stderr has been redirected since. */
void log_find_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char ours[64];
	struct stat st;

	if (stream == NULL || fstat(2, &st) != 0)
		return;
	snprintf(ours, sizeof(ours), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	to_journal = strcmp(stream, ours) == 0;
}

int log_parse_level(const char *word, enum log_level *level)
{
	for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
		if (strcmp(word, names[i]) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return -1;
}

/* The line is formatted first: dprintf(3) then writes it in one call, so lines do not mix. */
void log_line(enum log_level level, const char *format, ...)
{
	char text[1024], line[1024];
	va_list ap;

	if (level > limit)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	escape_text(line, sizeof(line), text);
	if (to_journal)
		dprintf(2, "<%d>%s\n", priorities[level], line);
	else
		dprintf(2, "readyd: %s: %s\n", names[level], line);
}
