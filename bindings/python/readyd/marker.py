"""The worker's side: the marker file that says that its set-up is done."""

from __future__ import annotations

import errno
import os
from typing import Optional

DIRECTORY = "/tmp"
NAME_PREFIX = "ktstr-worker-ready-"
OVERRIDE_ENV = "KTSTR_WORKER_READY_MARKER_OVERRIDE"
CONTENT = b"ready\n"


def marker_path(pid: Optional[int] = None) -> str:
    """Where the worker writes its marker: the override if it is set, else the path for pid (default: our own)."""
    override = os.environ.get(OVERRIDE_ENV)
    if override and pid is None:
        return override
    return f"{DIRECTORY}/{NAME_PREFIX}{os.getpid() if pid is None else pid}"


def write_marker(path: Optional[str] = None) -> None:
    """Writes the marker. Does not follow a symbolic link and does not block on a FIFO: both raise OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(marker_path() if path is None else path, flags, 0o644)
    try:
        if os.write(fd, CONTENT) != len(CONTENT):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(fd)
