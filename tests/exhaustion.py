"""Asks about six processes while descriptors or memory are short, and judges the answers.

Run by e2e_exhaustion.sh as root in a pid namespace in which no other process forks. Each answer must be the right one,
or say that the process could not be examined; once there is room again, it must be the right one soon.
"""
import os
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import time

READYCTL, READYD = os.environ["READYCTL"], os.environ["READYD"]
SOCKET, DIRECTORY = os.environ["READYD_SOCKET"], os.environ["READYD_DIR"]
PRELOAD = os.environ["LIMIT_SHIM"]
OTHER_UID = 65534
# A wait is told within a tick of 250 ms; the rest is for a busy machine.
SOON = 2.0
HANGS = 30
PLENTY = 1 << 30
RIGHT = {
    "leftover": r"stale P( start=S)? reason=older-than-process",
    "foreign": r"stale P( start=S)? reason=foreign-owner",
    "good": r"ready P( age=assumed)? start=S",
    "zombie": r"died P( start=S)?( status=\w+)?",
    "living": r"pending P start=S",
    "former": r"died P start=S reason=pid-reused( status=unknown)?",
}


def marker(pid):
    return f"{DIRECTORY}/ktstr-worker-ready-{pid}"


def mark(pid, uid=-1):
    """The name appears with the owner."""
    with open(f"{DIRECTORY}/new", "w") as file:
        file.write("ready\n")
    os.chown(file.name, uid, -1)
    os.rename(file.name, marker(pid))


def start_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rsplit(")", 1)[1].split()[19])


def fork():
    pid = os.fork()
    if pid == 0:
        os.closerange(0, 64)
        signal.pause()
        os._exit(0)
    return pid


def fork_as(pid):
    """A process with this pid."""
    for _ in range(100):
        with open("/proc/sys/kernel/ns_last_pid", "w") as file:
            file.write(str(pid - 1))
        got = fork()
        if got == pid:
            return
        end(got)
    sys.exit(f"no process gets pid {pid}")


