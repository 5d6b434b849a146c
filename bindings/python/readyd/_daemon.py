"""The connection to readyd, by the text of readyd-protocol(7). Never blocks."""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
import struct
from typing import Iterator, List, Optional, Tuple

from . import _kernel as kernel
from ._look import Place, map_is_complete


class Hello:
    """What a daemon serves."""

    def __init__(self, line: str) -> None:
        keys = dict(word.split("=", 1) for word in line.split(" ")[2:] if "=" in word)
        device, _, inode = keys.get("dir", "0:0").partition(":")
        try:
            self.pidns, self.timens = int(keys.get("pidns", 0)), int(keys.get("timens", 0))
            self.directory = (int(device), int(inode))
        except ValueError as error:
            raise OSError(errno.EPROTO, os.strerror(errno.EPROTO)) from error
        self.place = Place(_unescape(keys.get("path", "")), _unescape(keys.get("prefix", "")))

    def agrees(self, place: Optional[Place]) -> bool:
        """Whether the daemon means the same pids, starts and directory. place None: the daemon's counts."""
        for its, own in ((self.pidns, kernel.namespace_inode("pid")), (self.timens, kernel.namespace_inode("time"))):
            if its and own and its != own:
                return False
        if place is not None and place.prefix != self.place.prefix:
            return False
        return ((place or self.place).identity() or (0, 0)) == self.directory


def _unescape(text: str) -> str:
    return os.fsdecode(re.sub(rb"%([0-9A-Fa-f]{2})", lambda hit: bytes([int(hit[1], 16)]), text.encode()))


class Untrusted(OSError):
    """The process at the socket is not to be believed."""


def trusted_uid() -> Optional[int]:
    """READYD_TRUST_UID. Raises ValueError."""
    word = os.environ.get("READYD_TRUST_UID") or None
    if word is not None and not (re.fullmatch("[0-9]+", word, re.ASCII) and int(word) < (1 << 32) - 1):
        raise ValueError(f"READYD_TRUST_UID is not the number of a user: {word!r}")
    return None if word is None else int(word)


def _is_believed(uid: int) -> bool:
    """The overflow uid may stand for any user of another user namespace."""
    return uid in (0, os.geteuid(), trusted_uid()) and (uid != 65534 or map_is_complete())


def _is_roots_alone(directory: int, name: str) -> bool:
    st = os.fstat(directory)
    try:
        return (st.st_uid == 0 and not st.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
                and stat.S_ISSOCK(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode))
    except OSError:
        return False


def _connect(path: str) -> Tuple[socket.socket, int, int]:
    """A connection, and the pid and uid of what listens there."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        connection.connect(b"\0" + os.fsencode(path[1:]) if path.startswith("@") else path)
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII"))
        pid, uid, _ = struct.unpack("iII", credentials)
    except BaseException:
        connection.close()
        raise
    return connection, pid, uid


def _connect_by_directory(path: str, uid: int) -> Tuple[socket.socket, int, int]:
    """A socket is also believed by its place: a directory that is root's and that no other user can write to. What is
    connected to is what was checked."""
    parent, slash, name = path.rpartition("/")
    untrusted = Untrusted(errno.EACCES, f"the daemon belongs to user {uid}")
    if path.startswith("@"):
        raise untrusted
    directory = os.open(parent + slash + ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        through = f"/proc/self/fd/{directory}/{name}"
        if len(os.fsencode(through)) > 107 or not _is_roots_alone(directory, name):
            raise untrusted
        return _connect(through)
    finally:
        os.close(directory)


class Connection:
    def __init__(self, path: str) -> None:
        self._in, self._out = b"", b""
        self.socket, self.pid, uid = _connect(path)
        if not _is_believed(uid):
            self.socket.close()
            self.socket, self.pid, _ = _connect_by_directory(path, uid)

    def fileno(self) -> int:
        return self.socket.fileno()

    def close(self) -> None:
        self.socket.close()

    @property
    def wants_write(self) -> bool:
        return bool(self._out)

    def send(self, lines: List[str]) -> None:
        self._out += "".join(line + "\n" for line in lines).encode()
        self.flush()

    def flush(self) -> None:
        try:
            while self._out:
                self._out = self._out[self.socket.send(self._out, socket.MSG_NOSIGNAL):]
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            self._out = b""  # what the daemon sent before can still be read

    def lines(self) -> Iterator[str]:
        """What has arrived. Raises OSError when the connection has ended."""
        while True:
            line, newline, rest = self._in.partition(b"\n")
            if newline:
                self._in = rest
                yield line.rstrip(b"\r").decode(errors="replace")
                continue
            if len(self._in) > 2048:
                raise OSError(errno.EPROTO, os.strerror(errno.EPROTO))
            try:
                data = self.socket.recv(65536)
            except BlockingIOError:
                return
            if not data:
                raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
            self._in += data
