"""A look at a process and its marker, and the verdict that follows: the same rules as libreadyd's.

What was seen decides before what clocks say, and what is not known acquits nothing: a marker that may be a leftover
or another user's is never "ready".
"""

from __future__ import annotations

import errno
import os
import stat
import time
from dataclasses import dataclass, field, replace
from typing import List, Optional, Tuple

from . import _kernel as kernel
from ._answer import Answer, Verdict

FileId = Tuple[int, int, int]  # device, inode, mtime: the same file, not written in between

# Stamps of a file system with our kernel's clock are late by a timer tick; a server's clock is not known.
GRAIN_NS, MARGIN_NS, SECOND_NS = 40_000_000, 5_000_000_000, 1_000_000_000
# A marker is written as soon as it is created, but for a worker that is preempted in between.
WRITING_NS = SECOND_NS
KERNEL_CLOCK = frozenset((
    0x01021994, 0x858458f6, 0x958458f6, 0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0x3434, 0x52654973, 0x4d44,
    0xca451a4e, 0x2011bab0, 0x482b, 0x3153464a, 0x7366746e, 0x15013346, 0x2fc12fc1))
LAYER_CLOCK = frozenset((0x794c7630, 0xf15f))
FAT = 0x4d44
O_TMPFILE_FLAGS = os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC


@dataclass(frozen=True)
class Place:
    """Where markers are: the directory, and the name without the pid."""

    directory: str
    prefix: str

    def identity(self) -> Optional[Tuple[int, int]]:
        try:
            st = os.stat(self.directory)
        except OSError:
            return None
        return st.st_dev, st.st_ino


