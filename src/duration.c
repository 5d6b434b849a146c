#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "src/duration.h"

#define MOST_MS 3600000000LL

static const struct {
	const char *name;
	int64_t ms;
} units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};

static int wrong(void)
{
	errno = EINVAL;
	return -1;
}

static int out_of_range(void)
{
	errno = ERANGE;
	return -1;
}

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
			return out_of_range();
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
	return digits > 0 ? 0 : wrong();
}

/* One number with its unit, which starts with a letter or is missing; *end is the rest. */
static int parse_part(const char *text, const char **end, int64_t *unit_ms, int64_t *ms)
{
	const char *unit;
	int64_t value;

	if (parse_billionths(text, &unit, &value) != 0)
		return -1;
	*end = unit + strspn(unit, "hms");
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if ((size_t)(*end - unit) != strlen(units[i].name) ||
		    strncmp(unit, units[i].name, (size_t)(*end - unit)) != 0)
			continue;
		*unit_ms = units[i].ms;
		/* 1000 hours in billionths of the smallest unit overflow, so divide first. */
		if (value / 1000000000 > MOST_MS / units[i].ms)
			return out_of_range();
		*ms = value / 1000000000 * units[i].ms +
		      (value % 1000000000 * units[i].ms + 999999999) / 1000000000;
		return 0;
	}
	return wrong();
}

int duration_parse(const char *text, int64_t *ms)
{
	int64_t unit_ms = MOST_MS, part, sum = 0;

	for (const char *at = text; at == text || *at != '\0';) {
		int64_t before = unit_ms;
		const char *end;

		if (parse_part(at, &end, &unit_ms, &part) != 0)
			return -1;
		/* Largest first, each once, and a number without a unit alone. */
		if (unit_ms >= before || (at != text && !isalpha((unsigned char)end[-1])))
			return wrong();
		sum += part;
		at = end;
		if (*at != '\0' && !isalpha((unsigned char)end[-1]))
			return wrong();
	}
	*ms = sum;
	return sum <= MOST_MS ? 0 : out_of_range();
}
