/* One line on stderr for each thing an operator wants to know: "readyd: <level>: <text>", or to the journal
 * "<priority>text" (sd-daemon(3)), since it adds the name itself. */
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* The least important level that is still written; initially INFO. */
void log_set_level(enum log_level level);
/* Call it before the first line: whether stderr leads to the journal. */
void log_find_journal(void);
/* 0, or -1 if the word is not a level. */
int log_parse_level(const char *word, enum log_level *level);

/* What could control a terminal or begin another line is written as \xHH. */
__attribute__((format(printf, 2, 3))) void log_line(enum log_level level, const char *format, ...);

#define log_error(...)	 log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