class Process:
    """A pid and a start. Everything is read after the pidfd was opened, and before a check that the process still
    has the pid."""

    def __init__(self, pid: int, start: Optional[int] = None) -> None:
        self.pid = self.ns_pid = pid
        self.fd = -1
        self.start: Optional[int] = None
        self.uids: Optional[List[int]] = None
        self.absent = self.reused = self.unread = self.identity_unknown = self.kernel = False
        self._open()
        if start is not None:
            self._demand(start)

    def _open(self) -> None:
        try:
            self.fd = kernel.pidfd_open(self.pid)
        except OSError as error:
            # EINVAL, on newer kernels ENOENT: it is a thread's, or its process is being reaped.
            if error.errno in (errno.ESRCH, errno.EINVAL, errno.ENOENT):
                self.absent = True
                return
        zombie = False
        try:
            line = self._read_stat()
            self.start, zombie, self.kernel = line.start, line.state == "Z", line.kernel
            self._read_status()
        except OSError as error:
            self.unread = kernel.is_shortage(error.errno)
            self.absent = self.fd < 0 and not self._exists()
        if self.fd >= 0 and kernel.is_readable(self.fd) and not zombie and not kernel.keeps_pid(self.fd):
            self.start = self.uids = None

    def _demand(self, start: int) -> None:
        if self.start is not None and self.start != start:
            self.close()
            self.absent = self.reused = True
        self.identity_unknown = not self.absent and self.start is None and self.life() != "gone"
        self.start = start

    def _read_stat(self) -> kernel.Stat:
        if not kernel.procfs_is_ours():
            raise OSError(errno.ENOENT, "/proc")
        return kernel.read_stat(self.pid)

    def _read_status(self) -> None:
        status = kernel.read_status(self.pid)
        if status.ns_pids:
            self.ns_pid = status.ns_pids[-1]
        self.uids = status.uids

    def _exists(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except OSError as error:
            return error.errno != errno.ESRCH
        return True

    @property
    def start_known(self) -> bool:
        return self.start is not None and not self.identity_unknown

    @property
    def in_child_ns(self) -> bool:
        return self.ns_pid != self.pid

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def life(self) -> str:
        """"lives", "gone" (zombies included) or "unknown"."""
        if self.absent:
            return "gone"
        if self.fd >= 0:
            return "gone" if kernel.is_readable(self.fd) else "lives"
        try:
            line = self._read_stat()
        except OSError as error:
            if not self._exists():
                return "gone"
            return "unknown" if kernel.is_shortage(error.errno) else "lives"
        another = self.start is not None and line.start != self.start
        return "gone" if another or (line.state == "Z" and line.threads <= 1) else "lives"

    def has_successor(self) -> bool:
        """Whether another process has the pid of one that has ended and is reaped."""
        if self.fd >= 0:
            return not kernel.keeps_pid(self.fd) and self._exists()
        if self.absent or self.start is None:
            return False
        try:
            return self._read_stat().start != self.start
        except OSError:
            return False

    def wait_status(self) -> Optional[int]:
        """As from waitpid(2); None if the kernel does not report it."""
        status = self._reported_status()
        if status is None:
            status = self._zombie_status()
        # It may have been reaped between the two.
        return self._reported_status() if status is None else status

    def _reported_status(self) -> Optional[int]:
        return kernel.pidfd_info(self.fd).exit_status if self.fd >= 0 else None

    def _zombie_status(self) -> Optional[int]:
        if not self.start_known:
            return None
        try:
            line = self._read_stat()
        except OSError:
            return None
        if line.start != self.start or line.state not in "ZX":
            return None
        # A reader without ptrace access sees 0 too.
        return line.exit_code if line.exit_code != 0 or os.geteuid() == 0 else None

    def has_uid(self, uid: int) -> Optional[bool]:
        """Whether a file that it has created can have this owner; None: cannot be read. OSError: a shortage."""
        now = kernel.pidfd_info(self.fd).uids if self.fd >= 0 else None
        if now is None:
            try:
                now = kernel.read_status(self.pid).uids if kernel.procfs_is_ours() else None
            except OSError as error:
                if kernel.is_shortage(error.errno):
                    raise
            if self.life() == "gone" and not (self.fd >= 0 and kernel.keeps_pid(self.fd)):
                now = None
        if now is not None:
            return uid in now
        return True if self.uids is not None and uid in self.uids else None


@dataclass
class Marker:
    """What has the marker's name: "absent", "file", "other", "no-directory", "denied" or "unknown"."""

    kind: str
    st: Optional[os.stat_result] = None
    error: int = 0

    @property
    def id(self) -> Optional[FileId]:
        return (self.st.st_dev, self.st.st_ino, self.st.st_mtime_ns) if self.kind == "file" and self.st else None


def _kind_of_failure(error: int) -> str:
    if error in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
        return "no-directory"
    return "denied" if error in (errno.EACCES, errno.EPERM) else "unknown"


def stat_marker(directory: str, name: str) -> Marker:
    """Uses lstat(2) only. Of an absent marker, st is the directory's."""
    try:
        st = os.lstat(f"{directory}/{name}")
        return Marker("file" if stat.S_ISREG(st.st_mode) else "other", st)
    except OSError as error:
        failure = error.errno or 0
    if failure == errno.ENOENT:
        try:
            return Marker("absent", os.stat(directory))
        except OSError as error:
            failure = error.errno or 0
    return Marker(_kind_of_failure(failure), None, failure)


@dataclass
class View:
    """Where a process leaves its marker: in our directory ("same", also if no other is known: "none", "hidden"), in
    another one ("other"), or "unknown" or "inaccessible"."""

    where: str
    marker: Marker
    directory: Optional[Tuple[int, int]] = None
    fd: int = -1  # of another directory, for the caller to close at once


def _root_of(process: Process) -> str:
    """"ours", "other", "none", "hidden" or "unknown", from names that the kernel makes up without a file system."""
    if process.absent or not process.start_known or not kernel.procfs_is_ours():
        return "none"
    base = f"/proc/{process.pid}"
    try:
        if os.readlink(f"{base}/ns/mnt") != os.readlink("/proc/self/ns/mnt"):
            return "other"
        return "ours" if os.readlink(f"{base}/root") == "/" else "other"
    except OSError as error:
        if kernel.is_shortage(error.errno):
            return "unknown"
        return "hidden" if error.errno in (errno.EACCES, errno.EPERM) else "none"


def view_marker(place: Place, process: Process) -> View:
    """The view of another directory has a descriptor: close it at once, since it keeps the file system mounted."""
    name = f"{place.prefix}{process.ns_pid}"
    root = _root_of(process)
    if root == "unknown":
        return View("unknown", Marker("unknown"))
    if root != "other":
        return View({"ours": "same"}.get(root, root), stat_marker(place.directory, name))
    try:
        fd = kernel.open_in_root(f"/proc/{process.pid}/root", place.directory)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EACCES, errno.EPERM):
            return View("inaccessible", Marker("unknown"))
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EXDEV):
            if process.life() == "gone":
                return View("none", stat_marker(place.directory, name))
            return View("other", Marker("no-directory"))
        return View("unknown", Marker("unknown"))
    st = os.fstat(fd)
    marker = stat_marker(f"/proc/self/fd/{fd}", name)
    where = "same" if place.identity() == (st.st_dev, st.st_ino) else "other"
    if where == "same":
        os.close(fd)
        return View(where, marker)
    return View(where, marker, (st.st_dev, st.st_ino), fd)


