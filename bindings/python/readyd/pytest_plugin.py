"""Fixtures for pytest: a private daemon, and workers that are ready."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, List, Sequence

import pytest

from . import wait
from .marker import NAME_PREFIX


@dataclass(frozen=True)
class Daemon:
    """A daemon of this test's own. The environment of the test leads to it."""

    pid: int
    socket: str
    directory: str

    def marker_of(self, pid: int) -> str:
        """Where a worker must write its marker: pass it in KTSTR_WORKER_READY_MARKER_OVERRIDE, or write it."""
        return f"{self.directory}/{NAME_PREFIX}{pid}"


def _find_daemon() -> str:
    path = os.environ.get("READYD_PROGRAM") or shutil.which("readyd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not path:
        pytest.skip("readyd is not installed; READYD_PROGRAM may say where it is")
    return path


def _start(directory: Path) -> subprocess.Popen:
    read_end, write_end = os.pipe()
    try:
        with open(directory / "log", "wb") as log:
            process = subprocess.Popen(
                [_find_daemon(), "--socket", str(directory / "socket"), "--dir", str(directory / "markers"),
                 "--ready-fd", str(write_end)], pass_fds=[write_end], stdin=subprocess.DEVNULL, stderr=log)
    finally:
        os.close(write_end)
    with os.fdopen(read_end, "rb") as serves:
        if not serves.readline():
            process.wait()
            pytest.fail(f"readyd does not serve: {(directory / 'log').read_text()}")
    return process


@pytest.fixture
def readyd_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """A private daemon with a private marker directory. READYD_SOCKET and READYD_DIR are set to them."""
    directory = tmp_path / "readyd"
    (directory / "markers").mkdir(parents=True)
    process = _start(directory)
    daemon = Daemon(process.pid, str(directory / "socket"), str(directory / "markers"))
    monkeypatch.setenv("READYD_SOCKET", daemon.socket)
    monkeypatch.setenv("READYD_DIR", daemon.directory)
    try:
        yield daemon
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def ready_worker() -> Iterator[Callable[..., subprocess.Popen]]:
    """ready_worker(command, timeout=10): starts a worker and returns it once it is ready; raises readyd.NotReady with
    the reason if it dies first. All workers are killed after the test."""
    started: List[subprocess.Popen] = []

    def start(command: Sequence[str], timeout: float = 10, **keywords: object) -> subprocess.Popen:
        process = subprocess.Popen(command, **keywords)  # type: ignore[call-overload]
        started.append(process)
        wait(process.pid, timeout)
        return process

    try:
        yield start
    finally:
        for process in started:
            process.kill()
            process.wait()
