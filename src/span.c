#include "config.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

#include "src/number.h"
#include "src/span.h"

struct span span_trim(const char *line, size_t len)
{
	if (len > 0 && line[len - 1] == '\n')
		len--;
	if (len > 0 && line[len - 1] == '\r')
		len--;
	return (struct span){line, len};
}

struct span span_next_word(struct span *rest)
{
	struct span word;

	while (rest->len > 0 && rest->at[0] == ' ') {
		rest->at++;
		rest->len--;
	}
	word = (struct span){rest->at, 0};
	while (word.len < rest->len && rest->at[word.len] != ' ')
		word.len++;
	rest->at += word.len;
	rest->len -= word.len;
	return word;
}

bool span_is(struct span word, const char *name)
{
	return strlen(name) == word.len && strncasecmp(word.at, name, word.len) == 0;
}

int span_pid(struct span word, pid_t *pid)
{
	uint64_t value;

	if (number_parse(word.at, word.len, INT_MAX, &value) != 0 || value == 0)
		return -1;
	*pid = (pid_t)value;
	return 0;
}

int span_process(struct span word, pid_t *pid, uint64_t *start)
{
	const char *colon = word.len > 0 ? memchr(word.at, ':', word.len) : NULL;
	size_t len;

	*start = 0;
	if (colon == NULL)
		return span_pid(word, pid);
	len = (size_t)(colon - word.at);
	if (number_parse(colon + 1, word.len - len - 1, UINT64_MAX, start) != 0 || *start == 0)
		return -1;
	return span_pid((struct span){word.at, len}, pid);
}

int span_token(struct span word, uint64_t *epoch, uint64_t *seq)
{
	const char *colon = word.len > 0 ? memchr(word.at, ':', word.len) : NULL;
	size_t len;

	if (colon == NULL)
		return -1;
	len = (size_t)(colon - word.at);
	if (number_parse(word.at, len, UINT64_MAX, epoch) != 0)
		return -1;
	return number_parse(colon + 1, word.len - len - 1, UINT64_MAX, seq);
}
