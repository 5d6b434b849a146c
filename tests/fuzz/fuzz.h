/*
 * What the fuzz targets share. A target is a program of its own that defines fuzz_target. Linked with
 * libFuzzer it makes inputs up; linked with replay.c it reads those of the corpus. See README.md.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct fuzz_target {
	const char *name; /* of the program, and of its folder in the corpus */
	void (*begin)(void);
	void (*one)(const uint8_t *data, size_t size);
	bool captures; /* it prints: what, fuzz_captured() tells */
};

extern const struct fuzz_target fuzz_target;

/* For main() of replay.c, as libFuzzer calls them. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An invariant. */
#define fuzz_check(expression)                                                                               \
	do {                                                                                                 \
		if (!(expression))                                                                           \
			fuzz_fail(__FILE__, __LINE__, #expression);                                          \
	} while (0)
__attribute__((noreturn)) void fuzz_fail(const char *file, int line, const char *what);

/* The rest of an input that is read as a script. At its end, all numbers are 0. */
struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

unsigned fuzz_byte(struct fuzz_input *input);
unsigned fuzz_below(struct fuzz_input *input, unsigned limit); /* limit: at most 256 */
uint64_t fuzz_number(struct fuzz_input *input);		       /* 1 to 8 bytes; often small */
/* At most `most` bytes; *len is how many. They belong to the input. */
const char *fuzz_bytes(struct fuzz_input *input, size_t most, size_t *len);

/* Copies in blocks of exactly their size, so that a sanitizer sees each access beyond the end. The caller
 * frees them. The second ends with a NUL, and before the first NUL of the bytes. */
char *fuzz_copy(const void *data, size_t len);
char *fuzz_text(const void *data, size_t len);

/* Whether a terminal shows the text as it is: UTF-8 without control characters except newlines, which end
 * each line. Shares nothing with what is tested. */
bool fuzz_is_shown(const char *text, size_t len);

/* An empty private directory that is removed at the end, with the files in it. */
const char *fuzz_dir(void);

/* A file in memory with this content; fuzz_memory_path() names it. */
int fuzz_memory_file(const void *data, size_t len);
void fuzz_memory_path(int fd, char path[64]);

/* What was printed since the last call on standard output (1) or standard error (2), terminated by a NUL.
 * Valid until the next call. */
const char *fuzz_captured(int which, size_t *len);

/* A descriptor of a kind that a peer may pass: pipes with and without a writer or bytes, sockets, files,
 * directories, ... The caller closes it. */
#define FUZZ_DESCRIPTOR_KINDS 10
int fuzz_descriptor(unsigned kind);

/* Moves a descriptor that outlives the input to where none of the product's is. Ends the program without. */
int fuzz_keep(int fd);

/* Sends the bytes with these descriptors, and closes the descriptors. False: not all of it was sent. */
bool fuzz_send(int sock, const char *bytes, size_t len, const int *fds, size_t count);

#endif
