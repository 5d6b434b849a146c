"""Workers, their ends, and what others do to their markers."""
import contextlib
import os
import selectors
import signal

from history import Life, Touch
from place import OTHER_UID, PREFIX, now, start_of, state_of, word_of_end


class Workers:
    """What a schedule does with workers; a part of run.Run."""

    def on_end(self, name, pid, pidfd):
        self.selector.unregister(pidfd)
        os.close(pidfd)
        self.note_end(name, pid)

    def note_end(self, name, pid):
        life = self.history.life(name)
        info = None
        with contextlib.suppress(ChildProcessError):
            info = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if info is not None:
            life.status = word_of_end(info)
            self.zombies.add(name)
        # When it was killed, or said that it ends, is filled in from its log.
        life.ended = (life.ended[0], now())

    def watch_end(self, name, pid):
        pidfd = os.pidfd_open(pid)
        self.selector.register(pidfd, selectors.EVENT_READ, lambda: self.on_end(name, pid, pidfd))

    def may_die(self, name):
        life = self.history.life(name)
        life.ended = (min(life.ended[0], now()), life.ended[1])

    def is_dead(self, name):
        return self.history.life(name).ended[1] is not None

    def reap(self, name):
        if name in self.zombies:
            os.waitpid(self.workers[name], 0)
            self.zombies.discard(name)

    def worker_command(self, name, steps):
        return [self.place.worker, self.place.log, name, self.place.markers] + steps

    def start_worker(self, name, steps):
        return self.spawn(self.worker_command(name, steps))

    def spawn(self, command, output=None, **environment):
        """Not by subprocess, which reaps what it has started when it likes."""
        actions = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                   (os.POSIX_SPAWN_OPEN, 2, f"{self.place.top}/err", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)]
        if output is not None:
            actions.append((os.POSIX_SPAWN_DUP2, output, 1))
        return os.posix_spawn(command[0], command, {**self.environment, **environment}, file_actions=actions)

    def start_held(self, name, steps):
        """A worker that begins when a byte is written to the descriptor."""
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(write)
            if os.read(read, 1) == b"":
                os._exit(0)
            command = self.worker_command(name, steps)
            os.execve(command[0], command, self.environment)
        os.close(read)
        return pid, write

    def start_with_number(self, name, steps, former):
        """As that process had it, which is reaped first. None if it lives, or if another process has the number."""
        number = self.workers.get(former)
        if number is None or not self.is_dead(former):
            return None
        for other, pid in self.workers.items():
            if pid == number:
                self.reap(other)
        for _ in range(20):
            if state_of(number) != "gone":
                return None
            with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as file:
                file.write(str(number - 1))
            pid, go = self.start_held(name, steps)
            if pid == number:
                os.write(go, b"1")
            os.close(go)
            if pid == number:
                return pid
            os.waitpid(pid, 0)
        return None

    def do_worker(self, name, steps, reuses, wait_ms):
        if reuses is not None:
            # At least a tick, so that the starts differ.
            self.pump(0.02 + wait_ms / 1000)
        born = now()
        pid = self.start_with_number(name, steps, reuses) if reuses is not None else None
        if pid is None:
            pid = self.start_worker(name, steps)
        self.workers[name] = pid
        self.history.lives.append(Life(name, pid, start_of(pid), (born, now())))
        self.watch_end(name, pid)

    def do_slay(self, name, _):
        """Its parent may just have reaped it, if that is readyctl."""
        if name in self.workers and not self.is_dead(name):
            self.may_die(name)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.workers[name], signal.SIGKILL)

    def do_halt(self, name, _):
        if name in self.workers and not self.is_dead(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.workers[name], signal.SIGSTOP)
                self.pump(0.01)
                os.kill(self.workers[name], signal.SIGCONT)

    def do_reap(self, name, _):
        if name in self.workers:
            self.reap(name)

    def touch(self, name, what, action, marks=False):
        """A change of a marker by this process. It concerns the process that has the number now."""
        if name not in self.workers:
            return
        name = self.last_of(self.workers[name])
        touch = Touch(name, self.workers[name], what, now(), marks=marks)
        self.history.touches.append(touch)
        try:
            action(self.place.marker(self.workers[name]))
            touch.done = True
        except OSError:
            touch.done = False
        touch.ended = now()

    def write_file(self, path, uid=None):
        other = f"{self.place.markers}/driver"
        with open(other, "w", encoding="ascii") as file:
            file.write("ready\n")
        if uid is not None:
            os.chown(other, uid, -1)
        try:
            os.rename(other, path)
        except OSError:
            os.unlink(other)
            raise

    def is_alive(self, name):
        return name in self.workers and not self.is_dead(self.last_of(self.workers[name]))

    def do_mark_for(self, name, _):
        """As another process of its user may: while it lives."""
        if self.is_alive(name):
            self.touch(name, "mark-for", self.write_file, marks=True)

    def do_mark_other_user(self, name, _):
        if self.place.has_other_users:
            self.touch(name, "mark-other-user", lambda path: self.write_file(path, OTHER_UID))

    def do_remove_for(self, name, _):
        self.touch(name, "remove-for", os.unlink)

    def do_rewrite_for(self, name, _):
        def rewrite(path):
            fd = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                if os.fstat(fd).st_uid != os.geteuid():
                    raise PermissionError("another user's")
                os.write(fd, b"again\n")
            finally:
                os.close(fd)
        if self.is_alive(name):
            self.touch(name, "rewrite-for", rewrite, marks=True)

    def do_obstruct(self, name, obstacle):
        make = {"directory": os.mkdir, "symlink": lambda path: os.symlink("/dev/null", path), "fifo": os.mkfifo}
        self.touch(name, "obstruct", make[obstacle])

    def do_noise(self, dice):
        """Markers of processes that do not exist, and other files."""
        with contextlib.suppress(OSError):
            for i in range(dice % 50):
                path = f"{self.place.markers}/{('other', PREFIX)[i % 2]}{3000000 + dice + i}"
                open(path, "w", encoding="ascii").close()
                os.unlink(path)
