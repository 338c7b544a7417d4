#!/bin/bash
# --max-bytes, --overflow drop-oldest: bounds that are never silent.
. "$(dirname "$0")/lib.sh"

run 0 create "$q" --max-bytes 1000 --message-bytes 200
is "info" "$(rp info "$q" --json | json options.max_bytes)" 1000
payload=$(printf 'x%.0s' {1..200})
for i in {1..20}; do echo "$payload"; done >"$dir/lines"
run 4 send "$q" "$dir/lines"
has "full" "$err" "sent 5 messages"
is "bytes" "$(stat_of "$q" bytes)" 1000
run 0 receive "$q"
run 4 send "$q" "$dir/lines"
has "room for one" "$err" "sent 1 message"

run 0 create "$q.drop" --capacity 16 --overflow drop-oldest
seq 1000 | run 0 send "$q.drop"
run 0 receive "$q.drop" --follow --wait none
is "the newest is there" "$(tail -1 <<<"$out")" 1000
kept=$(wc -l <<<"$out")
is "in order, none missing" "$out" "$(seq $((1001 - kept)) 1000)"
((kept >= 16)) || fail "only $kept kept"
is "counted" "$(rp stat "$q.drop" --json | json sent dropped)" "1000"$'\t'"$((1000 - kept))"

# The profile for telemetry
run 0 create "$q.telemetry" --profile telemetry --capacity 128
is "telemetry" "$(rp info "$q.telemetry" --json | json options.overflow options.max_deliveries)" $'drop-oldest\t1'
seq 1000 | run 0 send "$q.telemetry"
finish
