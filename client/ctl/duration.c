#include "config.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "client/ctl/duration.h"

#define MOST_MS 3600000000LL

static const struct {
	const char *name;
	int64_t ms;
} units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};

/* Parses digits with at most one point as a number of billionths, rounded up; *end is the rest of the text.
 */
static int parse_billionths(const char *text, const char **end, int64_t *value)
{
	int64_t v = 0, scale = 1000000000;
	int digits = 0, point = 0, more = 0;

	for (; isdigit((unsigned char)*text) || (*text == '.' && !point); text++) {
		int digit = *text - '0';

		if (*text == '.') {
			point = 1;
			continue;
		}
		digits++;
		if (!point && v > MOST_MS * (1000000000 / 10))
			return -1;
		if (!point) {
			v = v * 10 + digit * (int64_t)1000000000;
		} else {
			scale /= 10;
			v += digit * scale;
			more |= scale == 0 && digit > 0;
		}
	}
	*end = text;
	*value = v + more;
	return digits > 0 ? 0 : -1;
}

int duration_parse(const char *text, int64_t *ms)
{
	const char *unit;
	int64_t value;

	if (parse_billionths(text, &unit, &value) != 0)
		return -1;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(unit, units[i].name) != 0)
			continue;
		/* 1000 hours in billionths of the smallest unit overflow, so divide first. */
		if (value / 1000000000 > MOST_MS / units[i].ms)
			return -1;
		*ms = value / 1000000000 * units[i].ms +
		      (value % 1000000000 * units[i].ms + 999999999) / 1000000000;
		return *ms <= MOST_MS ? 0 : -1;
	}
	return -1;
}
