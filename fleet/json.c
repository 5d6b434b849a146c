#include "config.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "fleet/json.h"
#include "src/escape.h"
#include "src/number.h"

void json_init(struct json *json, const char *text, size_t length)
{
	*json = (struct json){.at = text, .end = text + length};
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_space(struct json *json)
{
	while (json->at < json->end && is_space(*json->at))
		json->at++;
}

static bool take(struct json *json, char c)
{
	skip_space(json);
	if (json->at == json->end || *json->at != c)
		return false;
	json->at++;
	return true;
}

/* The four digits of \uXXXX. */
static int take_unit(struct json *json, uint32_t *unit)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";

	*unit = 0;
	if (json->end - json->at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		const char *digit = memchr(digits, *json->at++, sizeof(digits) - 1);

		if (digit == NULL)
			return -1;
		*unit = *unit * 16 + (uint32_t)((digit - digits) % 16);
	}
	return 0;
}

static int take_code_point(struct json *json, uint32_t *point)
{
	uint32_t low;

	if (take_unit(json, point) != 0 || *point == 0 || (*point >= 0xDC00 && *point < 0xE000))
		return -1;
	if (*point < 0xD800 || *point >= 0xE000)
		return 0;
	if (json->end - json->at < 2 || memcmp(json->at, "\\u", 2) != 0)
		return -1;
	json->at += 2;
	if (take_unit(json, &low) != 0 || low < 0xDC00 || low >= 0xE000)
		return -1;
	*point = 0x10000 + ((*point - 0xD800) << 10) + (low - 0xDC00);
	return 0;
}

static size_t encode(char utf8[4], uint32_t point)
{
	static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
	size_t length = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;

	for (size_t i = length - 1; i > 0; i--, point >>= 6)
		utf8[i] = (char)(0x80 | (point & 0x3F));
	utf8[0] = (char)((length > 1 ? leads[length] : 0) | point);
	return length;
}

/* Behind the backslash. The length, or 0. */
static size_t take_escape(struct json *json, char utf8[4])
{
	static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
	const char *letter;
	uint32_t point;

	if (json->at == json->end)
		return 0;
	if (*json->at == 'u') {
		json->at++;
		return take_code_point(json, &point) == 0 ? encode(utf8, point) : 0;
	}
	letter = memchr(letters, *json->at++, sizeof(letters) - 1);
	if (letter == NULL)
		return 0;
	utf8[0] = meanings[letter - letters];
	return 1;
}

/* One character as it stands there. The length, or 0. */
static size_t take_plain(struct json *json, char utf8[4])
{
	char text[5] = {0};
	size_t left = (size_t)(json->end - json->at), length;

	memcpy(text, json->at, left < 4 ? left : 4);
	length = (unsigned char)text[0] < ' ' ? 0 : escape_length(text);
	memcpy(utf8, text, 4);
	json->at += length;
	return length;
}

/* Behind the first quote. */
static int take_string(struct json *json, char *buf, size_t size)
{
	size_t used = 0, length;
	char utf8[4];

	while (json->at < json->end && *json->at != '"') {
		bool escaped = *json->at == '\\';

		json->at += escaped;
		length = escaped ? take_escape(json, utf8) : take_plain(json, utf8);
		if (length == 0 || used + length >= size)
			return -1;
		memcpy(buf + used, utf8, length);
		used += length;
	}
	buf[used] = '\0';
	return take(json, '"') ? 0 : -1;
}

static int take_number(struct json *json, struct json_member *member)
{
	const char *from = json->at;
	size_t length;

	while (json->at < json->end && *json->at >= '0' && *json->at <= '9')
		json->at++;
	length = (size_t)(json->at - from);
	member->type = JSON_NUMBER;
	if (length > 1 && *from == '0')
		return -1;
	return number_parse(from, length, UINT64_MAX, &member->number);
}

static bool take_word(struct json *json, const char *word)
{
	size_t length = strlen(word);

	if ((size_t)(json->end - json->at) < length || memcmp(json->at, word, length) != 0)
		return false;
	json->at += length;
	return true;
}

static int take_value(struct json *json, struct json_member *member)
{
	static const char *const words[] = {"null", "false", "true"};
	static const enum json_type types[] = {JSON_NULL, JSON_FALSE, JSON_TRUE};

	if (take(json, '"')) {
		member->type = JSON_STRING;
		return take_string(json, member->string, sizeof(member->string));
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (take_word(json, words[i])) {
			member->type = types[i];
			return 0;
		}
	}
	return take_number(json, member);
}

static int end(struct json *json)
{
	skip_space(json);
	return json->at == json->end ? 0 : -1;
}

int json_next(struct json *json, struct json_member *member)
{
	if (json->members == 0 && !take(json, '{'))
		return -1;
	if (take(json, '}'))
		return end(json);
	if (json->members++ > 0 && !take(json, ','))
		return -1;
	if (!take(json, '"') || take_string(json, member->key, sizeof(member->key)) != 0 ||
	    !take(json, ':') || take_value(json, member) != 0)
		return -1;
	return 1;
}

/* The control characters beyond ASCII are C2 80 to C2 9F. */
static size_t quote_one(char piece[8], const char *text, size_t length)
{
	if (length == 0)
		return (size_t)snprintf(piece, 8, "\xEF\xBF\xBD");
	if (escape_is_control(text, length))
		return (size_t)snprintf(piece, 8, "\\u%04x", (unsigned)(unsigned char)text[length - 1]);
	if (*text == '"' || *text == '\\')
		return (size_t)snprintf(piece, 8, "\\%c", *text);
	return (size_t)snprintf(piece, 8, "%.*s", (int)length, text);
}

size_t json_quote(char *buf, size_t size, const char *text)
{
	size_t used = 1, count;
	char piece[8];

	buf[0] = '"';
	while (*text != '\0') {
		size_t length = escape_length(text);

		count = quote_one(piece, text, length);
		if (used + count + 2 > size)
			break;
		memcpy(buf + used, piece, count);
		used += count;
		text += length > 0 ? length : 1;
	}
	memcpy(buf + used, "\"", 2);
	return used + 1;
}
