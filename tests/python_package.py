"""unittest for bindings/python, with the daemon in $READYD and markers in a private directory."""

import asyncio
import errno
import math
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
from unittest import mock

import readyd
from readyd import _daemon, _look, _monitor, _waiter
from readyd.__main__ import main
from readyd._answer import Answer, Verdict, parse

NO_SUCH_PID = 4194304


class World(unittest.TestCase):
    """A private directory for each test, and no daemon."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(dir=os.environ["T"])
        environment = {"READYD_DIR": self.directory, "READYD_SOCKET": f"{self.directory}/socket"}
        patch = mock.patch.dict(os.environ, environment)
        patch.start()
        self.addCleanup(patch.stop)

    def worker(self):
        process = subprocess.Popen(["sleep", "1000"])
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def marker(self, pid):
        return f"{self.directory}/ktstr-worker-ready-{pid}"

    def mark(self, pid):
        readyd.write_marker(self.marker(pid))


class OtherProcesses(World):
    def test_a_kernel_thread_leaves_no_marker(self):
        thread = _look.Process(2)
        self.addCleanup(thread.close)
        if not thread.kernel:
            self.skipTest("no kernel thread can be seen")
        self.mark(2)
        place = _look.Place(self.directory, "ktstr-worker-ready-")
        view = _look.view_marker(place, thread)
        self.assertEqual(view.marker.kind, "file")
        self.assertFalse(_look._could_have_left(place, thread, view, _look.Observation(marker=view.marker)))


class Waits(World):
    def test_wait_returns_the_answer(self):
        pid = self.worker().pid
        self.mark(pid)
        answer = readyd.wait(pid, 10)
        self.assertEqual((answer.verdict, answer.pid, answer.exit_code), ("ready", pid, 0))
        self.assertEqual(readyd.wait(f"{pid}:{answer.start}", 10).start, answer.start)

    def test_not_ready_says_why(self):
        with self.assertRaises(readyd.NotReady) as raised:
            readyd.wait(NO_SUCH_PID, 10)
        self.assertEqual(str(raised.exception), f"died {NO_SUCH_PID} reason=no-process")
        pid = self.worker().pid
        os.mkdir(self.marker(pid))
        with self.assertRaises(readyd.NotReady) as raised:
            readyd.wait(pid, 0.1)
        self.assertEqual((raised.exception.answer.exit_code, raised.exception.answer.detail), (124, "not-a-file"))

    def test_wait_all_keeps_the_order(self):
        pids = [self.worker().pid for _ in range(3)]
        for pid in reversed(pids):
            self.mark(pid)
        self.assertEqual([answer.pid for answer in readyd.wait_all(pids, 10)], pids)

    def test_wait_all_fails_with_the_first(self):
        ready, dead = self.worker(), self.worker()
        self.mark(ready.pid)
        dead.kill()
        with self.assertRaises(readyd.NotReady) as raised:
            readyd.wait_all([ready.pid, dead.pid], 10)
        self.assertEqual((raised.exception.answer.pid, raised.exception.answer.signal), (dead.pid, 9))

    def test_a_waiter_has_a_descriptor(self):
        process = self.worker()
        with readyd.Waiter() as waiter:
            waiter.add(process.pid)
            self.assertIsNone(waiter.next())
            self.mark(process.pid)
            answer = None
            while answer is None:
                self.assertTrue(select.select([waiter], [], [], 60)[0])
                answer = waiter.next()
            self.assertEqual((answer.verdict, waiter.pending, waiter.next()), ("ready", 0, None))

    def test_a_waiter_gives_its_descriptors_back(self):
        def descriptors():
            return len(os.listdir("/proc/self/fd"))

        before = descriptors()
        with readyd.Waiter() as waiter:
            for _ in range(3):
                waiter.add(self.worker().pid)
            waiter.next()
        waiter.close()
        self.assertEqual(descriptors(), before)

    def test_cancel_and_errors(self):
        pid = self.worker().pid
        with readyd.Waiter() as waiter:
            waiter.add(pid)
            self.assertRaises(ValueError, waiter.add, pid)
            waiter.cancel(pid)
            self.assertRaises(KeyError, waiter.cancel, pid)
        self.assertRaises(ValueError, readyd.status, 0)
        self.assertRaises(ValueError, readyd.status, "x")
        self.assertRaises(ValueError, readyd.status, pid, backend="neither")
        self.assertRaises(OSError, readyd.status, pid, backend="daemon")

    def test_asyncio_goes_on_meanwhile(self):
        pid = self.worker().pid

        async def both():
            wait = asyncio.ensure_future(readyd.wait_async(pid, 60))
            await asyncio.sleep(0)
            self.assertFalse(wait.done())
            self.mark(pid)
            return await wait

        self.assertEqual(asyncio.run(both()).verdict, "ready")

    def test_the_module_is_a_command(self):
        pid = self.worker().pid
        self.mark(pid)

        def run(*words):
            done = subprocess.run([sys.executable, "-m", "readyd", *words], stdout=subprocess.PIPE, text=True,
                                  stderr=subprocess.DEVNULL, check=False)
            return done.returncode, done.stdout.split(" ")[0]

        self.assertEqual(run("wait", str(pid)), (0, "ready"))
        self.assertEqual(run("wait", "--timeout", "5", str(pid), str(NO_SUCH_PID)), (3, "died"))
        self.assertEqual(run("status", str(NO_SUCH_PID)), (3, "died"))
        self.assertEqual(run("wait", "x"), (2, ""))

    def test_the_command_refuses_what_readyctl_refuses(self):
        for words in (["x"], [""], ["01"], ["1_0"], [" 1"], ["1:0"], ["2147483648"], ["--timeout=-1", "1"],
                      ["--timeout=nan", "1"], ["--timeout=inf", "1"]):
            with self.assertRaises(SystemExit) as raised, mock.patch("sys.stderr"):
                main(["wait", *words])
            self.assertEqual(raised.exception.code, 2, words)

    def test_the_command_says_what_it_cannot_print(self):
        pid = self.worker().pid
        self.mark(pid)
        command = f"exec {sys.executable} -m readyd status {pid}"
        for redirection, why in ((">/dev/full", "No space left"), (">&-", "Bad file descriptor")):
            done = subprocess.run(["sh", "-c", f"{command} {redirection}"], stderr=subprocess.PIPE, text=True, check=False)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (125, 1), done.stderr)
            self.assertIn(why, done.stderr)

    def test_a_time_out_may_be_longer_than_the_kernel_s(self):
        pid = self.worker().pid
        with readyd.Waiter() as waiter:
            waiter.add(pid)
            self.assertIsNone(waiter.next())
            self.mark(pid)
            waiter.sleep(1e9)
            while waiter.next() is None:
                waiter.sleep(math.inf)


class Markers(World):
    def test_a_link_is_not_followed(self):
        os.symlink(f"{self.directory}/target", self.marker(1))
        self.assertRaises(OSError, readyd.write_marker, self.marker(1))
        self.assertFalse(os.path.exists(f"{self.directory}/target"))

    def test_a_fifo_does_not_block(self):
        os.mkfifo(self.marker(1))
        self.assertRaises(OSError, readyd.write_marker, self.marker(1))

    def test_the_override_is_the_worker_s(self):
        with mock.patch.dict(os.environ, {"KTSTR_WORKER_READY_MARKER_OVERRIDE": f"{self.directory}/x"}):
            readyd.write_marker()
        with open(f"{self.directory}/x", "rb") as file:
            self.assertEqual(file.read(), b"ready\n")
        self.assertEqual(readyd.marker_path(7), "/tmp/ktstr-worker-ready-7")


class Daemons(World):
    """Programs at the daemon's socket that are not readyd."""

    def fake(self, uid, script, path=None):
        """The socket of a child of that user that sends these bytes to each client."""
        ready, told = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(2)
            try:
                os.setuid(uid)
                listener = socket.socket(socket.AF_UNIX)
                listener.bind(path or f"\0readyd-fake-{os.getpid()}")
                listener.listen()
                os.write(told, b"x")
                while True:
                    connection, _ = listener.accept()
                    if connection.recv(4096):
                        connection.sendall(script)
                        connection.recv(4096)
                    connection.close()
            finally:
                os._exit(0)
        os.close(told)
        self.assertEqual(os.read(ready, 1), b"x")
        os.close(ready)
        self.addCleanup(os.waitpid, pid, 0)
        self.addCleanup(os.kill, pid, 9)
        return path or f"@readyd-fake-{pid}"

    def greeting(self):
        st = os.stat(self.directory)
        return (f"READYD 1 epoch=1 pidns=0 timens=0 dir={st.st_dev}:{st.st_ino} prefix=ktstr-worker-ready- "
                f"path={self.directory}\n").encode()

    @unittest.skipIf(os.geteuid() != 0, "needs root")
    def test_another_users_daemon_is_ignored(self):
        pid = self.worker().pid
        lie = self.greeting() + f"stale {pid}\nexited {pid} status=0\nPONG\n".encode()
        name = self.fake(65534, lie)
        self.assertRaises(_daemon.Untrusted, readyd.status, pid, socket=name, backend="daemon")
        self.assertEqual(readyd.status(pid, socket=name).verdict, "pending")
        self.assertEqual(readyd.wait_any_verdict(pid, 0.2, socket=name).exit_code, 124)

    @unittest.skipIf(os.geteuid() != 0, "needs root")
    def test_which_other_users_daemon_is_believed(self):
        pid = self.worker().pid
        answer = readyd.status(pid)
        lie = self.greeting() + f"exited {pid} start={answer.start} status=0\n".encode()
        place = tempfile.mkdtemp(dir="/tmp")  # that of the test may be closed to others
        self.addCleanup(shutil.rmtree, place)
        os.chmod(place, 0o777)
        name = self.fake(65533, lie, f"{place}/s")
        self.assertRaises(_daemon.Untrusted, readyd.status, pid, socket=name, backend="daemon")
        with mock.patch.dict(os.environ, {"READYD_TRUST_UID": "65533"}):
            self.assertEqual(readyd.status(pid, socket=name, backend="daemon").verdict, "exited")
        for word in ("x", "-1", "4294967295", "+1"):
            with mock.patch.dict(os.environ, {"READYD_TRUST_UID": word}):
                self.assertRaises(ValueError, readyd.status, pid)
        os.chmod(place, 0o755)
        self.assertEqual(readyd.status(pid, socket=name, backend="daemon").verdict, "exited")
        os.symlink("s", f"{place}/link")
        self.assertRaises(_daemon.Untrusted, readyd.status, pid, socket=f"{place}/link", backend="daemon")

    def test_a_path_that_is_too_long_is_refused(self):
        self.assertRaises(ValueError, readyd.status, os.getpid(), socket="/" + 107 * "x")

    def test_an_answer_without_a_start_is_only_a_hint(self):
        pid = self.worker().pid
        said = self.greeting() + f"ready {pid}\nready {pid}\nPONG\n".encode()
        name = self.fake(os.geteuid(), said)
        answer = readyd.wait_any_verdict(pid, 0.2, socket=name)
        self.assertEqual((answer.verdict, answer.reason), ("pending", "deadline"))

    def test_nonsense_is_survived(self):
        pid = self.worker().pid
        self.mark(pid)
        for script in (b"\n", b"READYD 2\n", b"x" * 5000, b"ERR no-resources\n", b"\xff\xfe\n", b"READYD 1 pidns=x\n"):
            self.assertEqual(readyd.wait(pid, 10, socket=self.fake(os.geteuid(), script)).verdict, "ready")


