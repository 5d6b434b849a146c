"""Waits for all processes of a fleet of simulated nodes: python3 fleet_nodes.py PORT NODES PROCESSES BROKER_PID.

Prints a table "name value" of what it took. Each node has a readyctl-fleet of its own that waits for all of its
processes. Fails if one of them does not end with 0 for exactly its processes."""

import os
import select
import subprocess
import sys
import time

port, nodes, processes, broker = (int(arg) for arg in sys.argv[1:])
build = os.environ["BUILD"]
FIRST_PID = 1000


def memory(pid):
    """KiB that are this process's own."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith(("Private_Clean:", "Private_Dirty:")))


def cpu_s(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def subscriptions():
    """As mosquitto counts them, once a second."""
    got = subprocess.run(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), "-C", "1", "-W", "30",
                          "-t", "$SYS/broker/subscriptions/count"], stdout=subprocess.PIPE, text=True, check=True)
    return int(got.stdout)


def wait_for(node):
    names = [f"{node}/{FIRST_PID + i}:{FIRST_PID + i}" for i in range(processes)]
    return subprocess.Popen([f"{build}/client/readyctl-fleet", "wait", "--broker", f"127.0.0.1:{port}", "--timeout",
                             "300", *names], stdout=subprocess.PIPE, text=True)


fleet = subprocess.Popen([f"{build}/bench/fleet-nodes", str(port), str(nodes), str(processes)],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def said(word):
    line = fleet.stdout.readline().split()
    assert line and line[0] == word, line
    return line[1:]


print("up_ms", said("up")[0])
print("broker_kib", memory(broker))
waiters = {f"node-{i:04}": wait_for(f"node-{i:04}") for i in range(nodes)}
# One for each process, and the node's status; mosquitto_sub has one itself.
while subscriptions() < nodes * (processes + 1):
    time.sleep(0.2)
print("broker_with_waiters_kib", memory(broker))
print("waiter_kib", memory(next(iter(waiters.values())).pid))
cpu = cpu_s(broker)
fleet.stdin.write("ready\n")
fleet.stdin.flush()

ended = {}
left = {waiter.stdout.fileno(): name for name, waiter in waiters.items()}
output = {name: b"" for name in waiters}
poll = select.poll()
for fd in left:
    poll.register(fd, select.POLLIN)
while left:
    events = poll.poll(60000)
    assert events, f"{len(left)} waits are not answered"
    for fd, _ in events:
        data = os.read(fd, 65536)
        output[left[fd]] += data
        if not data:
            ended[left[fd]] = time.time() * 1000
            poll.unregister(fd)
            del left[fd]
for name, waiter in waiters.items():
    assert waiter.wait() == 0, name
    lines = output[name].decode().splitlines()
    assert len(lines) == len(set(lines)) == processes, lines
    assert all(line.startswith(f"ready {name}/") for line in lines), lines
published = {}
while len(published) < nodes:
    name, at = said("node")
    published[name] = int(at)
print("ready_ms", said("ready")[0])
print("broker_cpu_ms", round((cpu_s(broker) - cpu) * 1000))
late = sorted(ended[name] - published[name] for name in waiters)
print("late_median_ms", round(late[len(late) // 2]))
print("late_most_ms", round(late[-1]))
fleet.stdin.close()
fleet.wait()
