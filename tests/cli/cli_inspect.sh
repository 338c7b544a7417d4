#!/bin/bash
# stat, peek, info, ls, fsck, gc, purge: looking changes nothing, damage is found.
. "$(dirname "$0")/lib.sh"
export dir

run 0 create "$q" --backoff 1h..1h --lease 10m --capacity 100
seq 5 | run 0 send "$q"
run 0 work "$q" -n 1 -- bash -c 'exit 9' # 1 is delayed now
"$RINGPOST" work "$q" -n 1 -- "$dir/hold" 2>/dev/null & # 2 is leased
worker=$!
pids+=("$worker")
eventually stat_is "$q" leased 1
eventually lines_in "$dir/running" 1

is "stat" "$(rp stat "$q" --json | json ready leased delayed dead sent participants capacity)" $'3\t1\t1\t0\t5\t1\t100'
run 0 stat "$q"
has "stat" "$out" "delayed"
run 0 peek "$q" --json
is "peek" "$(json data state deliveries pid <<<"$out")" "1	delayed	1	0
2	leased	0	$worker
3	ready	0	0
4	ready	0	0
5	ready	0	0"
run 0 peek "$q" --state leased,delayed --json
is "peek --state" "$(json data <<<"$out" | paste -sd ' ')" "1 2"
run 0 peek "$q" --state ready -n 2
is "peek -n" "$(wc -l <<<"$out")" 3
has "peek -n" "$err" "more than 2"
run 3 peek "$q" --state dead
run 0 info "$q" --json
is "info" "$(json participants <<<"$out")" 1
run 0 info "$q"
has "info" "$out" "$worker"
run 0 ls --json
is "ls" "$(grep "\"$q\"" <<<"$out" | json state ready)" $'in use\t3'
run 0 fsck "$q" --json
is "fsck" "$(json violations <<<"$out")" 0
is "nothing changed" "$(rp stat "$q" --json | json ready leased delayed)" $'3\t1\t1'

# Payloads do no harm to a terminal
run 0 create "$q.escape" --message-bytes 4KiB
printf 'a\\b\x1b]0;x\x07\xff\xe2\x80\xaeu\xc3\xbc\x9b' | run 0 send "$q.escape" --whole
printf 'x%.0s' {1..300} | run 0 send "$q.escape" --whole
run 0 peek "$q.escape"
has "escapes" "$out" 'a\\b\x1b]0;x\x07\xff\xe2\x80\xaeuü\x9b'
has "cut" "$out" "xxx..."
run 0 peek "$q.escape" --whole
has "whole" "$out" "$(printf 'x%.0s' {1..300})"

# gc recovers what a dead process held
kill -KILL "$worker"
wait "$worker" 2>"$dir/err"
eventually is_dead "$(<"$dir/running")"
is "stale" "$(rp ls --json | grep "\"$q\"" | json state)" stale
rp gc --json >"$dir/out" 2>"$dir/err" # the status may speak of other queues of this machine
out=$(<"$dir/out")
is "gc" "$(grep "\"$q\"" <<<"$out" | json queue)" "$q"
json <<<"$out" || fail "gc --json: $out"
is "recovered" "$(rp stat "$q" --json | json leased delayed participants recovered deaths)" $'0\t2\t0\t1\t1'
has "gc" "$(rp gc 2>"$dir/err")" "$q: "

# purge, by state
run 0 purge "$q" --state delayed --json
is "purge" "$(json purged <<<"$out")" 2
run 0 purge "$q"
has "purge" "$out" "3 messages purged"
is "purged" "$(rp stat "$q" --json | json ready delayed purged)" $'0\t0\t5'

# Damage is said, with status 6, and ls goes on
run 0 create "$q.bad"
dd if=/dev/zero of="/dev/shm/ringpost.$q.bad" bs=64 count=1 conv=notrunc 2>/dev/null
: >"/dev/shm/ringpost.$q.empty"
head -c 100000 /dev/urandom >"/dev/shm/ringpost.$q.noise"
for name in bad noise; do
    run 6 stat "$q.$name"
    run 6 fsck "$q.$name"
    run 6 receive "$q.$name"
    is "ls" "$(rp ls --json | grep "\"$q.$name\"" | json state)" broken
done
run 0 ls
has "ls" "$out" "broken: RP_"
run 0 rm "$q.bad"
finish
