/*
 * Where a thread-local variable of the executable is in memory. Pure arithmetic, for both machines on either.
 */
#ifndef PROBE_TLS_H
#define PROBE_TLS_H

#include <stdint.h>

/* Of the executable: e_machine, p_memsz and p_align of PT_TLS, and st_value of the variable's symbol. */
struct tls_layout {
	uint16_t machine;
	uint64_t memsz, align, symbol;
};

/* The address of what is offset bytes into the variable, for a thread with this thread pointer; size bytes
 * from there are in the address space too. -1 if that overflows, align is not a power of two, or the machine
 * is unknown. */
int tls_address(const struct tls_layout *layout, uint64_t thread_pointer, uint64_t offset, uint64_t size,
    uint64_t *address);

#endif
