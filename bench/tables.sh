#!/usr/bin/env bash
# tables.sh RESULTS MEMORY LOAD: print all tables in Markdown, from the CSV files of one run on this machine. MEMORY is
# the directory of the markers, LOAD the load average before the run.
set -euo pipefail
results=$1
memory=$2
load=$3
here=$(dirname "$0")
# shellcheck source=bench/cells.sh
. "$here/cells.sh"
# shellcheck source=bench/goals.sh
. "$here/goals.sh"
# shellcheck source=bench/losses.sh
. "$here/losses.sh"

version() { # PACKAGE
	dpkg-query -W -f '${Version}' "$1" 2>/dev/null || echo "not installed"
}

machine() {
	local package
	echo "- date: $(date -u '+%Y-%m-%d %H:%M UTC')"
	echo "- machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) processors, $(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)"
	echo "- kernel: $(uname -sr)"
	echo "- markers in: $memory ($(stat -f -c %T "$memory"))"
	echo "- load average before the run: $load"
	echo "- $(costs)"
	for package in inotify-tools s6 redis-server memcached; do echo "- $package: $(version $package)"; done
}

cat <<EOT
# Results

Written by \`script/bench\`; do not edit. \`BENCHMARKS.md\` explains what is measured and how.
All values are medians unless stated otherwise. Only their ratios are meaningful; the baselines took turns in one run.

$(machine)

## Goals

$(explain_speed)

$(goals)

## Cost of this machine

Microseconds. All that follows is made of these steps.

$(rows machine.csv)

## Cost of a marker for the worker

Microseconds for open, write and close of a marker while that many processes wait for another one; the ratio is to
the same without waiters.

$(pivot fanout.csv worker_us 1 first)

The 99th percentile:

$(pivot fanout.csv worker_p99_us 1 first)

The marker that the processes wait for:

$(pivot fanout.csv own_marker_us 1 first)

## From the marker to the waiters

Milliseconds until the last waiter is awake and has seen the marker; the ratio is to the floor, which is the best of a
futex and of a watch in each waiter. $(costs)

$(pivot fanout.csv last_us 1000 floor)

The same while there is a process in a child pid namespace:

$(pivot nested.csv last_us 1000 floor)

The median waiter:

$(pivot fanout.csv median_us 1000 floor)

The first waiter:

$(pivot fanout.csv first_us 1000 floor)

## CPU time of one fan-out

Milliseconds of all processes together; the ratio is to the floor. $(costs)

$(pivot fanout.csv cpu_us 1000 floor)

## A crowd

Many processes do the same at once. Milliseconds until the last of them has its answer, and of CPU time of all of them
and the daemon; how often they walked /proc, and how many watches of their own they opened; all of it with few and with
many of them. The last ratio is the CPU time of many to that of few, in relation to their numbers: 1 is linear.
$(costs)

$(crowd)

## Waiting while nothing happens

readyd, while that many processes are waited for over one connection:

$(rows idle.csv)

Waiters and readyd together, and readyd alone, some time after the waiters began:

$(rows minute.csv)

## A worker that is busy on all processors

What it computes in a second without waiters and with them; the ratio is the median of those of each round, beside the
least and the greatest.

$(rows busy.csv)

## Many processes

One \`readyctl wait\` for all of them, which become ready within a second: the time until all are waited for, from the
first marker to the last, and from a marker to its answer; and shares of a processor from the first marker to the end.
readyctl itself watches for those that readyd does not wait for, since a user may have only a share of its descriptors.

$(rows many.csv)

## Noise

Microseconds of CPU time for each unrelated file that is created in the directory. This includes the creation, but not
the cost of waiting (below). The ratio is to the gate.

$(pivot noise.csv file_us 1 gate)

Microseconds of CPU time per second for waiting while nothing happens:

$(pivot noise.csv idle_us_per_s 1 gate)

Wake-ups of the server per second while nothing happens:

$(pivot noise.csv server_wake_ups_per_s 1 none)

## Starting a wait

$(costs)

$(rows join.csv cost_us)

## A wait for an existing marker

$(costs)

$(rows ready.csv cost_us)

## Queries

$(rows query.csv)

## Memory

KiB. Private are the pages that no file can give back. The rows of a server are followed by one for each of its
processes, if there are several; a page that they share counts once in the sum.

$(rows memory.csv)

$(each)

## Start

$(rows start.csv first_answer_ms)

## Size without symbols

$(rows sizes.csv)

## Scaling

$(rows scaling.csv)

## Fairness

A client of one user while another user attacks the daemon; see bench/attacks.c.

$(rows fairness.csv query_us wake_us)
EOT
printf '\n## Where a baseline is better\n\n'
losses
printf '\n## Left out\n\n'
sort -u "$results/left-out.txt" | sed 's/^/- /'
