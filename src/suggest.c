#include "config.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "src/suggest.h"

/* Longer words are like no name. */
#define LENGTH_MOST 32

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Single edits, and swaps of neighbours, that make one word the other. Three rows of the usual table. */
static unsigned distance(const char *a, const char *b)
{
	unsigned rows[3][LENGTH_MOST + 1], *before = rows[0], *above = rows[1], *row = rows[2], *free_row;
	size_t m = strlen(a), n = strlen(b);

	for (unsigned j = 0; j <= n; j++)
		above[j] = j;
	for (size_t i = 1; i <= m; i++) {
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= n; j++) {
			row[j] = above[j - 1] + (a[i - 1] != b[j - 1]);
			row[j] = least(row[j], least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
		free_row = before;
		before = above;
		above = row;
		row = free_row;
	}
	return above[n];
}

void suggestion_consider(struct suggestion *best, const char *word, const char *name)
{
	size_t length = strlen(word);
	bool begins = length >= 2 && strncmp(name, word, length) == 0;
	unsigned edits;

	if (length == 0 || length > LENGTH_MOST || strlen(name) > LENGTH_MOST)
		return;
	edits = begins ? 0 : distance(word, name);
	if (!begins && edits * 3 > length + 1)
		return;
	if (best->name == NULL || edits < best->distance)
		*best = (struct suggestion){.name = name, .distance = edits};
}
