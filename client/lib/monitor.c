#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/abi.h"
#include "client/lib/poller.h"
#include "client/lib/settings.h"
#include "src/clock.h"

struct readyd_monitor {
	struct settings settings;
	struct poller poller;
	bool lost;
};

struct readyd_monitor *readyd_monitor_new(const struct readyd_options *options, const char *token)
{
	struct readyd_monitor *monitor = malloc(sizeof(*monitor));

	(void)token;
	if (monitor == NULL)
		return NULL;
	poller_init(&monitor->poller);
	monitor->lost = false;
	if (settings_init(&monitor->settings, options) == 0)
		return monitor;
	free(monitor);
	return NULL;
}

void readyd_monitor_free(struct readyd_monitor *monitor)
{
	if (monitor == NULL)
		return;
	poller_fini(&monitor->poller);
	free(monitor);
}

int readyd_monitor_fd(struct readyd_monitor *monitor)
{
	return poller_fd(&monitor->poller);
}

int readyd_monitor_next(struct readyd_monitor *monitor, struct readyd_event *event)
{
	struct readyd_event own = READYD_EVENT_INIT;

	if (monitor->lost)
		return 0;
	monitor->lost = true;
	own.change = READYD_CHANGE_LOST;
	abi_give_event(event, &own);
	return 1;
}

int readyd_monitor_sleep(struct readyd_monitor *monitor, int timeout_ms)
{
	struct poller_event events[POLLER_EVENTS];

	return poller_wait(&monitor->poller, clock_ms(), timeout_ms, events) < 0 ? -1 : 0;
}
