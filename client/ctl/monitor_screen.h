/* The terminal that readyctl monitor draws on: the alternate screen, keys without Enter, and everything as it
 * was before in the end, whatever ends it. */
#ifndef CLIENT_MONITOR_SCREEN_H
#define CLIENT_MONITOR_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether standard output is a terminal that understands escape sequences, as far as TERM tells. */
bool monitor_screen_is_possible(void);
/* Whether colours are wanted: NO_COLOR is not set. */
bool monitor_screen_has_colours(void);

/* Takes the terminal over. 0, or -1 with errno. */
int monitor_screen_open(void);
void monitor_screen_close(void);

/* The size, read again after SIGWINCH; COLUMNS and LINES where the terminal does not tell. */
void monitor_screen_size(int *columns, int *lines);

/* Shows the text from the first line on. -1: errno. */
int monitor_screen_show(const char *text, size_t length);

enum monitor_key {
	MONITOR_KEY_NONE,    /* the time is over, or fd is readable */
	MONITOR_KEY_RESIZED, /* draw again: the window has another size, or the terminal was another program's
			      */
	MONITOR_KEY_UP,	     /* an arrow, or k */
	MONITOR_KEY_DOWN,    /* an arrow, or j */
	MONITOR_KEY_BACK,    /* a page: PgUp, or b */
	MONITOR_KEY_FORTH,   /* a page: PgDn, or space */
	MONITOR_KEY_QUIT,    /* q, or the terminal is gone */
	MONITOR_KEY_SIGNAL,  /* INT, TERM or HUP: *number */
	MONITOR_KEY_FAILED   /* it cannot sleep: errno */
};

/* Sleeps until fd is readable, a key or a signal comes, or the time is over. Stops and continues with the
 * job, as by ^Z. */
enum monitor_key monitor_screen_sleep(int fd, int timeout_ms, int *number);

#endif