class Monitors(Daemons):
    """A monitor, and a script in place of the daemon."""

    def setUp(self):
        super().setUp()
        self.listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.listener.close)
        self.listener.bind(f"{self.directory}/socket")
        self.listener.listen()
        self.requests = []

    def serve(self, *scripts):
        """Each connection is sent a script and, but for the last, is closed."""
        def run():
            for script in scripts:
                connection, _ = self.listener.accept()
                self.addCleanup(connection.close)
                text = b""
                while text.count(b"\n") < 2:
                    text += connection.recv(4096)
                self.requests.append(text.decode().split("\n")[1])
                connection.sendall(self.greeting() + script)
                if script is not scripts[-1]:
                    connection.close()

        thread = threading.Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)

    def take(self, monitor, count):
        events = []
        for event in monitor:
            events.append(event)
            if len(events) == count:
                return events

    def test_the_state_and_then_transitions(self):
        self.serve(b"SNAPSHOT 5:7\nSTATE 5:7 ready 12 start=34 time=9 waiters=0 name=a%20b\nLIVE 5:7\n"
                   b"EVENT 5:8 exited exited 12 start=34 signal=9 time=10 waiters=2\n")
        with readyd.Monitor() as monitor:
            events = self.take(monitor, 4)
            self.assertIsNone(monitor.next())
            self.assertEqual(select.select([monitor], [], [], 0)[0], [])
        self.assertEqual([event.change for event in events], ["snapshot", "state", "live", "exited"])
        self.assertEqual((events[1].answer.start, events[1].name, events[1].time_ms), (34, "a b", 9))
        self.assertEqual((events[3].token, events[3].answer.signal, events[3].waiters), ("5:8", 9, 2))
        self.assertEqual(self.requests, ["MONITOR"])

    def test_a_lost_connection_is_resumed(self):
        self.serve(b"SNAPSHOT 5:7\nLIVE 5:7\nEVENT 5:8 ready ready 12\n", b"RESUMED 5:8\n")
        with readyd.Monitor() as monitor:
            events = self.take(monitor, 5)
        self.assertEqual([event.change for event in events], ["snapshot", "live", "ready", "lost", "resumed"])
        self.assertEqual(self.requests, ["MONITOR", "MONITOR 5:8"])

    def test_a_state_that_was_cut_off_begins_again_with_a_gap(self):
        self.serve(b"GAP 5:7\nSNAPSHOT 5:7\nEVENT 5:8 ready ready 12\n", b"SNAPSHOT 5:9\n")
        with readyd.Monitor("5:3") as monitor:
            events = self.take(monitor, 6)
        self.assertEqual([event.change for event in events], ["gap", "snapshot", "ready", "lost", "gap", "snapshot"])
        self.assertEqual(self.requests, ["MONITOR 5:3", "MONITOR"])

    def test_a_missing_daemon_is_told_once(self):
        os.unlink(f"{self.directory}/socket")
        with readyd.Monitor("5:3") as monitor:
            event = monitor.next()
            self.assertEqual((event.change, event.token, event.reason), ("lost", "5:3", None))
            monitor.sleep()
            self.assertIsNone(monitor.next())

    def test_an_older_daemon_and_another_directory_are_errors(self):
        self.serve(b"ERR bad-verb use HELLO\n")
        with readyd.Monitor() as monitor, self.assertRaises(OSError) as raised:
            self.take(monitor, 1)
        self.assertEqual(raised.exception.errno, errno.EOPNOTSUPP)
        self.assertRaises(ValueError, readyd.Monitor, "5")
        self.assertRaises(ValueError, readyd.Monitor, backend="file")


