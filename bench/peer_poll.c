/* Looking every 10 ms. */
#include "config.h"

#include "bench/peer.h"

static int wait_by_looking(struct field *field, int i)
{
	(void)i;
	field_armed(field);
	while (!field_marker_is_there(field))
		nap_us(10000);
	return 0;
}

const struct peer peer_poll = {
    .name = "poll",
    .wait = wait_by_looking,
    .restless = true,
    .most = 1000,
    .why_most = "thousands who look every 10 ms leave two processors no time for anything else",
};
