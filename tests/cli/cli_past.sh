#!/bin/bash
# A group that begins in the past gets what was sent since then, whatever became of it, and then what is sent.
. "$(dirname "$0")/lib.sh"
j=$dir/a

run 0 create "$q" --journal "$j" --sync none --retain 24h
printf 'one\ntwo\n' | rp send "$q" - 2>/dev/null
sent=$(date +%s%N) # times of messages are those of a clock with a coarse hand
later() { (($(date +%s%N) > sent + 40000000)); }
eventually later
before=$((sent / 1000000000)).$(printf %09d $((sent % 1000000000)))
printf 'three\n' | rp send "$q" - 2>/dev/null
run 0 receive "$q" -n 9
is "default" "$out" $'one\ntwo\nthree'

run 0 group create "$q" late --from 2
run 0 group ls "$q"
has "behind" "$out" "2 behind, in the journal"
has "behind --json" "$(rp group ls "$q" --json)" '"behind":2'
run 0 receive "$q" --group late -n 1
is "the first" "$out" two
echo four | rp send "$q" - 2>/dev/null
run 0 receive "$q" --group late -n 9
is "the others" "$out" $'three\nfour'
run 3 receive "$q" --group late
is "not behind" "$(rp group ls "$q" | grep -c behind)" 0

run 0 group create "$q" timely --from "@$before"
run 0 receive "$q" --group timely -n 1
is "since then" "$out" three
run 1 group create "$q" ahead --from 9
has "ahead" "$err" "the next is 5"
run 0 group create "$q" next --from 5

# The machine stops; what a group settled stays settled
rm "/dev/shm/ringpost.$q"
run 0 create "$q" --journal "$j" --sync none --retain 24h
run 0 receive "$q" --group timely -n 9
is "the rest" "$out" four
run 3 receive "$q" --group late
run 0 group rm "$q" next
run 0 group create "$q" all --from oldest
run 0 receive "$q" --group all -n 2
run 0 rm "$q"
finish
