"""Where things lie, and what a schedule is carried out with."""
import ctypes
import os
import selectors
import subprocess
import time

OTHER_UID = 65534
PREFIX = "ktstr-worker-ready-"
# Nothing takes that long, on the slowest machine either.
HANGS = 40
LIBC = ctypes.CDLL(None, use_errno=True)
MNT_DETACH = 2


def now():
    return time.monotonic_ns()


def unshare():
    """The command that runs another one in pid and mount namespaces of its own."""
    flags = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    return flags if os.getuid() == 0 else flags + ["--user", "--map-root-user"]


def mount_tmpfs(path):
    if LIBC.mount(b"none", path.encode(), b"tmpfs", 0, b"size=8m,mode=755") != 0:
        raise OSError(ctypes.get_errno(), "mount")


def unmount(path, lazily):
    """Whether it could. A worker may just have a file open there."""
    return LIBC.umount2(path.encode(), MNT_DETACH if lazily else 0) == 0


def start_of(pid):
    with open(f"/proc/{pid}/stat", encoding="latin1") as file:
        return int(file.read().rsplit(")", 1)[1].split()[19])


def state_of(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="latin1") as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "gone"


def word_of_end(info):
    return f"status={info.si_status}" if info.si_code == os.CLD_EXITED else f"signal={info.si_status}"


class Daemon:
    """One readyd. base: the descriptors that it has when nothing is asked of it."""

    def __init__(self, place):
        read, write = os.pipe()
        self.log = open(f"{place.top}/readyd.log", "ab")
        self.process = subprocess.Popen([place.readyd, "--socket", place.socket, "--dir", place.markers, "--ready-fd",
                                         str(write)], pass_fds=[write], stderr=self.log, stdin=subprocess.DEVNULL)
        self.pid = self.process.pid
        os.close(write)
        self.ready = read
        self.base = None

    def serves(self, seconds=HANGS):
        """Whether it serves; False: it has ended before."""
        serves = os.read(self.ready, 1) != b"" if selectors_wait(self.ready, seconds) else False
        os.close(self.ready)
        if serves:
            self.base = self.descriptors()
        return serves

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def is_alive(self):
        return self.process.poll() is None

    def signal(self, number):
        if self.is_alive():
            os.kill(self.pid, number)

    def switches(self):
        with open(f"/proc/{self.pid}/status", encoding="latin1") as file:
            return sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)


def selectors_wait(fd, seconds):
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        return bool(selector.select(seconds))


class Place:
    """Where things lie."""

    def __init__(self, top, build):
        self.top, self.build = top, build
        self.readyd, self.readyctl = f"{build}/daemon/readyd", f"{build}/client/readyctl"
        self.worker, self.waiter = f"{build}/tests/chaos/worker", f"{build}/tests/chaos/waiter"
        with open("/proc/self/uid_map", encoding="ascii") as file:
            self.has_other_users = int(file.readline().split()[2]) > OTHER_UID
        self.markers, self.socket, self.log = f"{top}/m", f"{top}/s", f"{top}/workers.log"

    def marker(self, pid):
        return f"{self.markers}/{PREFIX}{pid}"
