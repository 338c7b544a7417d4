#!/bin/bash
# --dedup, --id, --ids: a send that is repeated stores nothing.
. "$(dirname "$0")/lib.sh"

run 0 create "$q" --dedup 5m --capacity 8 --dedup-entries 64
is "info" "$(rp info "$q" --json | json options.dedup_window_ns options.dedup_entries)" $'300000000000\t64'
run 0 send "$q" --id pay-1 <<<'one'
has "message" "$err" "sent 1 message to $q"
run 0 send "$q" --id pay-1 <<<'one again'
has "message" "$err" "sent 0 messages to $q, 1 had been sent before"
printf 'pay-1\tone, from a list\npay-2\ttwo\npay-3\tthree\n' | run 0 send "$q" --ids --json
is "counts" "$(json sent duplicates <<<"$out")" $'2\t1'
printf 'pay-3\tthree\npay-4\tfour\n' | run 0 send "$q" --ids --wait 1s
run 0 receive "$q" -n 10
is "each once" "$out" $'one\ntwo\nthree\nfour'
run 0 send "$q" --id pay-1 <<<'also after it was acked'
run 3 receive "$q"
is "counted" "$(stat_of "$q" duplicates)" 4
printf 'a\nb\n' | run 0 send "$q" --id two-lines
run 0 receive "$q" --whole
is "all of the input" "$out" $'a\nb'
run 0 send "$q" --id same --print-ids <<<"x"; first=$out
run 0 send "$q" --id same --print-ids <<<"x"; again=$out
is "the first one's number" "$again" "$first"

# A full queue knows what was sent.
run 0 receive "$q" -n 10
for i in {1..8}; do printf 'full-%s\tx\n' "$i"; done | run 0 send "$q" --ids
run 0 send "$q" --id full-3 <<<'x'

# What cannot be.
run 1 send "$q" --ids <<<'no tab'
has "message" "$err" "line 1 does not begin with an id"
run 2 send "$q" --id '' <<<'x'
run 2 send "$q" --id "$(printf '%0200d' 1)" <<<'x'
run 2 send "$q" --id a --ids <<<'x'
run 2 send "$q" --ids --whole <<<'x'
run 0 create "$q.plain"
run 1 send "$q.plain" --id a <<<'x'
has "message" "$err" "no dedup window"
run 2 create "$q.bad" --dedup-entries 5
finish