class Pure(unittest.TestCase):
    def test_events_are_parsed(self):
        event = _monitor.parse_event("EVENT 5:7 stopped ready 12 colour=blue")
        self.assertEqual((event.change, event.seq, event.answer.pid), ("state", 7, 12))
        for line in ("", "PONG", "EVENT 5:7 ready", "STATE 5 ready 12", "LIVE", "STATE 5:7 ready 12 time=x"):
            self.assertIsNone(_monitor.parse_event(line), line)

    def test_answers_are_parsed(self):
        answer = parse("died 7 start=9 signal=11 core=1 new=key reason=none-that-is-known")
        self.assertEqual((answer.signal, answer.core, answer.reason, answer.start), (11, True, None, 9))
        self.assertEqual(str(answer), "died 7 start=9 signal=11 core=1")
        self.assertEqual(parse("exited 7 start=9 status=hidden").status, None)
        for line in ("", "READY 7", "gone 7", "ready", "ready x"):
            self.assertIsNone(parse(line), line)

    def test_whose_word_counts(self):
        def answer(verdict, start=1, reason=None):
            return Answer(Verdict(verdict), 7, start, reason=reason)

        rows = [("ready", 1, "stale", 1, True), ("ready", 1, "died", 1, False), ("pending", 1, "ready", 1, True),
                ("pending", 1, "ready", None, False), ("pending", None, "ready", None, True),
                ("pending", 1, "unreachable", 1, False), ("unreachable", 1, "pending", 1, True),
                ("died", 1, "exited", 1, True), ("died", None, "ready", None, False),
                ("pending", None, "exited", None, False)]
        for own, start, said, its, want in rows:
            self.assertEqual(_waiter.counts(answer(own, start), False, answer(said, its)), want, (own, said, its))
        self.assertFalse(_waiter.counts(answer("died"), True, answer("exited")))
        self.assertTrue(_waiter.counts(answer("pending", 1, "no-resources"), False, answer("ready")))
        self.assertFalse(_waiter.counts(answer("pending", 1, "no-resources"), False, answer("ready", None)))

    def test_the_status_of_a_process_that_is_reaped_in_between(self):
        process = _look.Process(os.getpid())
        self.addCleanup(process.close)
        told = [_look.kernel.Info(None, None), _look.kernel.Info(None, 9)]
        with mock.patch.object(_look.kernel, "pidfd_info", side_effect=told), \
                mock.patch.object(_look.kernel, "read_stat", side_effect=FileNotFoundError):
            self.assertEqual(process.wait_status(), 9)

    def test_the_position_is_taken_before_the_process_is_opened(self):
        calls = []
        with readyd.Waiter(backend="file") as waiter:
            opened = _look.Process._open
            with mock.patch.object(waiter, "_position", side_effect=lambda: calls.append("position") or 0), \
                    mock.patch.object(_look.Process, "_open", lambda self: calls.append("open") or opened(self)):
                waiter.add(os.getpid())
        self.assertEqual(calls, ["position", "open"])

    def test_what_a_measured_clock_proves(self):
        second = 10**9
        wide = _look.Trust(_look.GRAIN_NS, _look.MARGIN_NS)
        self.assertEqual(_look.narrow(wide, True, 100, 100, 200).margin, 0)
        behind = _look.narrow(wide, False, 10 * second, 7 * second + 1, 10 * second)
        self.assertTrue(-3 * second <= behind.skew <= -2 * second and behind.margin <= second)
        self.assertEqual(_look.narrow(wide, False, 200, 100, 100), wide)

    def test_paths_are_unescaped(self):
        hello = _daemon.Hello("READYD 1 dir=1:2 prefix=a%25 path=/tmp/a%20b")
        self.assertEqual((hello.place.directory, hello.place.prefix, hello.directory), ("/tmp/a b", "a%", (1, 2)))


if __name__ == "__main__":
    unittest.main(verbosity=2)
