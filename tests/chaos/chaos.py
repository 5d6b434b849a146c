#!/usr/bin/env python3
"""Usage: chaos.py [--seed N] [--schedules N] [--at-once N] [--verbose]

Runs schedules of faults on real processes, each in pid and mount namespaces of its own, and checks their histories: see
README.md. A schedule that fails prints its seed, its history and what is wrong with it. Exits with 1 then.
"""
import argparse
import collections
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

from history import judge
from place import Place, unshare
from run import Run
from schedule import schedule

BUILD = os.path.abspath(os.environ.get("BUILD", "build"))
SOURCES = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, f"{SOURCES}/bindings/python")
LIMIT = 300


def show(run, faults):
    for line in run.story:
        print("  " + line)
    for entries in (run.history.lives, run.history.touches, run.history.directory, run.history.daemon):
        for entry in entries:
            print("  " + str(entry))
    for path in ("err", "readyd.log"):
        try:
            with open(f"{run.place.top}/{path}", encoding="utf-8") as file:
                for line in file.readlines()[-40:]:
                    print(f"  {path}: {line.rstrip()}")
        except OSError:
            pass
    for fault in faults:
        print("  fault: " + fault)


def inside(seed, top, verbose):
    """The first process of the namespaces. Says how many answers of each kind there were."""
    run = Run(*schedule(seed), Place(top, BUILD))
    try:
        run.operate()
        run.finish()
        run.check_rest()
        run.check_end()
    except Exception:
        run.faults.append("the driver failed: " + traceback.format_exc())
    run.read_log()
    faults = run.faults + judge(run.history)
    if faults or verbose:
        show(run, faults)
    counts = collections.Counter(answer.verdict for answer in run.history.answers)
    counts["schedules"] = 1
    print("counts " + " ".join(f"{word}={count}" for word, count in counts.items()), flush=True)
    os._exit(1 if faults else 0)


class Pool:
    def __init__(self, options):
        self.options, self.running, self.failed = options, {}, 0
        self.counts = collections.Counter()

    def start(self, seed):
        top = tempfile.mkdtemp(prefix="readyd-chaos.")
        out = open(f"{top}.out", "w+b")
        command = unshare() + [sys.executable, "-B", os.path.abspath(__file__), "--inside", top, "--seed", str(seed)]
        process = subprocess.Popen(command + ["--verbose"] * self.options.verbose, stdout=out,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.running[process.pid] = (process, seed, top, out, time.monotonic())

    def take(self):
        """The next one that ends."""
        while True:
            for pid, (process, seed, top, out, began) in list(self.running.items()):
                if process.poll() is None and time.monotonic() - began > LIMIT:
                    process.kill()
                if process.poll() is not None:
                    del self.running[pid]
                    self.end(process.returncode, seed, top, out)
                    return
            time.sleep(0.005)

    def end(self, status, seed, top, out):
        out.seek(0)
        lines = out.read().decode(errors="replace").splitlines()
        out.close()
        os.unlink(f"{top}.out")
        for line in lines:
            if line.startswith("counts "):
                self.counts.update({w.split("=")[0]: int(w.split("=")[1]) for w in line.split()[1:]})
        if status != 0 or self.options.verbose:
            print("\n".join(lines))
        if status != 0:
            print(f"failed: seed {seed} (status {status})", flush=True)
            self.failed += 1
        shutil.rmtree(top, ignore_errors=True)

    def run(self):
        for seed in range(self.options.seed, self.options.seed + self.options.schedules):
            while len(self.running) >= self.options.at_once:
                self.take()
            self.start(seed)
        while self.running:
            self.take()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--schedules", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=2 * os.cpu_count())
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        inside(options.seed, options.inside, options.verbose)
    began, pool = time.monotonic(), Pool(options)
    pool.run()
    print(" ".join(f"{word}={count}" for word, count in sorted(pool.counts.items())) +
          f" failed={pool.failed} seconds={time.monotonic() - began:.1f}")
    return 1 if pool.failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(main())
