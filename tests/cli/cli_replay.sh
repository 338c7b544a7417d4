#!/bin/bash
# What was sent to a queue with a journal is read again: printed, or sent to another queue.
. "$(dirname "$0")/lib.sh"
j=$dir/a
small=(--journal "$j" --sync none --journal-file-bytes 64KiB --message-bytes 1KiB)

run 2 create "$q" "${small[@]}" --retain soon
has "retain" "$err" "24h,10GiB"
run 0 create "$q" "${small[@]}" --retain 24h,1MiB
is "options" "$(rp info "$q" --json | json options.journal.retain_ns options.journal.retain_bytes)" $'86400000000000\t1048576'
run 0 info "$q"
has "info" "$out" "kept for 1d or up to 1 MiB"
printf 'one\ntwo\n' | rp send "$q" - --header color=blue 2>/dev/null
sent=$(date +%s%N) # times of messages are those of a clock with a coarse hand
later() { (($(date +%s%N) > sent + 40000000)); }
eventually later
before=$((sent / 1000000000)).$(printf %09d $((sent % 1000000000)))
printf 'three\n' | rp send "$q" - 2>/dev/null
run 0 receive "$q"

# Settled or not, as often as asked
run 0 journal replay "$q"
is "all" "$out" $'one\ntwo\nthree'
run 0 journal replay --journal "$j" --from 2 --until 2 --json
is "json" "$(json sequence bytes data headers.color <<<"$out")" $'2\t3\ttwo\tblue'
run 0 journal replay "$q" --from "@$before"
is "from a time" "$out" three
run 0 journal replay "$q" --until "@$before" -n 5
is "until a time" "$out" $'one\ntwo'
run 0 journal replay "$q" --from "1h ago" --until 1
is "an hour ago" "$out" one
run 0 journal replay "$q" --from oldest -n 1 --whole
is "whole" "$out" one
run 3 journal replay "$q" --from 4
run 3 journal replay "$q" --until "1h ago"
run 2 journal replay "$q" --from yesterday
has "from" "$err" "2h ago"
run 2 journal replay "$q" --journal "$j"
run 2 journal replay
run 2 journal replay "$q" --json --whole
run 5 journal replay "$q.none"
run 5 journal replay --journal "$dir/none"
run 0 create "$q.to" --capacity 2
run 1 journal replay "$q.to"
has "no journal" "$err" "has no journal"

# Into another queue, which is full: it waits
(run 0 journal replay "$q" --to "$q.to" --json --speed 100000
    is "sent" "$(json queue replayed bytes missing <<<"$out")" "$q.to"$'\t3\t11\t0'
    exit "$failures") &
for expected in one two three; do
    is "received" "$(rp receive "$q.to" --wait 20s --json | json data)" "$expected"
done
wait $! || failures=$((failures + 1))
# With what it has of theirs
run 0 journal replay "$q" -n 1 --to "$q.to"
is "headers" "$(rp receive "$q.to" --json | json headers.color)" blue
# Into itself: what was there when it began
run 0 journal replay "$q" --to "$q"
has "itself" "$err" "replayed 3 messages"
is "itself" "$(rp journal replay "$q" | wc -l)" 6

# When the queue is gone, and when files are
run 0 rm "$q"
is "without a queue" "$(rp journal replay --journal "$j" | wc -l)" 6
fill() {
    for ((i = 0; i < 8; i++)); do
        seq 1000 1199 | sed 's/$/ and so on, until a file is full of them, and another one, and some more than that/' | rp send "$q" - 2>/dev/null
        rp receive "$q" --follow --wait none >/dev/null 2>&1
    done
}
run 0 create "$q" "${small[@]}" --retain 1MiB
is "without a time" "$(rp info "$q" --json | json options.journal.retain_ns)" 0
fill
run 0 journal ls "$j"
has "ls" "$out" "whole, kept"
has "ls" "$out" "only kept"
is "all of it" "$(rp journal replay "$q" | wc -l)" 1606

# A signal ends one that waits for room
"$RINGPOST" journal replay "$q" --to "$q.to" 2>"$dir/err" &
pid=$!
is_full() { (($(stat_of "$q.to" ready) >= 2)); }
eventually is_full
kill -TERM $pid
wait $pid
is "interrupted" $? 143
has "interrupted" "$(<"$dir/err")" "replayed"

run 0 rm "$q"
run 0 create "$q" "${small[@]}"
fill
run 1 journal replay "$q" --from 2
has "gone" "$err" "are not in the journal any more"
has "the rest" "$out" "1199 and so on"

# Damage: all before it, and where
rp rm "$q"
for file in "$j/"*.journal; do first=$file && break; done
printf X | dd of="$first" bs=1 seek=5000 conv=notrunc status=none
run 6 journal replay --journal "$j"
has "damage" "$err" "file $(basename "$first" .journal) is damaged at byte"
finish
