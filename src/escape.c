#include "config.h"

#include <stdio.h>

#include "src/escape.h"

/* Well-formed UTF-8 beyond ASCII: the ranges of the first and of the second byte; later bytes are 80 to BF
 * (The Unicode Standard, table 3-7). */
static const struct {
	unsigned char first, last, low, high;
	size_t length;
} sequences[] = {
    {0xC2, 0xDF, 0x80, 0xBF, 2},
    {0xE0, 0xE0, 0xA0, 0xBF, 3},
    {0xE1, 0xEC, 0x80, 0xBF, 3},
    {0xED, 0xED, 0x80, 0x9F, 3},
    {0xEE, 0xEF, 0x80, 0xBF, 3},
    {0xF0, 0xF0, 0x90, 0xBF, 4},
    {0xF1, 0xF3, 0x80, 0xBF, 4},
    {0xF4, 0xF4, 0x80, 0x8F, 4},
};

/* The length of a character beyond ASCII. */
static size_t sequence_length(const unsigned char *text)
{
	size_t i = 0, at = 2;

	while (i < sizeof(sequences) / sizeof(sequences[0]) && text[0] > sequences[i].last)
		i++;
	if (i == sizeof(sequences) / sizeof(sequences[0]) || text[0] < sequences[i].first ||
	    text[1] < sequences[i].low || text[1] > sequences[i].high)
		return 0;
	while (at < sequences[i].length && text[at] >= 0x80 && text[at] <= 0xBF)
		at++;
	return at == sequences[i].length ? at : 0;
}

size_t escape_length(const char *text)
{
	return (unsigned char)*text < 0x80 ? 1 : sequence_length((const unsigned char *)text);
}

/* Those beyond ASCII are U+0080 to U+009F, which are C2 80 to C2 9F. */
bool escape_is_control(const char *text, size_t length)
{
	unsigned char first = (unsigned char)text[0];

	if (length == 2)
		return first == 0xC2 && (unsigned char)text[1] < 0xA0;
	return length == 1 && (first < ' ' || first == 0x7F);
}

const char *escape_text(char *buf, size_t size, const char *text)
{
	char *to = buf, *end = buf + size - 1;

	while (*text != '\0') {
		size_t length = escape_length(text), count = length > 0 ? length : 1;
		bool plain = length > 0 && !escape_is_control(text, length);

		if ((size_t)(end - to) < (plain ? count : 4 * count))
			break;
		for (; count > 0; count--, text++) {
			if (plain)
				*to++ = *text;
			else
				to += snprintf(to, 5, "\\x%02x", (unsigned char)*text);
		}
	}
	*to = '\0';
	return buf;
}
