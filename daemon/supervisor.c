#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/notice.h"
#include "daemon/supervisor.h"
#include "daemon/xalloc.h"
#include "src/clock.h"
#include "src/number.h"
#include "src/sock.h"

/* sd_listen_fds(3) */
#define FIRST_PASSED 3

static int number_from_env(const char *name)
{
	const char *text = getenv(name);
	uint64_t value;

	if (text == NULL || number_parse(text, strlen(text), INT_MAX, &value) != 0)
		return -1;
	return (int)value;
}

static int has_option(int fd, int option, int wanted)
{
	socklen_t len = sizeof(int);
	int value;

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 && value == wanted;
}

int supervisor_inherited(void)
{
	int count = number_from_env("LISTEN_FDS"), fd = FIRST_PASSED;

	if (number_from_env("LISTEN_PID") != (int)getpid() || count < 1)
		return -1;
	if (count > 1) {
		log_error(
		    "%d sockets in LISTEN_FDS, but only one can be served; keep one ListenStream", count);
		return -2;
	}
	if (!has_option(fd, SO_ACCEPTCONN, 1) || !has_option(fd, SO_TYPE, SOCK_STREAM) ||
	    !has_option(fd, SO_DOMAIN, AF_UNIX)) {
		log_error(
		    "the passed descriptor %d is not a listening unix stream socket; use ListenStream=/path",
		    fd);
		return -2;
	}
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
		log_error("cannot use the passed descriptor %d: %s", fd, strerror(errno));
		return -2;
	}
	(void)sock_refuse_fds(fd);
	return fd;
}

/* Rarely, since each is a message to the manager; the first one soon, for whatever lasts a second. */
#define STATUS_MS	10000
#define STATUS_FIRST_MS 1000

struct supervisor {
	struct loop *loop;
	struct notice descriptor, service, life, status;
	char descriptor_name[32];
	char text[128], status_text[128]; /* of service and of status, while they wait for room */
	struct supervisor_numbers told;
	struct loop_timer *alive, *report;
	int64_t alive_ms;
	void (*count)(struct supervisor_numbers *numbers, void *context);
	void *context;
};

static const char *notify_socket(void)
{
	const char *address = getenv("NOTIFY_SOCKET");

	return address != NULL && address[0] != '\0' ? address : NULL;
}

/* A message that still waits for room has not been told; the next one says the same or better. */
static void tell(struct supervisor *supervisor, struct notice *notice, const char *text, const char *next)
{
	notice_fini(notice);
	if (notify_socket() != NULL)
		notice_send_both(notice, supervisor->loop, text, next, notify_socket());
}

static void on_alive(void *context)
{
	struct supervisor *supervisor = context;

	tell(supervisor, &supervisor->life, "WATCHDOG=1", NULL);
	loop_timer_start(supervisor->alive, supervisor->alive_ms);
}

/* sd_watchdog_enabled(3): WATCHDOG_PID says which process is meant, if it is set. */
static void start_watchdog(struct supervisor *supervisor)
{
	const char *pid = getenv("WATCHDOG_PID"), *usec = getenv("WATCHDOG_USEC");
	uint64_t value;

	if (usec == NULL || number_parse(usec, strlen(usec), UINT64_MAX, &value) != 0)
		return;
	if (pid != NULL && number_from_env("WATCHDOG_PID") != (int)getpid())
		return;
	supervisor->alive_ms = value / 2000 > INT_MAX ? INT_MAX : (int64_t)(value / 2000);
	if (supervisor->alive_ms == 0)
		supervisor->alive_ms = 1;
	supervisor->alive = loop_timer_new(supervisor->loop, on_alive, supervisor);
	loop_timer_start(supervisor->alive, supervisor->alive_ms);
}

static const char *write_status(char *buf, size_t size, const struct supervisor_numbers *now)
{
	snprintf(buf, size, "STATUS=%zu process%s waited for, %zu connection%s", now->processes,
	    now->processes == 1 ? "" : "es", now->clients, now->clients == 1 ? "" : "s");
	return buf;
}

/* Runs while something is waited for, and once after it. */
static void on_report(void *context)
{
	struct supervisor *supervisor = context;
	struct supervisor_numbers now = {0};

	supervisor->count(&now, supervisor->context);
	if (memcmp(&now, &supervisor->told, sizeof(now)) != 0)
		tell(supervisor, &supervisor->status,
		    write_status(supervisor->status_text, sizeof(supervisor->status_text), &now), NULL);
	supervisor->told = now;
	if (now.processes > 0)
		loop_timer_start(supervisor->report, STATUS_MS);
}

void supervisor_first_wait(struct supervisor *supervisor)
{
	if (notify_socket() != NULL && !loop_timer_runs(supervisor->report))
		loop_timer_start(supervisor->report, STATUS_FIRST_MS);
}

struct supervisor *supervisor_ready(struct loop *loop, int ready_fd,
    void (*count)(struct supervisor_numbers *numbers, void *context), void *context)
{
	struct supervisor *supervisor = xalloc_new(sizeof(*supervisor));
	char status[64];

	supervisor->loop = loop;
	supervisor->count = count;
	supervisor->context = context;
	supervisor->report = loop_timer_new(loop, on_report, supervisor);
	snprintf(supervisor->descriptor_name, sizeof(supervisor->descriptor_name), "--ready-fd %d", ready_fd);
	if (ready_fd >= 0)
		notice_write(&supervisor->descriptor, loop, "\n", ready_fd, supervisor->descriptor_name);
	snprintf(supervisor->text, sizeof(supervisor->text), "READY=1\n%s",
	    write_status(status, sizeof(status), &supervisor->told));
	tell(supervisor, &supervisor->service, supervisor->text, NULL);
	start_watchdog(supervisor);
	return supervisor;
}

/* READY=1 ends what RELOADING=1 begins, for services of Type=notify-reload, which must name the time. Where
 * READY=1 of the start still waits, the end of the reload is the start. */
void supervisor_reloaded(struct supervisor *supervisor)
{
	snprintf(supervisor->text, sizeof(supervisor->text), "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
	    clock_now_ns(CLOCK_MONOTONIC) / 1000);
	tell(supervisor, &supervisor->service, supervisor->text, "READY=1");
}

void supervisor_stopping(struct supervisor *supervisor)
{
	notice_fini(&supervisor->descriptor);
	notice_fini(&supervisor->life);
	notice_fini(&supervisor->status);
	supervisor->loop = NULL;
	tell(supervisor, &supervisor->service, "STOPPING=1", NULL);
	loop_timer_free(supervisor->alive);
	loop_timer_free(supervisor->report);
	xalloc_free(supervisor);
}
