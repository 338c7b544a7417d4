#!/bin/bash
# Queues with a journal: made, shown, removed, and brought back with what was in them.
. "$(dirname "$0")/lib.sh"
small=(--journal-file-bytes 64KiB --message-bytes 1KiB)

run 0 create "$q" --journal "$dir/a" --sync interval --sync-interval 5ms "${small[@]}"
has "create" "$err" "of the journal $dir/a: 0 messages"
is "info" "$(rp info "$q" --json | json options.journal.directory options.journal.sync options.journal.sync_interval_ns options.journal.file_bytes)" \
    "$dir/a"$'\tinterval\t5000000\t65536'
run 0 info "$q"
has "info" "$out" "$dir/a, sync interval 5ms, files of 64 KiB"
printf 'one\ntwo\nthree\n' | rp send "$q" - 2>/dev/null
run 0 receive "$q"
is "first" "$out" one
run 0 create "$q.other" "${small[@]}"
is "no journal" "$(rp info "$q.other" --json | json options.journal)" null

# Removed and brought back, as after a reboot; with other options
run 0 rm "$q"
run 0 create "$q" --journal "$dir/a" "${small[@]}" --max-deliveries 7 --json
is "brought back" "$(json brought_back <<<"$out")" 2
is "sync" "$(rp info "$q" --json | json options.journal.sync options.journal.sync_interval_ns)" $'always\tnull'
run 0 receive "$q"
is "second" "$out" two
run 1 create "$q" --journal "$dir/a"
has "there" "$err" "exists already"
run 0 rm "$q"

# What is refused changes nothing
run 1 create "$q.b" --journal "$dir/a"
has "another queue's" "$err" "is that of queue '$q'"
run 2 create "$q" --journal "$dir/a" --sync now
has "sync" "$err" "always, interval or none"
run 2 create "$q" --journal "$dir/a" --journal-file-bytes 4KiB
has "size" "$err" "64 KiB to 1 GiB"
run 1 create "$q" --journal "$dir/a" --overflow drop-oldest
has "overflow" "$err" "drop"
run 1 create "$q" --journal "$dir/a" --message-bytes 2 "${small[@]:0:2}"
has "too big" "$err" "is to allow 2"
[[ -e /dev/shm/ringpost.$q ]] && fail "a refused create left a queue"
for file in "$dir/a/"*.journal; do first=$file && break; done
printf '?' | dd of="$first" bs=1 seek=4200 conv=notrunc status=none
run 6 create "$q" --journal "$dir/a" "${small[@]}"
has "damage" "$err" "journal"
[[ -e /dev/shm/ringpost.$q ]] && fail "a refused create left a queue"
finish
