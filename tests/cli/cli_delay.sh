#!/bin/bash
# send --delay, --at, cancel: nobody receives it before its time, or ever.
. "$(dirname "$0")/lib.sh"

run 0 create "$q"
printf 'later\n' | run 0 send "$q" --delay 1h --print-ids
id=$out
printf 'now\n' | run 0 send "$q"
run 0 receive "$q" --follow --wait none
is "only what is due" "$out" now
run 0 peek "$q" --state delayed --json
is "delayed" "$(json id data state <<<"$out")" "$id"$'\tlater\tdelayed'
due=$(($(json due_ns <<<"$out") / 1000000000 - $(date +%s)))
((due > 3000 && due <= 3600)) || fail "due in $due s"
is "stat" "$(rp stat "$q" --json | json delayed scheduled ready)" $'1\t1\t0'

# cancel
run 0 cancel "$q" "$id"
has "cancel" "$out" "1 message cancelled"
is "cancelled" "$(rp stat "$q" --json | json delayed cancelled)" $'0\t1'
run 3 cancel "$q" "$id"
has "not there" "$err" "message $id: not there"
printf 'a\nb\nc\n' | run 0 send "$q" --print-ids
mapfile -t ids <<<"$out"
run 0 cancel "$q" "${ids[0]}" "${ids[2]}" --json
is "ready ones" "$(json id outcome <<<"$out")" "${ids[0]}"$'\tcancelled\n'"${ids[2]}"$'\tcancelled'
run 3 cancel "$q" "${ids[1]}" "${ids[2]}"
has "some" "$out" "1 message cancelled"
export dir
echo held | run 0 send "$q" --print-ids
id=$out
"$RINGPOST" work "$q" -n 1 -- "$dir/hold" 2>/dev/null &
worker=$!
pids+=("$worker")
eventually lines_in "$dir/running" 1
run 1 cancel "$q" "$id"
has "held" "$err" "received already"
: >"$dir/go"
status_of "$worker"
is "stays with its receiver" "$status" 0

# It comes when it is due, not before, whether a receiver waits or only a keeper
before=$(date +%s%N)
printf 'soon\n' | run 0 send "$q" --delay 300ms
run 0 receive "$q" --wait 20s
took=$((($(date +%s%N) - before) / 1000000))
is "soon" "$out" soon
((took >= 300)) || fail "received after $took ms"
"$RINGPOST" keeper "$q" &
pids+=($!)
printf 'kept\n' | run 0 send "$q" --delay 200ms
eventually stat_is "$q" ready 1
kill "${pids[-1]}"
run 0 receive "$q"
is "kept" "$out" kept

# By the clock on the wall
printf 'past\n' | run 0 send "$q" --at 2001-01-01T00:00:00Z
run 0 receive "$q"
is "past" "$out" past
before=$(date +%s%N)
printf 'at\n' | run 0 send "$q" --at "@$((before / 1000000000 + 2))"
run 3 receive "$q"
run 0 receive "$q" --wait 20s
(($(date +%s) >= before / 1000000000 + 2)) || fail "--at: too early"
printf 'x\n' | run 0 send "$q" --at +1h
run 0 peek "$q" --state delayed --json
due=$(($(json due_ns <<<"$out") / 1000000000 - $(date +%s)))
((due > 3000 && due <= 3600)) || fail "--at +1h: due in $due s"
run 0 fsck "$q"

# It belongs to no group until it is due: a full queue does not drop it, and who purges it in one group takes it from all
run 0 create "$q.full" --capacity 8 --overflow drop-oldest
run 0 group create "$q.full" other
printf 'x\n' | run 0 send "$q.full" --delay 1h
seq 100 | run 0 send "$q.full"
run 0 peek "$q.full" --state delayed --group other
run 0 purge "$q.full" --state delayed --group other
run 3 peek "$q.full" --state delayed
finish