@dataclass
class Trust:
    """A stamp S stands for a moment in [S, S + grain] of a clock that is ours plus skew, give or take margin."""

    grain: int
    margin: int
    skew: int = 0


def read_trust(directory: str, st: os.stat_result, then: int) -> Trust:
    """How far the stamps of a file system can be trusted. Where that may decide, its clock is read from a file
    without a name. Raises OSError if descriptors or memory ran out."""
    kind = kernel.fs_type(directory)
    whole = st.st_ctime_ns % SECOND_NS == 0
    trust = Trust((2 * SECOND_NS if kind == FAT else SECOND_NS) if whole else GRAIN_NS,
                  0 if kind in KERNEL_CLOCK else MARGIN_NS)
    most = trust.grain + trust.margin + kernel.TICK_NS
    if trust.margin == 0 or not -most < st.st_ctime_ns - then < most:
        return trust
    before = time.time_ns()
    try:
        fd = os.open(directory, O_TMPFILE_FLAGS, 0o600)
    except OSError as error:
        if kernel.is_shortage(error.errno):
            raise
        if kind in LAYER_CLOCK:
            trust.margin = 0
        return trust
    try:
        shown = os.fstat(fd).st_ctime_ns
    finally:
        os.close(fd)
    return narrow(trust, kind in LAYER_CLOCK, before, shown, time.time_ns())


