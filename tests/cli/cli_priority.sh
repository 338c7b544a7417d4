#!/bin/bash
# create --priorities, send --priority: higher levels first, order within a level, and who is told.
. "$(dirname "$0")/lib.sh"

run 0 create "$q" --priorities 3 --ageing 1h --backoff none
is "info" "$(rp info "$q" --json | json options.priorities options.ageing_ns)" $'3\t3600000000000'
has "info" "$(rp info "$q")" "3 levels"
printf 'low1\nlow2\n' | run 0 send "$q"
printf 'high1\nhigh2\n' | run 0 send "$q" --priority 2
printf 'mid\n' | run 0 send "$q" --priority=1
printf 'later\n' | run 0 send "$q" --priority 2 --delay 1h
run 0 peek "$q" --json
is "peek" "$(json data priority <<<"$out" | paste -sd ' ')" $'low1\t0 low2\t0 high1\t2 high2\t2 mid\t1 later\t2'
is "peek, a column" "$(rp peek "$q" | awk 'NR == 4 { print $8, $9 }')" "2 high1"
run 0 receive "$q" --json
is "the highest" "$(json data priority <<<"$out")" $'high1\t2'
run 0 work "$q" -n 1 -- bash -c 'echo "$(cat) $RINGPOST_PRIORITY"'
is "work" "$out" "high2 2"
run 0 receive "$q" --follow --wait none
is "the others" "$out" $'mid\nlow1\nlow2'

# A failure stays in its level
printf 'low\n' | run 0 send "$q"
printf 'high\n' | run 0 send "$q" --priority 2
run 0 work "$q" -n 1 --json -- false
is "failed" "$(json outcome priority <<<"$out")" $'failed\t2'
run 0 receive "$q" -n 2 --wait 20s --json
is "again" "$(json data priority deliveries <<<"$out")" $'high\t2\t2\nlow\t0\t1'

# There is no such level
printf 'x\n' | run 1 send "$q" --priority 3
has "level" "$err" "line 1 was not sent"
is "nothing sent" "$(stat_of "$q" ready)" 0
run 0 create "$q.plain"
printf 'x\n' | run 1 send "$q.plain" --priority 1
printf 'x\n' | run 0 send "$q.plain" --priority 0
run 0 receive "$q.plain" --json
is "plain" "$(json data priority <<<"$out")" $'x\t0'
finish
