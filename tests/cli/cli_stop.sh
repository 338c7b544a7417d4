#!/bin/bash
# How a worker ends: by one signal, by two, by kill -9.
. "$(dirname "$0")/lib.sh"
export dir

# start_worker ARGUMENT...: a worker whose commands hold their message, see lib.sh
start_worker() {
    : >"$dir/running"
    "$RINGPOST" work "$@" -- "$dir/hold" 2>"$dir/err" &
    worker=$!
    pids+=("$worker")
}

run 0 create "$q" --backoff none

# Idle: SIGTERM ends it at once, and so does SIGINT when it is not ignored (as it is for `&` in a script)
start_worker "$q"
eventually stat_is "$q" participants 1
kill -TERM "$worker"
status_of "$worker"
is "idle, SIGTERM" "$status" 0
env --default-signal=INT "$RINGPOST" work "$q" -- true 2>"$dir/err" &
pids+=($!)
eventually stat_is "$q" participants 1
kill -INT "${pids[-1]}"
status_of "${pids[-1]}"
is "idle, SIGINT" "$status" 0

# Busy: finishes what runs, takes nothing new
seq 5 | run 0 send "$q"
start_worker "$q" -j 2
eventually lines_in "$dir/running" 2
kill -TERM "$worker"
kill -0 "$worker" || fail "the worker did not finish what runs"
: >"$dir/go.2"
eventually stat_is "$q" acked 1
: >"$dir/go.1"
status_of "$worker"
is "busy, SIGTERM" "$status" 0
is "two done" "$(rp stat "$q" --json | json acked ready leased)" $'2\t3\t0'
is "no third" "$(wc -l <"$dir/running")" 2

# The second signal kills the commands and gives the messages back
start_worker "$q" -j 2
eventually lines_in "$dir/running" 2
mapfile -t commands <"$dir/running"
kill -TERM "$worker"
kill -TERM "$worker"
stopping() { # both signals may have been taken as one
    is_dead "$worker" && return 0
    kill -TERM "$worker" 2>/dev/null
    return 1
}
eventually stopping
status_of "$worker"
is "two signals" "$status" 143
for pid in "${commands[@]}"; do eventually is_dead "$pid"; done
is "given back" "$(rp stat "$q" --json | json ready leased)" $'3\t0'
run 0 receive "$q" -n 3 --json
is "uncharged" "$(json data deliveries <<<"$out" | sort)" $'3\t1\n4\t1\n5\t1'

# kill -9: the commands die with it, children of theirs too, and the messages are delivered again
seq 2 | run 0 send "$q"
: >"$dir/running"
: >"$dir/grandchildren"
rm -f "$dir"/go.*
"$RINGPOST" work "$q" -j 2 -- bash -c 'echo $$ >>"$dir/commands"; "$dir/hold" & echo $! >>"$dir/grandchildren"; wait' 2>/dev/null &
worker=$!
pids+=("$worker")
eventually lines_in "$dir/running" 2
eventually lines_in "$dir/grandchildren" 2
kill -KILL "$worker"
wait "$worker" 2>/dev/null
for pid in $(cat "$dir/commands" "$dir/grandchildren"); do eventually is_dead "$pid"; done
run 0 receive "$q" -n 2 --wait 20s --json
is "redelivered, charged" "$(json data deliveries <<<"$out" | sort)" $'1\t2\n2\t2'

# A whole process group killed at once, as a terminal or a supervisor does
echo group | run 0 send "$q"
: >"$dir/running"
setsid "$RINGPOST" work "$q" -- "$dir/hold" 2>/dev/null &
worker=$!
pids+=("$worker")
eventually lines_in "$dir/running" 1
kill -KILL -- "-$worker" 2>/dev/null || kill -KILL "$worker"
wait "$worker" 2>/dev/null
eventually is_dead "$(<"$dir/running")"
run 0 receive "$q" --wait 20s --json
is "group killed" "$(json data deliveries <<<"$out")" $'group\t2'

# What a worker was killed over and over goes to the dead ring, and back
run 0 create "$q.poison" --max-deliveries 2 --backoff none
echo poison | run 0 send "$q.poison"
for i in 1 2; do
    start_worker "$q.poison"
    eventually lines_in "$dir/running" 1
    kill -KILL "$worker"
    wait "$worker" 2>/dev/null
    eventually is_dead "$(<"$dir/running")"
    run 0 fsck "$q.poison" --repair
done
run 0 dead show "$q.poison" --json
is "killed too often" "$(json data reason last_failure deliveries <<<"$out")" $'poison\tmax-deliveries\tdeath\t2'
run 0 dead redrive "$q.poison"
run 0 work "$q.poison" -n 1 -- cat
is "redriven" "$out" poison
is "acked" "$(rp stat "$q.poison" --json | json acked dead)" $'1\t0'
finish
