#!/usr/bin/env bash
# `readyctl wait --json` under a harness that runs it in its own process group, reads both pipes to the end, and takes
# the numbers of the first JSON object on standard output as metrics. readyd-ktstr(7) relies on it.
# shellcheck source=tests/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

# harness.py SECONDS COMMAND...: prints "exit_code=N", then "NAME=NUMBER" for each number; "drained=no" if a pipe was still
# open a second after the command had ended. It kills the group when the time is up.
write_harness() {
	need python3
	cat >harness.py <<'EOT'
import json, os, signal, subprocess, sys, threading


def region(text):
    """The value at the first opening brace or bracket; what follows it is ignored."""
    starts = [at for at in (text.find("{"), text.find("[")) if at >= 0]
    return json.JSONDecoder().raw_decode(text[min(starts):])[0] if starts else None


def leaves(value, path=""):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from leaves(inner, f"{path}.{at}" if path else str(at))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield path, value


def drain(stream, kept):
    kept.append(stream.read())


child = subprocess.Popen(sys.argv[2:], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0)
outputs = [], []
readers = [threading.Thread(target=drain, args=pair, daemon=True)
           for pair in zip((child.stdout, child.stderr), outputs)]
for reader in readers:
    reader.start()
try:
    code = child.wait(float(sys.argv[1]))
except subprocess.TimeoutExpired:
    os.killpg(child.pid, signal.SIGKILL)
    code = child.wait()
for reader in readers:
    reader.join(1)
print(f"exit_code={code if code >= 0 else -1}")
if any(reader.is_alive() for reader in readers):
    print("drained=no")
    os._exit(0)
for name, value in leaves(region(outputs[0][0]) if outputs[0][0] else None):
    print(f"{name}={value}")
EOT
}

harness() { timeout 120 python3 harness.py "$@" >metrics; }
metric() { sed -n "s/^$1=//p" metrics; }
has() { expect "$1 in $(paste -sd ' ' metrics)" "$(metric "$1")" "$2"; }
between() { # NAME LOW HIGH
	local value
	value=$(metric "$1")
	if [ -z "$value" ] || [ "$value" -lt "$2" ] || [ "$value" -gt "$3" ]; then
		die "$1 is not from $2 to $3: $(paste -sd ' ' metrics)"
	fi
}

test_ready() {
	write_harness
	start_readyd
	spawn_worker
	mark "$PID"
	harness 60 "$READYCTL" wait --json --timeout 30 "$PID"
	has exit_code 0
	has exit 0
	has pid "$PID"
	between start 1 9223372036854775807
	between elapsed_ms 0 60000
	expect "other numbers" "$(select_lines -vE '^(exit_code|exit|pid|start|elapsed_ms)=' metrics)" ""
}

test_time_out() {
	write_harness
	start_readyd
	spawn_worker
	harness 60 "$READYCTL" wait --json --timeout 0.5 "$PID"
	has exit_code 124
	has exit 124
	between elapsed_ms 500 60000
}

test_death() {
	write_harness
	start_readyd
	spawn_unreaped "exec sleep 1000"
	kill -KILL "$PID"
	until_true 60 is_zombie "$PID"
	harness 60 "$READYCTL" wait --json --timeout 30 "$PID"
	has exit_code 3
	has exit 3
	has signal 9
	between elapsed_ms 0 29000
}

# The numbers belong to the first process, the exit status to all of them.
test_several_processes() {
	local first
	write_harness
	start_readyd
	spawn_worker
	first=$PID
	mark "$first"
	spawn_worker
	harness 60 "$READYCTL" wait --json --timeout 0.5 "$first" "$PID"
	has exit_code 124
	has exit 0
	has pid "$first"
}

test_without_a_daemon() {
	write_harness
	mkdir m
	spawn_worker
	mark "$PID"
	harness 60 "$READYCTL" wait --json --timeout 30 "$PID"
	has exit_code 0
	has exit 0
	has pid "$PID"
}

test_daemon_counters() {
	write_harness
	start_readyd
	harness 60 "$READYCTL" stats --json
	has exit_code 0
	has pid "$DAEMON"
	has gates 0
}

test_killing_the_group_leaves_nothing() {
	write_harness
	start_readyd
	spawn_worker
	# shellcheck disable=SC2016
	harness 2 sh -c 'for i in 1 2 3; do "$@" & done; wait' waits "$READYCTL" wait --json "$PID"
	has exit_code -1
	has drained ""
	expect "handed_out" "$(counter handed_out)" 3
	until_true 60 counter_is gates 0
	expect "clients, of which this query is one" "$(counter clients)" 1
}

# payload_leaves_a_daemon REDIRECTION: a payload that starts a daemon and exits before it.
payload_leaves_a_daemon() {
	mkdir -p m
	# shellcheck disable=SC2016
	harness 60 sh -c '"$1" --socket "$2/s" --dir "$2/m" '"$1"' & echo $! >"$2/daemon"' payload "$READYD" "$T"
	has exit_code 0
	DAEMON=$(cat daemon)
}
end_daemon() {
	kill -TERM "$DAEMON"
	until_true 60 has_ended "$DAEMON"
}

test_a_daemon_keeps_inherited_pipes_open() {
	write_harness
	payload_leaves_a_daemon ""
	has drained no
	end_daemon
	payload_leaves_a_daemon ">/dev/null 2>&1"
	has drained ""
	until_true 60 ctl --quiet ping 2>/dev/null
	end_daemon
}

# A daemon that is itself a payload needs no redirection, and ends with its group.
test_a_daemon_as_a_payload() {
	write_harness
	mkdir m
	spawn python3 harness.py 60 "$READYD" --socket "$T/s" --dir "$T/m" >metrics
	until_true 60 ctl --quiet ping 2>/dev/null
	kill -KILL -- "-$(counter pid)"
	all_end 0 "$LAST"
	has exit_code -1
	has drained ""
}

run_tests "$@"
