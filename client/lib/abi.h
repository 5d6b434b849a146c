/* Structures that callers lay out carry their size, so that program and library may be of different age: a
 * member that the program does not know is left out, and one that the library does not know is 0. */
#ifndef CLIENT_LIB_ABI_H
#define CLIENT_LIB_ABI_H

#include <stddef.h>

#include "readyd/readyd.h"

/* The caller's options as this library knows them; NULL are the defaults. -1: EINVAL, no valid size; E2BIG,
 * something is set that this library does not know. */
int abi_take_options(struct readyd_options *options, const struct readyd_options *given);

/* Whether the caller has room for an answer, an explanation or an event: checked before anything is done. -1:
 * EINVAL. */
int abi_check_answer(const struct readyd_answer *answer);
int abi_check_explanation(const struct readyd_explanation *explanation);
int abi_check_event(const struct readyd_event *event);

void abi_give_answer(struct readyd_answer *to, const struct readyd_answer *answer);
void abi_give_explanation(struct readyd_explanation *to, const struct readyd_explanation *explanation);
void abi_give_event(struct readyd_event *to, const struct readyd_event *event);

/* The next element of the caller's array. */
struct readyd_answer *abi_next_answer(struct readyd_answer *answer);

#endif
