/*
 * A seccomp filter against what could be made of a daemon that has been taken over: it kills the process at a
 * system call that no part of it ever makes.
 *
 * It lists what is forbidden, not what is allowed: what a C library, an allocator or a sanitizer calls
 * differs between versions, and a list of these would turn an update into an outage. For the same reason a
 * call that is newer than the list fails as it would on an older kernel (ENOSYS).
 *
 * The filter is a few lines of BPF of our own. libseccomp would save these, but it is a dependency, which a
 * static daemon in a guest would carry along, for a list without conditions on arguments; the numbers come
 * from the kernel's headers.
 */
#ifndef DAEMON_SANDBOX_H
#define DAEMON_SANDBOX_H

/* Filters this process and its future children from now on, which takes no_new_privs or a right. NULL, or why
 * there is no filter, except in a build for tests. */
const char *sandbox_start(void);

/* "on" or "off". */
const char *sandbox_word(void);

#endif