def narrow(trust: Trust, layer: bool, before: int, shown: int, after: int) -> Trust:
    """A file that was created between before and after shows this stamp."""
    if after < before:
        return trust
    grain = max(trust.grain, SECOND_NS) if shown % SECOND_NS == 0 else trust.grain
    least, most = shown - after, shown + grain - before
    if layer and least <= 0 <= most:
        return Trust(grain, 0)
    return Trust(grain, (most - least + 1) // 2, least + (most - least) // 2)


def clock_set_excuses(stamp: int, age: int) -> bool:
    """Whether a stamp that looks too old may be valid, written before the clock was set forward."""
    step = kernel.clock_set_step()
    late = (30 if kernel.namespace_inode("pid") == 0xEFFFFFFC else 2) * SECOND_NS
    return step > 0 and age <= step + late and stamp + step <= time.time_ns()


@dataclass
class History:
    """What this observer has seen of a process so far."""

    strict: bool = False
    latched: bool = False
    assumed: bool = False
    confirmed: bool = False  # the daemon has said that the marker is its own
    absent: Optional[Tuple[int, int]] = None  # it was alive while no marker was in that directory
    absent_since: int = 0  # CLOCK_BOOTTIME in nanoseconds; 0: not known
    leftover: Optional[FileId] = None  # there while an earlier process, or none, had the pid
    foreign: Optional[FileId] = None
    other_directory: bool = False
    # An event reported its marker in that directory while it was running, and no look has seen it.
    came: Optional[Tuple[int, int]] = None
    present: bool = False  # the last look saw something under that name, so an event may be about that
    unconfirmed: bool = False  # of the last look: ready, but an earlier observer may know better
    refuted: bool = False  # it has ended, and the marker that is there is older


@dataclass
class Observation:
    marker: Marker = field(default_factory=lambda: Marker("absent"))
    gone: bool = False
    succeeded: bool = False  # another process had its pid after the look at the marker
    foreign: bool = False
    owner_unknown: bool = False
    trust: Trust = field(default_factory=lambda: Trust(GRAIN_NS, 0))
    now: int = 0
    offset: int = 0
    was_set: bool = False
    shared: bool = False  # others than root and the user of the process can write to the directory
    born: Optional[int] = None  # when the file was created, under whatever name; None: not known
    ambiguous: bool = False
    ambiguity_unchecked: bool = False
    inaccessible: bool = False
    unknown: bool = False
    look_failed: bool = False
    arrived: bool = False  # its marker came and is gone
    went: bool = False  # a file came and is gone, where others could have created and removed it
    fd: int = -1


def map_is_complete() -> bool:
    try:
        with open("/proc/self/uid_map", encoding="ascii") as file:
            return [int(word) for word in file.readline().split()] == [0, 0, 4294967295]
    except FileNotFoundError:
        return os.access("/proc/self/stat", os.F_OK)
    except (OSError, ValueError):
        return False


def _has_user(process: Process, uid: int) -> Optional[bool]:
    """As Process.has_uid(). Of a process that was never seen no uid is known, so any user may have created the file: our
    user's counts."""
    if not process.absent:
        return process.has_uid(uid)
    return True if uid == os.geteuid() else None


def _check_owner(process: Process, history: History, seen: Observation) -> None:
    uid = seen.marker.st.st_uid if seen.marker.st else 0
    own: Optional[bool] = True
    if uid != 0:
        try:
            own = _has_user(process, uid)
        except OSError:
            seen.unknown = True
    # The kernel shows all users that our user namespace does not map by this number.
    if own and uid == 65534 and not map_is_complete():
        own = None
    seen.foreign = own is False or (history.foreign is not None and history.foreign == seen.marker.id)
    if seen.foreign:
        history.foreign = seen.marker.id
    seen.owner_unknown = own is None


def _could_have_left(place: Place, other: Process, view: View, seen: Observation) -> bool:
    """Whether this process existed when the marker was written, has its owner's uid, and sees its directory. OSError:
    that cannot be read."""
    st = seen.marker.st
    if st is None or other.kernel or other.life() == "gone":
        return False
    came = st.st_ctime_ns - kernel.boot_offset() + kernel.TICK_NS
    if other.start is not None and other.start * kernel.TICK_NS > came:
        return False
    own = other.has_uid(st.st_uid)
    if own is False:
        return False
    its = view_marker(place, other)
    if its.fd >= 0:
        os.close(its.fd)
    if own is None or other.unread or its.where == "unknown":
        raise OSError(errno.EMFILE, f"/proc/{other.pid}")
    return its.where in ("same", "other") and (its.directory or place.identity()) == (
        view.directory or place.identity())


def _has_name(pid: int, ns_pid: int) -> bool:
    """Whether this process, if it is there, leaves a marker of that name. OSError: a shortage."""
    try:
        ns_pids = kernel.read_status(pid).ns_pids
    except OSError as error:
        if kernel.is_shortage(error.errno):
            raise
        return False
    return bool(ns_pids) and ns_pids[-1] == ns_pid


def _is_ambiguous(place: Place, process: Process, view: View, seen: Observation) -> bool:
    """Looks through /proc for another process with this marker name, for a process in a child pid namespace. OSError:
    not all that matters can be read."""
    failure: Optional[OSError] = None
    for pid in [int(name) for name in os.listdir("/proc") if name.isdigit()]:
        if pid in (1, process.pid):
            continue
        try:
            if not _has_name(pid, process.ns_pid):
                continue
            other = Process(pid)
            try:
                if _could_have_left(place, other, view, seen):
                    return True
            finally:
                other.close()
        except OSError as error:
            failure = error
    if failure is not None:
        raise failure
    return False


def _check_ambiguity(place: Place, process: Process, history: History, alone: bool, view: View,
                     seen: Observation) -> None:
    """Last: where age or owner prove that the marker is not its own, it does not matter which process has left it."""
    if history.latched or history.confirmed or not process.in_child_ns:
        return
    seen.ambiguity_unchecked = not alone
    if not alone or weigh(process, history, seen) in ("foreign", "leftover"):
        return
    try:
        seen.ambiguous = _is_ambiguous(place, process, view, seen)
    except OSError as error:
        seen.unknown |= kernel.is_shortage(error.errno)


def _needs_stamps(history: History, marker: Marker) -> bool:
    return (not history.latched and not history.confirmed and history.absent is None and
            (history.leftover is None or history.leftover != marker.id))


def _age_of(process: Process, seen: Observation, stamp: int) -> int:
    return min(process.start or 0, 1 << 62) * kernel.TICK_NS - (stamp - seen.trust.skew - seen.offset)


def _age_at_start(process: Process, seen: Observation) -> int:
    return _age_of(process, seen, seen.marker.st.st_ctime_ns if seen.marker.st else 0)


def _in_future(seen: Observation) -> bool:
    stamp = (seen.marker.st.st_ctime_ns if seen.marker.st else 0) - seen.trust.skew
    return stamp > seen.now + seen.trust.grain + seen.trust.margin


def _never_seen(process: Process, history: History) -> bool:
    """Then the file alone tells when it was created."""
    return process.absent and not _has_start(process) and history.absent_since == 0


def _was_born_before(process: Process, history: History, seen: Observation) -> bool:
    """Neither a link nor a rename changes the times of birth and of writing."""
    st = seen.marker.st
    if seen.born is None or st is None:
        return False
    if _never_seen(process, history):
        return st.st_ctime_ns - seen.born > WRITING_NS
    start = process.start * kernel.TICK_NS if process.start is not None else history.absent_since
    if st.st_ctime_ns - seen.born > seen.now - seen.offset - start + GRAIN_NS:
        return True
    age = start - (seen.born - seen.trust.skew - seen.offset)
    return age > seen.trust.grain + seen.trust.margin and not clock_set_excuses(seen.born, age)


def _was_written_before(process: Process, history: History, seen: Observation) -> bool:
    st = seen.marker.st
    if st is None:
        return False
    if _never_seen(process, history):
        return st.st_ctime_ns - st.st_mtime_ns > WRITING_NS
    return _age_of(process, seen, st.st_mtime_ns) > seen.trust.grain + seen.trust.margin


def _may_be_moved(process: Process, history: History, seen: Observation) -> bool:
    return ((seen.marker.st is not None and seen.marker.st.st_nlink > 1) or _was_born_before(process, history, seen) or
            (_never_seen(process, history) and _was_written_before(process, history, seen)))


def _is_moved(process: Process, history: History, seen: Observation) -> bool:
    """Others may have given an old file that name."""
    return seen.shared and _may_be_moved(process, history, seen)


def _is_shared(process: Process, st: os.stat_result) -> bool:
    return st.st_mode & 0o022 != 0 or (st.st_uid != 0 and _has_user(process, st.st_uid) is not True)


def _check_origin(place: Place, process: Process, history: History, view: View, seen: Observation) -> None:
    """When the file was created, and whether others can have moved it there."""
    st = seen.marker.st
    if st is None or history.latched or history.confirmed:
        return
    directory = f"/proc/self/fd/{view.fd}" if view.fd >= 0 else place.directory
    try:
        seen.born = kernel.birth_ns(f"{directory}/{place.prefix}{process.ns_pid}", st)
        if not seen.now:
            seen.now, seen.offset = time.time_ns(), kernel.boot_offset()
        seen.shared = _may_be_moved(process, history, seen) and _is_shared(process, os.stat(directory))
    except OSError as error:
        if kernel.is_shortage(error.errno):
            seen.unknown = True
        else:
            seen.look_failed = True


def _check_clocks(place: Place, process: Process, view: View, seen: Observation) -> None:
    st = seen.marker.st
    if st is None:
        return
    seen.now, seen.offset = time.time_ns(), kernel.boot_offset()
    directory = f"/proc/self/fd/{view.fd}" if view.fd >= 0 else place.directory
    try:
        seen.trust = read_trust(directory, st, (process.start or 0) * kernel.TICK_NS + seen.offset)
    except OSError:
        seen.unknown = True
    age = _age_at_start(process, seen)
    seen.was_set = age > seen.trust.grain + seen.trust.margin and clock_set_excuses(st.st_ctime_ns, age)


def _observe(place: Place, process: Process, history: History, alone: bool, seen: Observation) -> None:
    view = view_marker(place, process)
    try:
        _take_view(place, process, history, alone, view, seen)
    finally:
        if view.fd >= 0:
            os.close(view.fd)


def _is_private(place: Place, process: Process, directory: Tuple[int, int]) -> bool:
    """Whether that is our directory, and only root and the user of the process can write to it."""
    try:
        st = os.stat(place.directory)
        return (st.st_dev, st.st_ino) == directory and not _is_shared(process, st)
    except OSError:
        return False


def _take_view(place: Place, process: Process, history: History, alone: bool, view: View, seen: Observation) -> None:
    if view.where == "other":
        history.other_directory = True
    if view.where in ("same", "none") and history.other_directory and process.life() == "gone":
        seen.marker = Marker("absent")  # its directory cannot be reached any more
        return
    seen.inaccessible = view.where == "inaccessible" or (view.where == "hidden" and process.in_child_ns)
    seen.unknown |= view.where == "unknown"
    seen.marker = view.marker
    if view.marker.kind == "unknown" and not seen.inaccessible:
        shortage = kernel.is_shortage(view.marker.error)
        seen.unknown |= shortage
        seen.look_failed = not shortage and view.where != "unknown"
    if seen.marker.kind != "unknown":
        # What is seen counts by itself.
        history.present = seen.marker.kind in ("file", "other")
        history.came = None if history.present else history.came
    seen.arrived = seen.went = False
    if seen.marker.kind == "absent" and history.came is not None and view.where == "same":
        seen.arrived = _is_private(place, process, history.came)
        seen.went = not seen.arrived
    if seen.inaccessible or seen.unknown or seen.marker.kind != "file":
        return
    if history.absent is not None and history.absent != (view.directory or place.identity()):
        history.absent = None
    if _needs_stamps(history, seen.marker):
        _check_clocks(place, process, view, seen)
    _check_origin(place, process, history, view, seen)
    _check_owner(process, history, seen)
    _check_ambiguity(place, process, history, alone, view, seen)


def _weigh_age(process: Process, seen: Observation) -> str:
    if _in_future(seen):
        return "undated"
    age = _age_at_start(process, seen)
    if age > seen.trust.grain + seen.trust.margin:
        return "assumed" if seen.was_set else "leftover"
    return "own" if age < -kernel.TICK_NS - seen.trust.margin else "assumed"


def _has_start(process: Process) -> bool:
    return process.start_known or (process.absent and process.start is not None)


def weigh(process: Process, history: History, seen: Observation) -> str:
    """Whose marker it is: "own", "assumed", "undated", "nameless", "leftover", "foreign" or "ambiguous"."""
    if history.confirmed:
        return "own"
    if seen.ambiguous:
        return "ambiguous"
    if seen.foreign:
        return "foreign"
    if history.leftover is not None and history.leftover == seen.marker.id:
        return "leftover"
    if process.identity_unknown or seen.owner_unknown:
        return "nameless"
    moved = _is_moved(process, history, seen)
    if history.absent is not None:
        return "undated" if moved else "own"
    if not _has_start(process) and not process.absent:
        return "nameless"
    # Where none was seen, any process that had the pid is meant; one of them wrote it.
    age = _weigh_age(process, seen) if _has_start(process) else "own"
    if moved and age in ("own", "assumed") and not _is_rewritten_leftover(history, seen):
        age = _weigh_moved(process, history, seen)
    return "undated" if age == "assumed" and history.strict else age


def _is_rewritten_leftover(history: History, seen: Observation) -> bool:
    """The file that had the name before the process."""
    return (history.leftover is not None and seen.marker.id is not None and seen.marker.st is not None and
            history.leftover[:2] == seen.marker.id[:2] and seen.marker.st.st_nlink <= 1)


def _weigh_moved(process: Process, history: History, seen: Observation) -> str:
    """What was not seen to come may be a leftover that the process has written over."""
    linked = seen.marker.st is not None and seen.marker.st.st_nlink > 1
    return "undated" if linked or _was_written_before(process, history, seen) else "assumed"


def _is_weak(process: Process, history: History, seen: Observation) -> bool:
    return _needs_stamps(history, seen.marker) and (
        not _has_start(process) or _in_future(seen) or _is_moved(process, history, seen) or
        _age_at_start(process, seen) >= -kernel.TICK_NS - seen.trust.grain - seen.trust.margin)


_AGAINST = {"own": None, "assumed": None, "undated": "age-unknown", "nameless": "identity-unknown",
            "leftover": "older-than-process", "foreign": "foreign-owner", "ambiguous": "name-collision"}
_UNMARKED = {"file": (Verdict.PENDING, None), "absent": (Verdict.PENDING, None),
             "other": (Verdict.PENDING, "not-a-file"), "no-directory": (Verdict.UNREACHABLE, "no-directory"),
             "denied": (Verdict.UNREACHABLE, "directory-denied"), "unknown": (Verdict.PENDING, "look-failed")}


def _judge(process: Process, history: History, seen: Observation, evidence: Optional[str]
           ) -> Tuple[Verdict, Optional[str]]:
    against = _AGAINST[evidence] if evidence is not None else None
    if seen.unknown:
        return Verdict.PENDING, "no-resources"
    if seen.look_failed:
        return Verdict.PENDING, "look-failed"
    arrived = seen.arrived and not process.identity_unknown
    if history.latched or arrived or (evidence is not None and against is None):
        return (Verdict.EXITED if seen.gone else Verdict.READY), None
    if process.absent:
        nothing = against if against in ("identity-unknown", "age-unknown") else "no-process"
        return Verdict.DIED, "pid-reused" if process.reused else nothing
    if seen.gone:
        return Verdict.DIED, against
    if evidence in ("undated", "nameless"):
        return Verdict.PENDING, against
    if evidence is not None:
        return (Verdict.UNREACHABLE if evidence == "ambiguous" else Verdict.STALE), against
    if seen.inaccessible:
        return Verdict.UNREACHABLE, "namespace-denied"
    if seen.went and not process.identity_unknown:
        return Verdict.PENDING, "came-and-went"
    return _UNMARKED[seen.marker.kind]


def _evaluate(process: Process, history: History, seen: Observation) -> Answer:
    marked = seen.marker.kind == "file" and not process.reused and not seen.succeeded
    evidence = weigh(process, history, seen) if marked and not history.latched else None
    verdict, reason = _judge(process, history, seen, evidence)
    if process.identity_unknown and verdict is Verdict.PENDING and reason is None:
        reason = "identity-unknown"
    assumed = history.assumed if history.latched or history.confirmed else evidence == "assumed"
    answer = Answer(verdict, process.pid, process.start, reason=reason,
                    empty=marked and seen.marker.st is not None and seen.marker.st.st_size == 0,
                    latched=history.latched and not marked, age_assumed=assumed and not seen.unknown)
    first = verdict is Verdict.READY and not history.latched
    history.unconfirmed = seen.ambiguity_unchecked or (first and marked and _is_weak(process, history, seen))
    history.refuted = verdict is Verdict.DIED and evidence == "leftover"
    if first and not seen.ambiguity_unchecked:
        history.latched, history.assumed = True, answer.age_assumed
    return answer


def with_wait_status(answer: Answer, status: Optional[int]) -> Answer:
    if status is None:
        return replace(answer, gone=answer.start is not None)
    if os.WIFSIGNALED(status):
        return replace(answer, gone=True, signal=os.WTERMSIG(status), core=os.WCOREDUMP(status))
    return replace(answer, gone=True, status=os.WEXITSTATUS(status))


def check(place: Place, process: Process, history: History, alone: bool = True) -> Answer:
    """Marker, then process, then marker again: a process may write its marker and exit in between. alone: there is no
    daemon that can find other processes with the same marker name."""
    seen = Observation(unknown=process.unread and not process.absent)
    _observe(place, process, history, alone, seen)
    life = process.life()
    seen.gone = life == "gone"
    seen.unknown |= life == "unknown"
    if seen.gone and seen.marker.kind != "file":
        _observe(place, process, history, alone, seen)
    # The marker may be that of the process which has the pid now.
    seen.succeeded = seen.gone and seen.marker.kind == "file" and process.has_successor()
    answer = _evaluate(process, history, seen)
    st = seen.marker.st
    if (life == "lives" and not seen.unknown and not seen.inaccessible and seen.marker.kind == "absent"
            and st is not None):
        if history.absent is None or history.absent_since == 0:
            history.absent_since = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        history.absent, history.leftover = (st.st_dev, st.st_ino), None
    if seen.gone and not process.absent:
        answer = with_wait_status(answer, process.wait_status())
    return answer
