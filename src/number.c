#include "config.h"

#include <string.h>

#include "src/hot.h"
#include "src/number.h"

int number_parse(const char *text, size_t len, uint64_t max, uint64_t *value)
{
	uint64_t v = 0;

	if (len == 0)
		return -1;
	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned)(text[i] - '0');

		if (digit > 9 || digit > max || v > (max - digit) / 10)
			return -1;
		v = v * 10 + digit;
	}
	*value = v;
	return 0;
}

size_t number_list(const char *text, uint32_t *values, size_t most)
{
	size_t count;

	for (count = 0; count < most; count++) {
		uint64_t value;
		size_t len;

		text += strspn(text, " \t");
		len = strspn(text, "0123456789");
		if (number_parse(text, len, UINT32_MAX, &value) != 0)
			break;
		values[count] = (uint32_t)value;
		text += len;
	}
	return count;
}

HOT void number_put(char *buf, uint64_t value)
{
	uint64_t rest = value;
	size_t len = 1;

	for (; rest > 9; rest /= 10)
		len++;
	buf[len] = '\0';
	for (rest = value; len > 0; rest /= 10)
		buf[--len] = (char)('0' + rest % 10);
}
