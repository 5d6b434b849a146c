/* Decimal numbers in file names, requests and arguments: digits only. */
#ifndef SRC_NUMBER_H
#define SRC_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* 0, or -1 if len is 0, if text contains anything but digits, or if the value is above max. text need not be
 * terminated. */
int number_parse(const char *text, size_t len, uint64_t max, uint64_t *value);

/* Reads at most so many numbers up to UINT32_MAX, each after blanks. Returns how many there were before the
 * first that is not one. text is terminated. */
size_t number_list(const char *text, uint32_t *values, size_t most);

/* Writes value and a NUL to buf, at most 21 bytes. A third of the time of printf(3). */
void number_put(char *buf, uint64_t value);

#endif
