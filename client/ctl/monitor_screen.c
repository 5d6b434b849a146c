#include "config.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "client/ctl/monitor_screen.h"
#include "src/number.h"

#define USUAL_COLUMNS 80
#define USUAL_LINES   24

/* The alternate screen, without a cursor and without wrapping. */
static const char enter[] = "\033[?1049h\033[?25l\033[?7l\033[2J";
static const char leave[] = "\033[?7h\033[?25h\033[?1049l";

static const int numbers[] = {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGTSTP, SIGWINCH};
static volatile sig_atomic_t ended;   /* by this signal */
static volatile sig_atomic_t stopped; /* SIGTSTP */
static volatile sig_atomic_t resized; /* SIGWINCH */
static sigset_t blocked, awake;	      /* awake: while it sleeps or writes, which a signal interrupts */
static struct termios saved;
static bool has_keys; /* standard input is the terminal, too */

static void on_signal(int number)
{
	if (number == SIGTSTP)
		stopped = 1;
	else if (number == SIGWINCH)
		resized = 1;
	else if (ended == 0)
		ended = number;
}

bool monitor_screen_is_possible(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
}

bool monitor_screen_has_colours(void)
{
	const char *none = getenv("NO_COLOR");

	return none == NULL || none[0] == '\0';
}

static int write_all(const char *text, size_t length)
{
	ssize_t n = 0;

	(void)sigprocmask(SIG_SETMASK, &awake, NULL);
	while (length > 0 && (n >= 0 || errno == EINTR)) {
		n = write(STDOUT_FILENO, text, length);
		text += n > 0 ? n : 0;
		length -= n > 0 ? (size_t)n : 0;
		/* The output may have been stopped (^S). */
		if (ended != 0 || stopped != 0)
			break;
	}
	(void)sigprocmask(SIG_SETMASK, &blocked, NULL);
	return n < 0 && errno != EINTR ? -1 : 0;
}

/* One that is ignored (nohup(1)) stays so. */
static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal}, before;

	(void)sigprocmask(SIG_SETMASK, NULL, &awake);
	blocked = awake;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (sigaction(numbers[i], NULL, &before) != 0 || before.sa_handler == SIG_IGN)
			continue;
		(void)sigdelset(&awake, numbers[i]);
		(void)sigaddset(&blocked, numbers[i]);
		(void)sigaction(numbers[i], &action, NULL);
	}
	(void)sigprocmask(SIG_SETMASK, &blocked, NULL);
}

static int take_terminal(void)
{
	struct termios raw;

	has_keys = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &saved) == 0;
	if (has_keys) {
		raw = saved;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		raw.c_cc[VMIN] = 1;
		raw.c_cc[VTIME] = 0;
		has_keys = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
	}
	return write_all(enter, sizeof(enter) - 1);
}

int monitor_screen_open(void)
{
	catch_signals();
	return take_terminal();
}

void monitor_screen_close(void)
{
	(void)tcflow(STDOUT_FILENO, TCOON);
	(void)write_all(leave, sizeof(leave) - 1);
	if (has_keys)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
}

static int size_by(const char *name, unsigned short told, int usual)
{
	const char *text = getenv(name);
	uint64_t value;

	if (told > 0)
		return told;
	if (text != NULL && number_parse(text, strlen(text), INT_MAX, &value) == 0 && value > 0)
		return (int)value;
	return usual;
}

void monitor_screen_size(int *columns, int *lines)
{
	struct winsize size = {0};

	(void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	*columns = size_by("COLUMNS", size.ws_col, USUAL_COLUMNS);
	*lines = size_by("LINES", size.ws_row, USUAL_LINES);
}

int monitor_screen_show(const char *text, size_t length)
{
	if (write_all("\033[H", 3) != 0 || write_all(text, length) != 0)
		return -1;
	return write_all("\033[J", 3);
}

/* The shell has its terminal back meanwhile. */
static void stop(void)
{
	stopped = 0;
	monitor_screen_close();
	(void)raise(SIGSTOP);
	(void)take_terminal();
}

static const struct {
	const char *text;
	enum monitor_key key;
} keys[] = {
    {"q", MONITOR_KEY_QUIT},
    {"Q", MONITOR_KEY_QUIT},
    {"\033[A", MONITOR_KEY_UP},
    {"\033OA", MONITOR_KEY_UP},
    {"k", MONITOR_KEY_UP},
    {"\033[B", MONITOR_KEY_DOWN},
    {"\033OB", MONITOR_KEY_DOWN},
    {"j", MONITOR_KEY_DOWN},
    {"\033[5~", MONITOR_KEY_BACK},
    {"b", MONITOR_KEY_BACK},
    {"\033[6~", MONITOR_KEY_FORTH},
    {" ", MONITOR_KEY_FORTH},
};

/* A terminal sends what one key means at once. Of several, the first of the list counts. */
static enum monitor_key read_key(void)
{
	char text[32];
	ssize_t n = read(STDIN_FILENO, text, sizeof(text) - 1);

	if (n <= 0)
		return MONITOR_KEY_QUIT;
	text[n] = '\0';
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strstr(text, keys[i].text) != NULL)
			return keys[i].key;
	return MONITOR_KEY_NONE;
}

enum monitor_key monitor_screen_sleep(int fd, int timeout_ms, int *number)
{
	const struct timespec time = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
	struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = STDOUT_FILENO},
	    {.fd = has_keys ? STDIN_FILENO : -1, .events = POLLIN}};

	if (ended == 0 && stopped == 0 && ppoll(fds, 3, &time, &awake) < 0) {
		if (errno != EINTR)
			return MONITOR_KEY_FAILED;
		fds[1].revents = fds[2].revents = 0;
	}
	*number = ended;
	if (ended != 0)
		return MONITOR_KEY_SIGNAL;
	if (stopped != 0) {
		stop();
		return MONITOR_KEY_RESIZED;
	}
	if (resized != 0) {
		resized = 0;
		return MONITOR_KEY_RESIZED;
	}
	if (fds[1].revents != 0)
		return MONITOR_KEY_QUIT;
	return fds[2].revents != 0 ? read_key() : MONITOR_KEY_NONE;
}
