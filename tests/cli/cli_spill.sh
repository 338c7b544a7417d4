#!/bin/bash
# --overflow spill: more than memory holds, in order, from a file that goes with its queue.
. "$(dirname "$0")/lib.sh"

mkdir "$dir/spill"
run 2 create "$q" --overflow spill
has "what it needs" "$err" "spill_dir"
run 2 create "$q" --spill "$dir/spill" --spill-max 1MiB
run 0 create "$q" --capacity 64 --overflow spill --spill "$dir/spill" --spill-max 64MiB
is "info" "$(rp info "$q" --json | json options.overflow options.spill_dir options.spill_max_bytes)" "spill"$'\t'"$dir/spill"$'\t'67108864
has "info" "$(rp info "$q")" "spill, at most 64 MiB in $dir/spill"
seq 50000 | run 0 send "$q"
spilled=$(rp stat "$q" --json | json spill.messages)
((spilled > 49000 && spilled < 50000)) || fail "$spilled are spilled"
has "stat" "$(rp stat "$q")" "spilled_now"
is "one file" "$(ls "$dir/spill" | wc -l)" 1
run 0 fsck "$q"
rp gc --spill "$dir/spill" >"$dir/out" 2>&1 # others' queues may be damaged
is "it is in use" "$(ls "$dir/spill" | wc -l)" 1
# Another container's /dev/shm says nothing of our queue.
if unshare -rm mount -t tmpfs tmpfs /dev/shm 2>"$dir/out"; then
    unshare -rm bash -c 'mount -t tmpfs tmpfs /dev/shm; "$0" gc --spill "$1"' "$RINGPOST" "$dir/spill" >"$dir/out" 2>&1
    has "told" "$(<"$dir/out")" "was left"
    is "another container's" "$(ls "$dir/spill" | wc -l)" 1
fi
run 0 receive "$q" --follow --wait none
is "in order, none missing" "$out" "$(seq 50000)"
is "empty" "$(rp stat "$q" --json | json spill.messages spill.full)" $'0\t0'
run 0 rm "$q"
is "the file went with it" "$(ls "$dir/spill" | wc -l)" 0

run 0 create "$q" --overflow spill --spill "$dir/spill" --spill-max 1MiB --capacity 64
seq 100000 | run 4 send "$q"
has "full" "$err" "spill file"
(($(rp stat "$q" --json | json spill.full) > 0)) || fail "not counted"
run 1 dump "$q"
has "no dump" "$err" "spills"
rm "/dev/shm/ringpost.$q"
rp gc --spill "$dir/spill" >"$dir/out" 2>&1
is "a leftover" "$(ls "$dir/spill" | wc -l)" 0
finish
