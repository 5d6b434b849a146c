#include "config.h"

#include "fleet/tally.h"

#define PENDING 1

void tally_take(struct tally *tally, int code)
{
	if (code == 0)
		tally->succeeded++;
	else
		tally->refused++;
	if (tally->failed == 0)
		tally->failed = code == TALLY_TIMED_OUT ? PENDING : code;
}

bool tally_is_decided(const struct tally *tally)
{
	return tally->succeeded >= tally->needed || tally->total - tally->refused < tally->needed;
}

/* Where some are enough, one that died does not end the wait: the time-out did. */
int tally_exit_code(const struct tally *tally, bool timed_out)
{
	if (tally->succeeded >= tally->needed)
		return 0;
	if (timed_out && (tally->needed < tally->total || tally->failed == 0 || tally->failed == PENDING))
		return TALLY_TIMED_OUT;
	return tally->failed != 0 ? tally->failed : TALLY_FAILED;
}
