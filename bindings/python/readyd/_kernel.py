"""System calls that the standard library of Python 3.9 does not offer, and what is read of /proc."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import select
import struct
import time
from typing import List, NamedTuple, Optional

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

IN_CREATE, IN_MOVED_TO, IN_CLOSE_WRITE = 0x100, 0x80, 0x8
IN_MOVED_FROM, IN_DELETE, IN_ATTRIB = 0x40, 0x200, 0x4
IN_DELETE_SELF, IN_MOVE_SELF, IN_UNMOUNT = 0x400, 0x800, 0x2000
IN_Q_OVERFLOW, IN_IGNORED, IN_ONLYDIR = 0x4000, 0x8000, 0x01000000
IN_CAME, IN_ISDIR = IN_CREATE | IN_MOVED_TO, 0x40000000
FIONREAD = 0x541B
# What makes, replaces, rewrites or removes a marker, and what happens to the directory itself.
WATCHED = (IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_DELETE_SELF
           | IN_MOVE_SELF | IN_ONLYDIR)

SYS_PIDFD_OPEN, SYS_PIDFD_SEND_SIGNAL, SYS_OPENAT2 = 434, 424, 437
RESOLVE_NO_MAGICLINKS, RESOLVE_IN_ROOT = 0x02, 0x10


def is_shortage(error: Optional[int]) -> bool:
    """Descriptors or memory ran out: nothing follows from the failure."""
    return error in (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def _check(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def _syscall(*arguments: object) -> int:
    return _check(_libc.syscall(*arguments))


def inotify_init() -> int:
    return _check(_libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))


def inotify_add_watch(fd: int, path: str) -> int:
    return _check(_libc.inotify_add_watch(fd, os.fsencode(path), ctypes.c_uint32(WATCHED)))


class Event(NamedTuple):
    wd: int
    mask: int
    name: str
    end: int  # in bytes, from the beginning of this read


def inotify_read(fd: int) -> List[Event]:
    try:
        data = os.read(fd, 65536)
    except BlockingIOError:
        return []
    events, at = [], 0
    while at < len(data):
        wd, mask, _, size = struct.unpack_from("iIII", data, at)
        name = data[at + 16:at + 16 + size].split(b"\0", 1)[0]
        at += 16 + size
        events.append(Event(wd, mask, os.fsdecode(name), at))
    return events


def inotify_queued(fd: int) -> int:
    """The bytes of events that wait to be read."""
    return struct.unpack("i", fcntl.ioctl(fd, FIONREAD, bytes(4)))[0]


def timerfd_create() -> int:
    return _check(_libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_CLOEXEC | os.O_NONBLOCK))


def timerfd_settime(fd: int, seconds: Optional[float]) -> None:
    """Readable after so many seconds; None: never."""
    ns = 0 if seconds is None else max(1, int(seconds * 1e9))
    spec = (ctypes.c_long * 4)(0, 0, ns // 10**9, ns % 10**9)
    _check(_libc.timerfd_settime(fd, 0, ctypes.byref(spec), None))


def fs_type(path: str) -> int:
    """f_type of statfs(2); 0 if it cannot be determined."""
    buffer = (ctypes.c_long * 64)()
    if _libc.statfs(os.fsencode(path), ctypes.byref(buffer)) != 0:
        return 0
    return buffer[0] & 0xFFFFFFFF


def birth_ns(path: str, st: os.stat_result) -> Optional[int]:
    """When the file with this stat was created, by the clock of its file system; None: it does not say. OSError: another
    file has the name now."""
    if not hasattr(_libc, "statx"):
        return None
    at_fdcwd, nofollow, btime, buffer = -100, 0x100, 0x800, bytearray(256)
    try:
        _check(_libc.statx(at_fdcwd, os.fsencode(path), nofollow, btime | 0x7FF,
                           (ctypes.c_char * 256).from_buffer(buffer)))
    except OSError as error:
        # The kernel has no EPERM for this; seccomp filters of containers do.
        if error.errno in (errno.ENOSYS, errno.EPERM):
            return None
        raise
    if struct.unpack_from("=Q", buffer, 0x20)[0] != st.st_ino:
        raise OSError(errno.ESTALE, path)
    seconds, ns = struct.unpack_from("=qI", buffer, 0x50)
    return seconds * 10**9 + ns if struct.unpack_from("=I", buffer)[0] & btime and seconds > 0 else None


def open_in_root(root: str, path: str) -> int:
    """The directory that path names to a process with that root (O_PATH): links do not lead out of it."""
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    at = os.open(root, flags)
    how = (ctypes.c_uint64 * 3)(flags, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
    try:
        for _ in range(16):
            try:
                return _syscall(SYS_OPENAT2, at, os.fsencode(path), ctypes.byref(how), ctypes.c_size_t(24))
            except OSError as error:
                # The kernel has no EPERM for this; seccomp filters of containers do.
                if error.errno == errno.EPERM:
                    raise OSError(errno.ENOSYS, "openat2") from error
                if error.errno != errno.EAGAIN:
                    raise
        raise OSError(errno.EAGAIN, "openat2")
    finally:
        os.close(at)


def pidfd_open(pid: int) -> int:
    return _syscall(SYS_PIDFD_OPEN, pid, 0)


def keeps_pid(fd: int) -> bool:
    """Whether the process of a pidfd has not been reaped, so that no other one can have its pid."""
    try:
        _syscall(SYS_PIDFD_SEND_SIGNAL, fd, 0, None, 0)
    except OSError as error:
        return error.errno == errno.EPERM
    return True


def seconds(timeout: Optional[float]) -> Optional[float]:
    """A time-out that epoll takes: the module refuses more than INT_MAX milliseconds, and infinity."""
    return None if timeout is None else min(timeout, 2000000.0)


def is_readable(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))


class Info(NamedTuple):
    uids: Optional[List[int]]
    exit_status: Optional[int]


def pidfd_info(fd: int) -> Info:
    """PIDFD_GET_INFO, since Linux 6.13: credentials; of an exited process its status, since 6.15."""
    request, creds, exited = 0xC040FF0B, 0x2, 0x8
    buffer = bytearray(struct.pack("=QQ12I", creds | exited, 0, *[0] * 12))
    try:
        fcntl.ioctl(fd, request, buffer)
    except OSError:
        return Info(None, None)
    fields = struct.unpack("=QQ11Ii", buffer)
    uids = [fields[5], fields[7], fields[11]] if fields[0] & creds else None
    return Info(uids, fields[13] if fields[0] & exited else None)


class Stat(NamedTuple):
    """The fields of proc_pid_stat(5) that are used."""
    state: str
    kernel: bool
    cpu: int
    threads: int
    start: int
    exit_code: int


def read_stat(pid: int) -> Stat:
    with open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    try:
        return Stat(fields[0].decode(), bool(int(fields[6]) & 0x00200000), int(fields[11]) + int(fields[12]),
                    int(fields[17]), int(fields[19]), int(fields[49]) if len(fields) > 49 else 0)
    except (IndexError, ValueError) as error:
        raise OSError(errno.ENODATA, "/proc/PID/stat") from error


class Status(NamedTuple):
    """Of proc_pid_status(5); ns_pids is empty before Linux 4.1."""
    uids: Optional[List[int]]
    ns_pids: List[int]


def read_status(pid: object) -> Status:
    uids, ns_pids = None, []
    with open(f"/proc/{pid}/status", "rb") as file:
        for line in file:
            key, _, value = line.partition(b":")
            if key == b"Uid":
                real, effective, _, fs = map(int, value.split())
                uids = [real, effective, fs]
            elif key == b"NSpid":
                ns_pids = [int(word) for word in value.split()]
    return Status(uids, ns_pids)


def procfs_is_ours() -> bool:
    """Whether /proc is that of our own pid namespace; nothing in another one may be believed."""
    try:
        if int(os.readlink("/proc/self")) != os.getpid():
            return False
        return len(read_status("self").ns_pids) <= 1
    except OSError as error:
        return is_shortage(error.errno)
    except ValueError:
        return False


def namespace_inode(kind: str) -> int:
    try:
        return os.stat(f"/proc/self/ns/{kind}").st_ino
    except OSError:
        return 0


TICK_NS = 10**9 // os.sysconf("SC_CLK_TCK")


def boot_offset() -> int:
    """CLOCK_REALTIME minus CLOCK_BOOTTIME. The remaining error makes a stamp look younger, never older."""
    least, offset = 1 << 62, 0
    for _ in range(100):
        before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        real = time.time_ns()
        after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        if after - before < least:
            least, offset = after - before, real - after
        if least <= 20000:
            break
    return offset


def clock_set_step() -> int:
    """By how many nanoseconds the clock was set since the first process of our pid namespace started."""
    try:
        mounted = os.stat("/proc").st_ctime_ns
        start = read_stat(1).start if procfs_is_ours() else None
    except OSError:
        return 0
    if start is None:
        return 0
    step = boot_offset() - (mounted - start * TICK_NS)
    return step if abs(step) > 10**9 else 0
