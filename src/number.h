/* Decimal numbers as they stand in names, requests and arguments: digits and nothing else. */
#ifndef SRC_NUMBER_H
#define SRC_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* 0, or -1 when the len bytes are empty, hold anything but digits, or say more than max. */
int number_parse(const char *text, size_t len, uint64_t max, uint64_t *value);

/* Writes it at a place with room for 21 bytes, NUL included. For where printf(3) is too much. */
void number_put(char *at, uint64_t value);

#endif
