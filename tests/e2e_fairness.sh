#!/usr/bin/env bash
# What one user does, however much of it, takes nothing from another user: neither its turn, nor its gates, nor what is
# remembered of its processes, nor the name of its marker.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016,SC2031,SC2119
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/backends.sh
. "$(dirname "$0")/backends.sh"

VICTIM_UID=12345

# start_for_two_users: start_for_python, for programs that become_attacker() or become_victim().
start_for_two_users() {
	need_other_user
	start_for_python
	chmod 1777 m .
	cat >>wire.py <<END


def become(uid):
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)


def become_attacker():
    become($OTHER_UID)


def become_victim():
    become($VICTIM_UID)


def sleepers(count):
    pids = []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            while True:
                time.sleep(1000)
        pids.append(pid)
    return pids


def gates(client, pids):
    """For how many of them the daemon gives a gate; they are kept."""
    held = []
    for pid in pids:
        client.send(f"GATE {pid}\n")
        text, descriptors, _, _ = socket.recv_fds(client.socket, 4096, 4)
        if not descriptors:
            assert text.startswith(b"ERR no-resources"), text
            return held
        held += descriptors
    return held
END
}

# The requests of the other user have all arrived before that of the victim. STATS tells how many the daemon has served
# when it answers the victim.
test_a_client_waits_for_one_turn_of_another_user() {
	start_for_two_users
	spawn_python <<'END'
become_attacker()
clients = [Client() for _ in range(64)]
for client in clients:
    same(client.ask("PING"), "PONG")
stage("connected")
for client in clients:
    client.send(f"QUERY {os.getpid()}\n" * 200)
stage("sent")
time.sleep(1000)
END
	until_true 60 exists connected
	spawn_python "$DAEMON" <<'END'
import re, signal
become_victim()
client = Client()
same(client.ask("PING"), "PONG")
stage("victim")
client.send(f"QUERY {os.getpid()}\nSTATS\n")
stage("asked")
assert client.line().startswith("pending ")
before = int(re.search(r" requests=(\d+)", client.line()).group(1))
print(before - 65, "requests of the other user came first", flush=True)
# Two turns.
assert before - 65 <= 2 * 64 + 8, before
stage("answered")
END
	until_true 60 exists victim
	freeze_readyd
	: >connected.done
	until_true 60 exists sent
	: >victim.done
	until_true 60 exists asked
	kill -CONT "$DAEMON"
	: >asked.done
	until_true 60 exists answered
}

test_a_user_without_gates_leaves_some_to_others() {
	UNDER=(prlimit --nofile=200:200)
	need prlimit
	start_for_two_users
	spawn_python <<'END'
become_attacker()
held = gates(Client(), sleepers(60))
print(len(held), "gates for one user", flush=True)
assert 0 < len(held) < 60, len(held)
stage("held")
END
	until_true 60 exists held
	python <<'END'
become_victim()
assert len(gates(Client(), sleepers(1))) == 1
END
	both_backends marker_ends_a_new_wait
}

test_ended_processes_of_one_user_push_out_no_other() {
	start_for_two_users
	spawn setpriv --reuid=$VICTIM_UID --clear-groups sleep 1000
	PID=$LAST
	until_true 60 grep -qs "^Uid:.$VICTIM_UID" "/proc/$PID/status"
	setpriv --reuid=$VICTIM_UID --clear-groups touch "$(marker "$PID")"
	until_true 60 status_is daemon "$READY" "$PID"
	kill_and_reap "$PID"
	until_true 60 status_is daemon "exited $PID .*" "$PID"
	rm "$(marker "$PID")"
	python <<'END'
import signal
become_attacker()
client = Client()
pids = sleepers(1100)
for pid in pids:
    client.send(f"WAIT {pid}\n")
same(client.ask("PING"), "PONG")
for pid in pids:
    os.kill(pid, signal.SIGKILL)
for pid in pids:
    assert client.line().startswith("died ")
END
	[ "$(counter remembered)" -ge 100 ] || die "remembered: $(counter remembered)"
	expect_status daemon 4 "exited $PID .*" "$PID"
}

# namesakes NS_PID: the processes that have this number in a child pid namespace.
namesakes() { grep -lsE "^NSpid:.*[[:space:]][0-9]+[[:space:]]+$1\$" /proc/[0-9]*/status; }
are_namesakes() { [ "$(namesakes "$1" | wc -l)" -eq "$2" ]; }
# For sh -c, with a number: a sleeper that has it in a pid namespace of its own.
COUNT='i=2; while [ "$i" -lt "$0" ]; do /bin/true & wait; i=$((i + 1)); done; sleep 1000 & wait'

# Another user's process has the number that root's worker has, but cannot have left root's marker.
test_a_process_of_another_user_is_no_rival_of_roots() {
	local number=$((100 + RANDOM % 300))
	need_other_user
	as_other_user unshare -Urpf true 2>err || skip "another user may not create namespaces: $(cat err)"
	start_readyd
	are_namesakes "$number" 0 || skip "another process has the number $number"
	spawn unshare -pf --kill-child sh -c "$COUNT" "$number"
	until_true 60 are_namesakes "$number" 1
	until_true 60 eval 'namesakes "$number" | xargs grep -qs "^Name:.sleep"'
	PID=$(namesakes "$number" | tr -dc 0-9)
	spawn as_other_user unshare -Urpf --kill-child sh -c "$COUNT" "$number"
	until_true 60 are_namesakes "$number" 2
	: >"$(marker "$number")"
	expect_status daemon 0 "$READY" "$PID"
}

run_tests "$@"
