#!/bin/bash
# forward: what goes on to the other queue, and what becomes of the rest.
. "$(dirname "$0")/lib.sh"
export dir

run 0 create "$q" --backoff 1ms..1ms --max-deliveries 3 --dead-capacity 10
run 0 create "$q.to" --dedup 10m
seq 5 | run 0 send "$q"
run 0 forward "$q" "$q.to" -n 3
has "summary" "$err" "3 messages: 3 forwarded, 0 of them before, 0 dropped, 0 failed, 0 rejected"
run 0 forward "$q" "$q.to" --wait 1ms --json
is "outcomes" "$(json outcome <<<"$out" | sort | uniq -c | awk '{print $1, $2}')" "2 forwarded"
run 0 receive "$q.to" -n 10
is "in order" "$out" "$(seq 5)"
is "acked" "$(rp stat "$q" --json | json acked ready leased)" $'5\t0\t0'
run 3 forward "$q" "$q.to" --wait 1ms

# Through a filter: 0 forwards what it writes, be it nothing, 101 drops, 100 rejects, the rest fails
printf 'a b\nnothing\ndrop\nreject\nfail\n' | run 0 send "$q"
run 0 forward "$q" "$q.to" --wait 100ms --json -- bash -c '
    read -r x; echo "to stderr" >&2
    case $x in drop) echo lost; exit 101;; reject) exit 100;; fail) echo partly; exit 3;; nothing) exit 0;; *) tr a-z A-Z <<<"$x $RINGPOST_QUEUE";; esac'
is "outcomes" "$(json outcome <<<"$out" | sort | uniq -c | awk '{print $1, $2}')" $'1 dropped\n3 failed\n2 forwarded\n1 rejected'
has "stderr is the worker's" "$err" "to stderr"
run 0 receive "$q.to" -n 10 --json
is "outputs" "$(json data bytes <<<"$out" | tr -d '\n')" "A B ${q^^}	$((5 + ${#q}))	0"
run 0 dead ls "$q" --json
is "dead" "$(json data reason text <<<"$out" | sort)" $'fail\tmax-deliveries\texit status 3\nreject\trejected\texit status 100'
run 0 dead purge "$q"

# Several at once: each filter ends only when three run
seq 9 | run 0 send "$q"
: >"$dir/three"
run 0 forward "$q" "$q.to" -j 3 -n 9 -- bash -c '
    echo x >>"$dir/three"
    until (($(wc -l <"$dir/three") >= 3)); do read -r -t 0.01 <>"$dir/never"; done; cat'
run 0 receive "$q.to" -n 20
is "all" "$(sort -n <<<"$out")" "$(seq 9)"

# Key and priority go along where there is a place for them
run 0 create "$q.keyed" --keyed 8 --dedup 10m
run 0 create "$q.high" --priorities 3 --dedup 10m
run 0 create "$q.low" --priorities 2 --dedup 10m
echo keyed | run 0 send "$q.keyed" --key alpha
run 0 forward "$q.keyed" "$q.high" -n 1
echo high | run 0 send "$q.high" --priority 2
run 0 forward "$q.high" "$q.low" -n 2
run 0 receive "$q.low" -n 2 --json
is "priority" "$(json data priority <<<"$out")" $'high\t1\nkeyed\t0'
run 0 create "$q.keyed2" --keyed 8 --dedup 10m
echo keyed | run 0 send "$q.keyed" --key beta
run 0 forward "$q.keyed" "$q.keyed2" -n 1 -- tr a-z A-Z
run 0 receive "$q.keyed2" --json
is "key" "$(json data key <<<"$out")" $'KEYED\tbeta'

# A group of its own: the others get the message as ever
run 0 group create "$q" copies
echo both | run 0 send "$q"
run 0 forward "$q" "$q.to" -g copies -n 1
run 0 receive "$q"
is "default" "$out" both
run 0 receive "$q.to"
is "copy" "$out" both
run 0 group rm "$q" copies

# A full target is waited for, and a stop signal ends the wait; nothing is lost or charged
run 0 create "$q.full" --capacity 1 --max-participants 2 --dedup 10m
n=0; while rp send "$q.full" <<<full 2>"$dir/err"; do n=$((n + 1)); done
echo patient | run 0 send "$q"
"$RINGPOST" forward "$q" "$q.full" -n 1 2>"$dir/err" &
pids+=($!)
eventually stat_is "$q" leased 1
kill -TERM "${pids[-1]}"
status_of "${pids[-1]}"
is "stopped" "$status" 0
"$RINGPOST" forward "$q" "$q.full" -n 1 2>"$dir/err" &
pids+=($!)
eventually stat_is "$q" leased 1
run 0 receive "$q.full" -n "$n"
status_of "${pids[-1]}"
is "forwarded" "$status" 0
run 0 receive "$q.full" --json
is "uncharged" "$(json data deliveries <<<"$out")" $'patient\t1'

# What the target never takes is rejected
run 0 create "$q.small" --message-bytes 4 --dedup 10m
echo 'too long' | run 0 send "$q"
run 0 forward "$q" "$q.small" -n 1
has "rejected" "$err" "larger than the 4 bytes that '$q.small' takes"
echo ok | run 0 send "$q"
run 0 forward "$q" "$q.small" -n 1 -- echo 'also too long'
has "rejected" "$err" "1 rejected"
run 0 dead purge "$q"

# What cannot be: no window, or one that is too short; and then nothing was taken
run 0 create "$q.none"
run 0 create "$q.short" --dedup 10s
echo x | run 0 send "$q"
run 1 forward "$q" "$q.none" -n 1
run 1 forward "$q" "$q.short" -n 1
has "how long" "$err" "keeps ids for 10.000 s"
run 5 forward "$q" "$q.nowhere" -n 1
run 5 forward "$q.nowhere" "$q.to" -n 1
run 2 forward "$q" "$q" -n 1
run 2 forward "$q" "$q.to" -j 2
run 2 forward "$q" "$q.to" --
run 2 forward "$q"
run 1 forward "$q" "$q.to" -g nobody
run 1 forward "$q" "$q.to" -- "$dir/nothing"
run 0 receive "$q" --json
is "untouched" "$(json data deliveries <<<"$out")" $'x\t1'

# itself, by another name
run 2 forward "$q.to" "$q.to" --wait none
run 2 forward "$q.to" "/dev/shm/ringpost.$q.to" --wait none
has "itself" "$err" "never ends"
finish
