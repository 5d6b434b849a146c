"""The connection to readyd, by the text of readyd-protocol(7). Never blocks."""

from __future__ import annotations

import errno
import os
import re
import socket
import struct
from typing import Iterator, List, Optional

from . import _kernel as kernel
from ._look import Place


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
    """The process at the socket is neither root's nor our own user's."""


class Connection:
    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self._in, self._out = b"", b""
        try:
            self.socket.connect(b"\0" + os.fsencode(path[1:]) if path.startswith("@") else path)
            credentials = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII"))
            self.pid, uid, _ = struct.unpack("iII", credentials)
            if uid not in (0, os.geteuid()):
                raise Untrusted(errno.EACCES, f"the daemon belongs to user {uid}")
        except BaseException:
            self.socket.close()
            raise

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
