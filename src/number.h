/* Decimal numbers as they stand in names, requests and arguments: digits and nothing else. */
#ifndef SRC_NUMBER_H
#define SRC_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* 0, or -1 when the len bytes are empty, hold anything but digits, or say more than max. */
int number_parse(const char *text, size_t len, uint64_t max, uint64_t *value);

#endif
