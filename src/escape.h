/* Untrusted text for messages and output: it may contain characters that control a terminal. */
#ifndef SRC_ESCAPE_H
#define SRC_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

/* The length of the first character of a text that is not empty: 1 for ASCII; 0: it is not well-formed UTF-8.
 */
size_t escape_length(const char *text);

/* Whether a terminal may take the character of this length as a control character. */
bool escape_is_control(const char *text, size_t length);

/* The text with each byte of a control character, and each that is not UTF-8, as \xHH; cut where buf is full.
 * Returns buf. */
const char *escape_text(char *buf, size_t size, const char *text);

#endif