def end(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


class Six:
    """One process of each kind. The marker of the leftover has the pid `number`."""

    def __init__(self, number):
        fork_as(number)
        self.pids = {"leftover": number}
        for kind in ("foreign", "good", "zombie", "living", "former"):
            self.pids[kind] = fork()
        mark(self.pids["foreign"], OTHER_UID)
        mark(self.pids["good"])
        mark(self.pids["former"])
        self.starts = {kind: start_of(pid) for kind, pid in self.pids.items()}
        self.starts["former"] += 1
        os.kill(self.pids["zombie"], signal.SIGKILL)
        os.waitid(os.P_PID, self.pids["zombie"], os.WEXITED | os.WNOWAIT)

    def name(self, kind):
        pid = str(self.pids[kind])
        return f"{pid}:{self.starts[kind]}" if kind == "former" else pid

    def names(self):
        return [self.name(kind) for kind in RIGHT]

    def is_right(self, kind, line):
        regex = RIGHT[kind].replace("P", str(self.pids[kind])).replace("S", str(self.starts[kind]))
        if kind == "zombie":
            regex += r"( signal=9)?"
        return re.fullmatch(regex, line) is not None

    def is_unknown(self, kind, line):
        """Whether it says that the process could not be examined."""
        pid = self.pids[kind]
        return re.match(rf"((pending|unreachable) {pid}( start=\d+)? reason=|ERR no-resources pid={pid} )", line)

    def end(self):
        for pid in self.pids.values():
            end(pid)
            if os.path.exists(marker(pid)):
                os.unlink(marker(pid))


def note_old_markers(numbers):
    """Leftovers, certainly older than what starts after this call."""
    for number in numbers:
        mark(number)
    time.sleep(0.1)


# --- readers


def limited(arguments, variable, value, **more):
    """Starts a program that sets this limit when it has been loaded."""
    environment = dict(os.environ, **{"LD_PRELOAD": PRELOAD, variable: str(value)})
    # The heap grows by single pages, so that each step stops another allocation.
    environment["GLIBC_TUNABLES"] = "glibc.malloc.top_pad=0"
    environment.update(more.pop("env", {}))
    return subprocess.Popen(arguments, env=environment, stdin=subprocess.DEVNULL, text=True, **more)


def readyctl(*arguments, variable, value, backend):
    return limited(
        [READYCTL, *arguments], variable, value, env={"READYD_BACKEND": backend},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class Tally:
    def __init__(self):
        self.right = self.unknown = self.errors = 0

    def __str__(self):
        return f"{self.right} right, {self.unknown} unknown, {self.errors} errors"


def judge_status(six, child, what, tally):
    """Of `readyctl status` with all six."""
    out, err = child.communicate(timeout=HANGS)
    if child.returncode == 125:
        assert err.startswith("readyctl: "), f"{what}: no clear error: {err!r}"
        tally.errors += 1
    else:
        assert child.returncode in (1, 3, 4, 5, 6), f"{what}: exit status {child.returncode}: {out}{err}"
        assert len(out.splitlines()) == 6, f"{what}: {out}{err}"
    for kind, line in zip(RIGHT, out.splitlines()):
        right = six.is_right(kind, line)
        assert right or six.is_unknown(kind, line), f"{what}: {kind}: {line}"
        tally.right += right
        tally.unknown += not right


# What `wait --timeout` may exit with where it can examine the process.
WAITS = {"leftover": 124, "foreign": 124, "good": 0, "zombie": 3, "living": 124, "former": 3}


def judge_wait(kind, child, what, tally):
    out, err = child.communicate(timeout=HANGS)
    assert child.returncode in (WAITS[kind], 124, 125), f"{what}: {kind}: exit status {child.returncode}: {out}{err}"
    assert child.returncode == 0 or err.startswith("readyctl: ") or kind in ("zombie", "former"), f"{what}: silent"
    tally.right += child.returncode == WAITS[kind]
    tally.errors += child.returncode == 125
    tally.unknown += child.returncode == 124 != WAITS[kind]


def late_marker(variable, values, backend, tally):
    """The marker comes while readers wait for it."""
    worker = fork()
    arguments = ["wait", "--timeout", "0.5", str(worker)]
    children = [readyctl(*arguments, variable=variable, value=value, backend=backend) for value in values]
    mark(worker)
    for value, child in zip(values, children):
        judge_wait("good", child, f"late marker, {backend}, {variable}={value}", tally)
    end(worker)
    os.unlink(marker(worker))


def readers(variable, values, backends):
    """Each limit for `readyctl status`, and for `readyctl wait` with the first backend."""
    note_old_markers([200])
    six, tally = Six(200), {}
    for backend in backends:
        tally[backend] = Tally()
        for value in values:
            child = readyctl("status", *six.names(), variable=variable, value=value, backend=backend)
            judge_status(six, child, f"status by {backend}, {variable}={value}", tally[backend])
    tally["wait"] = Tally()
    for value in values:
        children = {
            kind: readyctl("wait", "--timeout", "0.1", six.name(kind), variable=variable, value=value, backend=backends[0])
            for kind in RIGHT}
        for kind, child in children.items():
            judge_wait(kind, child, f"wait, {variable}={value}", tally["wait"])
    tally["late"] = Tally()
    six.end()
    late_marker(variable, values, backends[0], tally["late"])
    for name, counts in tally.items():
        print(f"{variable}, {name}: {counts}")
        assert counts.right > 6 and counts.unknown + counts.errors > 0, "the limits do not matter"


# --- the daemon


class Client:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(SOCKET)
        self.buffer = b""

    def send(self, lines):
        self.socket.sendall("".join(line + "\n" for line in lines).encode())

    def line(self, seconds):
        """The next line; None: there is none within the time. '': the daemon has ended."""
        self.socket.settimeout(seconds)
        while b"\n" not in self.buffer:
            try:
                more = self.socket.recv(65536)
            except (TimeoutError, BlockingIOError):
                return None
            except ConnectionResetError:
                more = b""
            if not more:
                return ""
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode()


def set_soft_limit(pid, value):
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (value, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))


def query(client, six, seconds):
    client.send("QUERY " + six.name(kind) for kind in RIGHT)
    return [client.line(seconds) for _ in RIGHT]


def judge_answers(six, lines, what, tally):
    for kind, line in zip(RIGHT, lines):
        right = six.is_right(kind, line)
        assert right or six.is_unknown(kind, line), f"{what}: {kind}: {line}"
        tally.right += right
        tally.unknown += not right


def expect_right(client, six, what):
    for kind, line in zip(RIGHT, query(client, six, HANGS)):
        assert six.is_right(kind, line), f"{what}: with room again: {kind}: {line}"


def is_soon(since, what):
    took = time.monotonic() - since
    assert took < SOON, f"{what}: {took:.1f} s after there is room"


def start_daemon(variable, value, log):
    """Returns the daemon, and whether it serves."""
    reading, writing = os.pipe()
    daemon = limited(
        [READYD, "--socket", SOCKET, "--dir", DIRECTORY, "--ready-fd", str(writing)], variable, value,
        stderr=log, pass_fds=[writing])
    os.close(writing)
    serves = select.select([reading], [], [], HANGS)[0] and os.read(reading, 1) != b""
    os.close(reading)
    return daemon, serves


def limited_from_the_start(numbers):
    """Daemons that are started with each limit, which is raised later."""
    note_old_markers([200])
    six, tally = Six(200), Tally()
    failed = 0
    for number in numbers:
        what = f"started with {number} descriptors"
        with open("start.log", "w+") as log:
            daemon, serves = start_daemon("LIMIT_NOFILE", number, log)
            if not serves:
                failed += 1
                assert daemon.wait(HANGS) in (1, 71), f"{what}: exit status {daemon.returncode}"
                log.seek(0)
                assert "readyd: " in log.read(), f"{what}: ends without a message"
                continue
        client = Client()
        client.send("QUERY " + six.name(kind) for kind in RIGHT)
        lines = [client.line(0.01) for _ in RIGHT]
        judge_answers(six, [line for line in lines if line is not None], what, tally)
        set_soft_limit(daemon.pid, 1024)
        raised = time.monotonic()
        for kind in list(RIGHT)[len(RIGHT) - lines.count(None):]:
            line = client.line(HANGS)
            assert six.is_right(kind, line), f"{what}: with room again: {kind}: {line}"
        is_soon(raised, what)
        expect_right(client, six, what)
        daemon.terminate()
        assert daemon.wait(HANGS) == 0, f"{what}: exit status {daemon.returncode}"
    assert tally.right > 6 and failed > 0, "the limits do not matter"
    # What it has accepted it can examine.
    assert tally.unknown == 0, f"{tally}: it has accepted a client without descriptors to examine processes"
    print(f"daemon, limited from the start: {tally}; {failed} did not serve")


def lowered_later(daemon, numbers):
    """The limit of a daemon that serves is lowered to each number, and raised again."""
    plenty = resource.prlimit(daemon, resource.RLIMIT_NOFILE)[0]
    client, tally = Client(), Tally()
    # Numbers below 300 are not given again to processes outside of the namespace, which could be those of other tests.
    leftovers = {number: 40 + 7 * number for number in numbers}  # six, and one that is waited for
    note_old_markers(leftovers.values())
    for number in numbers:
        what = f"limit lowered to {number}"
        set_soft_limit(daemon, number)
        six, waited = Six(leftovers[number]), fork()
        judge_answers(six, query(client, six, HANGS), what, tally)
        client.send([f"WAIT {waited}"])
        refusal = client.line(0.02)
        assert refusal is None or refusal.startswith(f"ERR no-resources pid={waited} "), f"{what}: WAIT: {refusal}"
        mark(waited)
        set_soft_limit(daemon, plenty)
        raised = time.monotonic()
        if refusal is None:
            line = client.line(HANGS)
            assert line.startswith(f"ready {waited} "), f"{what}: WAIT: {line}"
        expect_right(client, six, what)
        is_soon(raised, what)
        six.end()
        end(waited)
        os.unlink(marker(waited))
    print(f"daemon, lowered: {tally}")
    assert tally.right > 6 and tally.unknown > 0, "the limits do not matter"


def ask_until_it_ends(daemon, most):
    """Asks for waits until it has no memory for another one. True: it still serves after so many connections."""
    lines = "".join(f"WAIT {os.getpid()}\n" for _ in range(4000)) + "PING\n"
    clients = []
    try:
        for _ in range(most):
            clients.append(Client())
            clients[-1].send([lines])
            if clients[-1].line(HANGS) != "PONG":
                break
    except (ConnectionResetError, ConnectionRefusedError, BrokenPipeError, FileNotFoundError):
        pass
    return len(clients) == most and not select.select([daemon], [], [], 0)[0]


def little_memory_of_readyd(limit, statuses):
    """Daemons that get this little more memory than they have, while programs wait. limit(pid, bytes) sets that."""
    note_old_markers([200])
    six, tally = Six(200), Tally()
    for more in (0, 64 << 10, 512 << 10, 1 << 20, PLENTY):
        what = f"readyd with {more >> 10} KiB more"
        with open("start.log", "w+") as log:
            daemon, serves = start_daemon("LIMIT_NOTHING", 0, log)
            assert serves, f"{what}: does not serve"
            worker = fork()
            waiter = readyctl("wait", "--timeout", "30", str(worker), variable="LIMIT_NOTHING", value=0, backend="auto")
            limit(daemon.pid, more)
            pidfd = os.pidfd_open(daemon.pid)
            child = readyctl("status", *six.names(), variable="LIMIT_NOTHING", value=0, backend="auto")
            serves = ask_until_it_ends(pidfd, 4 if more == PLENTY else 100)
            assert serves == (more == PLENTY), f"{what}: {'still serves' if serves else 'has ended'}"
            judge_status(six, child, what, tally)
            child = readyctl("status", *six.names(), variable="LIMIT_NOTHING", value=0, backend="auto")
            judge_status(six, child, f"{what}, afterwards", tally)
            mark(worker)
            _, err = waiter.communicate(timeout=HANGS)
            assert waiter.returncode == 0, f"{what}: the waiter: exit status {waiter.returncode}: {err}"
            if serves:
                daemon.terminate()
            got = daemon.wait(HANGS)
            log.seek(0)
            text = log.read()
            assert got == 0 if serves else got in statuses, f"{what}: exit status {got}: {text}"
            assert got != 71 or "out of memory, stopping" in text, f"{what}: {text}"
        os.close(pidfd)
        end(worker)
        os.unlink(marker(worker))
    print(f"daemon, memory: {tally}")
    assert (tally.unknown, tally.errors) == (0, 0), "clients do not depend on the daemon"


def limit_address_space(pid, more):
    with open(f"/proc/{pid}/statm") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.prlimit(pid, resource.RLIMIT_AS, (size + more, resource.RLIM_INFINITY))


def limit_cgroup(pid, more):
    """By the memory controller, of either version; the memory that it has is charged to another group."""
    path = os.environ["CGROUP"]
    name = "memory.max" if os.path.exists(f"{path}/memory.max") else "memory.limit_in_bytes"
    for file, value in ((name, "max" if name == "memory.max" else "-1"), ("cgroup.procs", pid), (name, more + (64 << 10))):
        with open(f"{path}/{file}", "w") as out:
            out.write(str(value))


def main():
    numbers = range(3, 41)
    if sys.argv[1] == "readers":
        readers("LIMIT_NOFILE", numbers, sys.argv[2:])
    elif sys.argv[1] == "memory":
        readers("LIMIT_AS", [1024 * kib for kib in (*range(0, 80, 4), 240)], sys.argv[2:])
    elif sys.argv[1] == "start":
        limited_from_the_start(numbers)
    elif sys.argv[1] == "lowered":
        lowered_later(int(sys.argv[2]), numbers)
    elif sys.argv[1] == "daemon-memory":
        little_memory_of_readyd(limit_address_space, [71])
    elif sys.argv[1] == "daemon-cgroup":
        little_memory_of_readyd(limit_cgroup, [71, -signal.SIGKILL])


main()
