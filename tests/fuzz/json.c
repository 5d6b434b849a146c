#include "config.h"

#include <stdint.h>
#include <string.h>

#include "tests/fuzz/json.h"

#define NAMES 64
#define DEEP  1000

struct parser {
	const char *at, *end;
	const char *wanted;
	struct json_seen *seen;
	size_t depth;
};

static bool value(struct parser *p, size_t *elements);

static void space(struct parser *p)
{
	while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r'))
		p->at++;
}

static bool is_next(const struct parser *p, char c)
{
	return p->at < p->end && *p->at == c;
}

static bool take(struct parser *p, char c)
{
	if (!is_next(p, c))
		return false;
	p->at++;
	return true;
}

/* By its value, unlike the tables of the product: neither overlong, nor a surrogate, nor beyond U+10FFFF. */
static bool character(struct parser *p)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char first = (unsigned char)*p->at++;
	const int len = first < 0x80	   ? 1
			: first >> 5 == 6  ? 2
			: first >> 4 == 14 ? 3
			: first >> 3 == 30 ? 4
					   : 0;
	uint32_t code = len == 1 ? first : first & (0xffu >> (len + 1));

	for (int i = 1; i < len; i++, p->at++) {
		if (p->at == p->end || ((unsigned char)*p->at & 0xc0) != 0x80)
			return false;
		code = code << 6 | ((unsigned char)*p->at & 0x3f);
	}
	return len > 0 && code >= least[len] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) &&
	       code >= 0x20;
}

static bool escape(struct parser *p)
{
	if (p->at == p->end)
		return false;
	if (*p->at != 'u')
		return *p->at != '\0' && strchr("\"\\/bfnrt", *p->at++) != NULL;
	p->at++;
	for (int i = 0; i < 4; i++, p->at++)
		if (p->at == p->end || *p->at == '\0' || strchr("0123456789abcdefABCDEF", *p->at) == NULL)
			return false;
	return true;
}

static bool string(struct parser *p)
{
	if (!take(p, '"'))
		return false;
	while (p->at < p->end && *p->at != '"')
		if (!(take(p, '\\') ? escape(p) : character(p)))
			return false;
	return take(p, '"');
}

static bool digits(struct parser *p)
{
	const char *start = p->at;

	while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
		p->at++;
	return p->at > start;
}

static bool number(struct parser *p)
{
	(void)take(p, '-');
	if (!take(p, '0') && !digits(p))
		return false;
	if (take(p, '.') && !digits(p))
		return false;
	if (take(p, 'e') || take(p, 'E')) {
		(void)(take(p, '+') || take(p, '-'));
		return digits(p);
	}
	return true;
}

static bool word(struct parser *p, const char *text)
{
	const size_t len = strlen(text);

	if ((size_t)(p->end - p->at) < len || memcmp(p->at, text, len) != 0)
		return false;
	p->at += len;
	return true;
}

static bool array(struct parser *p, size_t *elements)
{
	space(p);
	if (take(p, ']'))
		return true;
	do {
		if (!value(p, NULL))
			return false;
		++*elements;
	} while (take(p, ','));
	return take(p, ']');
}

/* With the quotes. */
struct name {
	const char *at;
	size_t len;
};

static bool is_repeated(const struct name *names, size_t count)
{
	for (size_t i = 0; i < count && i < NAMES; i++)
		if (names[i].len == names[count].len &&
		    memcmp(names[i].at, names[count].at, names[i].len) == 0)
			return true;
	return false;
}

static bool member(struct parser *p, struct name *name)
{
	bool wanted;
	size_t elements = SIZE_MAX;

	space(p);
	name->at = p->at;
	if (!string(p))
		return false;
	name->len = (size_t)(p->at - name->at);
	wanted = p->wanted != NULL && p->depth == 1 && name->len == strlen(p->wanted) + 2 &&
		 memcmp(name->at + 1, p->wanted, name->len - 2) == 0;
	space(p);
	if (!take(p, ':') || !value(p, &elements))
		return false;
	if (wanted) {
		p->seen->has_array = elements != SIZE_MAX && p->seen->array_name++ == 0;
		p->seen->elements = elements;
	}
	return true;
}

static bool object(struct parser *p)
{
	struct name names[NAMES + 1];
	size_t count = 0;

	space(p);
	if (take(p, '}'))
		return true;
	do {
		if (!member(p, &names[count]))
			return false;
		p->seen->has_repeated |= is_repeated(names, count);
		count += count < NAMES;
	} while (take(p, ','));
	return take(p, '}');
}

/* *elements: of an array; unchanged otherwise. */
static bool nested(struct parser *p, size_t *elements)
{
	size_t count = 0;
	bool good;

	if (++p->depth > DEEP)
		return false;
	if (p->depth > p->seen->depth)
		p->seen->depth = p->depth;
	if (take(p, '{')) {
		good = object(p);
	} else {
		good = take(p, '[') && array(p, &count);
		if (elements != NULL)
			*elements = count;
	}
	p->depth--;
	return good;
}

static bool value(struct parser *p, size_t *elements)
{
	bool good;

	space(p);
	if (is_next(p, '{') || is_next(p, '['))
		good = nested(p, elements);
	else if (is_next(p, '"'))
		good = string(p);
	else
		good = word(p, "true") || word(p, "false") || word(p, "null") || number(p);
	space(p);
	return good;
}

bool json_is_valid(const char *text, size_t len, const char *name, struct json_seen *seen)
{
	struct parser p = {.at = text, .end = text + len, .wanted = name, .seen = seen};

	memset(seen, 0, sizeof(*seen));
	space(&p);
	seen->is_object = is_next(&p, '{');
	return value(&p, NULL) && p.at == p.end;
}
