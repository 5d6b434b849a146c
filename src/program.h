/*
 * What a program sets up in its own process: descriptors and their limit. For readyd and readyctl only; a
 * library leaves this to the program that it is linked into, so libreadyd does not contain it.
 */
#ifndef SRC_PROGRAM_H
#define SRC_PROGRAM_H

/*
 * Opens those of descriptors 0 to 2 that are closed, so that no later open gets such a number and is then
 * written into. What takes their place cannot be written to: output to a closed descriptor still shows as a
 * failure. Call it before anything else is opened.
 */
void program_fill_standard_descriptors(void);

/* Closes a descriptor that was inherited. In the place of a standard one comes what
 * program_fill_standard_descriptors() opens. */
void program_close(int fd);

/* Closes all from first to last, if first is not above last. For a child without further threads. */
void program_close_range(unsigned first, unsigned last);

/* Raises the soft limit of descriptors to the hard limit. -1 and errno. */
int program_raise_descriptor_limit(void);

#endif
