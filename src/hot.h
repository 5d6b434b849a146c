/*
 * Code that runs in each of a crowd of waiters which is woken at once. After a sleep a process pays for each
 * page that it touches, and that is most of what a waiter pays: so the linker puts these functions side by
 * side.
 */
#ifndef SRC_HOT_H
#define SRC_HOT_H

#define HOT __attribute__((hot))

#endif
