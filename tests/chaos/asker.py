"""The clients that are no programs of their own: they speak the protocol, or use the Python package.

Each function runs in a forked child, and prints a line as readyctl does, or "error ...".
"""
import os
import select
import socket
import time


class Wire:
    """As readyd-protocol(7) tells a client to do it, without a fallback."""

    def __init__(self, path, until):
        self.until = until
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(self.left())
        self.socket.connect(path)
        self.text = b""

    def left(self):
        return max(self.until - time.monotonic(), 0.001)

    def close(self):
        self.socket.close()

    def receive(self, descriptors=None):
        self.socket.settimeout(self.left())
        data, got, _, _ = socket.recv_fds(self.socket, 4096, 4)
        if not data:
            raise ConnectionResetError("end of file")
        self.text += data
        if descriptors is not None:
            descriptors += got

    def ask(self, request, descriptors=None):
        self.socket.sendall(request.encode() + b"\n")
        while b"\n" not in self.text:
            self.receive(descriptors)
        line, self.text = self.text.split(b"\n", 1)
        return line.decode()


def wire_wait(path, name, timeout):
    """The daemon keeps the time, and has 10 seconds to say so."""
    wire = Wire(path, time.monotonic() + timeout + 10)
    return wire.ask(f"WAIT {name} {int(timeout * 1000)}")


def is_readable(fd, seconds, other):
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    if other >= 0:
        poller.register(other, select.POLLIN)
    return {got: events for got, events in poller.poll(seconds * 1000)}


def wire_gate(path, name, timeout):
    """A byte is the daemon's word; a hang-up alone means: ask again."""
    pid = int(name.split(":")[0])
    until = time.monotonic() + timeout
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        pidfd = -1
    while True:
        wire, gates = Wire(path, until + 10), []
        line = wire.ask(f"GATE {name}", gates)
        wire.close()
        if not line.startswith("GATE "):
            return line
        events = is_readable(gates[0], max(until - time.monotonic(), 0), pidfd)
        if not events:
            return f"pending {line[5:]} reason=deadline"
        if events.get(gates[0], 0) & select.POLLIN:
            # What it says was true at some moment since the question; whether the process lives is not asked.
            return f"ready {line[5:]}"
        os.close(gates[0])
        if pidfd in events:
            wire = Wire(path, until + 10)
            return wire.ask(f"QUERY {name}")
        time.sleep(0.005)


def package(name, timeout, **options):
    import readyd
    try:
        return str(readyd.wait_any_verdict(name, timeout, **options))
    except OSError as error:
        return f"error {error}"


def run(function, *arguments, **options):
    try:
        line = function(*arguments, **options)
    except (OSError, ConnectionError) as error:
        line = f"error {error!r}"
    print(f"error {line}" if line.startswith("ERR") else line, flush=True)
