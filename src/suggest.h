/* What was probably meant by a word that is not known. No I/O, no allocation. */
#ifndef SRC_SUGGEST_H
#define SRC_SUGGEST_H

/* Starts as {0}; name is NULL until one is similar enough. */
struct suggestion {
	const char *name;
	unsigned distance;
};

/* Takes the name if it is more like the word than the names before it: one that begins with the word, or one
 * with few letters inserted, removed, replaced or swapped. */
void suggestion_consider(struct suggestion *best, const char *word, const char *name);

#endif
