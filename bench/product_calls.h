/*
 * Counts what a waiter does when it goes on by itself, in the process that calls these functions: walks of
 * /proc, and watches of its own. The library in the bench calls opendir(3) and inotify_init1(2) by way of
 * here (ld --wrap), which costs nothing and so disturbs no measurement.
 */
#ifndef BENCH_PRODUCT_CALLS_H
#define BENCH_PRODUCT_CALLS_H

long product_calls_walks(void);
long product_calls_watches(void);

#endif
