/* For functions that every wake-up of a waiter calls. The linker puts them together, so that a process that
 * has slept for long touches few pages of code: on most machines, that is the most of what a wake-up takes.
 */
#ifndef SRC_HOT_H
#define SRC_HOT_H

#define HOT __attribute__((hot))

#endif
