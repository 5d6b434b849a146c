/*
 * Marks functions that each waiter runs when thousands are woken at once. After a sleep, a process pays for
 * each page that it touches, and that is most of what a wake-up costs. So the compiler puts these functions
 * into one section (.text.hot), and the linker places them side by side.
 */
#ifndef SRC_HOT_H
#define SRC_HOT_H

#define HOT __attribute__((hot))

#endif
