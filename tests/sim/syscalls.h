/* The system calls that the linker leads here (the list is in `wrapped`), as the C library declares them. */
#ifndef TESTS_SIM_SYSCALLS_H
#define TESTS_SIM_SYSCALLS_H

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

/* The linker prescribes these names. NOLINTBEGIN(bugprone-reserved-identifier) */
__typeof__(read) __wrap_read;
__typeof__(write) __wrap_write;
__typeof__(close) __wrap_close;
__typeof__(poll) __wrap_poll;
__typeof__(epoll_create1) __wrap_epoll_create1;
__typeof__(epoll_ctl) __wrap_epoll_ctl;
__typeof__(epoll_wait) __wrap_epoll_wait;
__typeof__(timerfd_create) __wrap_timerfd_create;
__typeof__(timerfd_settime) __wrap_timerfd_settime;
__typeof__(inotify_init1) __wrap_inotify_init1;
__typeof__(inotify_add_watch) __wrap_inotify_add_watch;
__typeof__(inotify_rm_watch) __wrap_inotify_rm_watch;
__typeof__(lstat) __wrap_lstat;
__typeof__(stat) __wrap_stat;
__typeof__(fstat) __wrap_fstat;
__typeof__(statfs) __wrap_statfs;
__typeof__(statx) __wrap_statx;
__typeof__(ioctl) __wrap_ioctl;
__typeof__(clock_gettime) __wrap_clock_gettime;
__typeof__(socket) __wrap_socket;
__typeof__(connect) __wrap_connect;
__typeof__(getsockopt) __wrap_getsockopt;
__typeof__(setsockopt) __wrap_setsockopt;
__typeof__(send) __wrap_send;
__typeof__(recv) __wrap_recv;
__typeof__(sendmsg) __wrap_sendmsg;
__typeof__(recvmsg) __wrap_recvmsg;
__typeof__(pipe2) __wrap_pipe2;
__typeof__(fcntl) __wrap_fcntl;
__typeof__(open) __wrap_open;
__typeof__(opendir) __wrap_opendir;
__typeof__(readdir) __wrap_readdir;
__typeof__(closedir) __wrap_closedir;
__typeof__(sysconf) __wrap_sysconf;
__typeof__(getrlimit) __wrap_getrlimit;
__typeof__(getpid) __wrap_getpid;
__typeof__(geteuid) __wrap_geteuid;
__typeof__(getrandom) __wrap_getrandom;
__typeof__(sigprocmask) __wrap_sigprocmask;

/* What libgcov calls too when a build that measures coverage writes its counters: no actor runs then. */
__typeof__(open) __real_open;
__typeof__(fcntl) __real_fcntl;
__typeof__(getpid) __real_getpid;

/* What a build with _FORTIFY_SOURCE calls instead. */
ssize_t __wrap___read_chk(int fd, void *buffer, size_t size, size_t room);
int __wrap___poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room);
ssize_t __wrap___recv_chk(int sock, void *data, size_t len, size_t room, int flags);
/* NOLINTEND(bugprone-reserved-identifier) */

#endif
