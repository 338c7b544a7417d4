#!/bin/bash
# --ttl, --expired: what nobody received in time.
. "$(dirname "$0")/lib.sh"

run 0 create "$q" --ttl 50ms
is "info" "$(rp info "$q" --json | json options.ttl_ns options.expired)" $'50000000\tdead'
printf 'old\n' | run 0 send "$q"
printf 'young\n' | run 0 send "$q" --ttl 1h
printf 'for ever\n' | run 0 send "$q" --ttl none
expire() { run 0 fsck "$q" --repair; stat_is "$q" expired 1; }
eventually expire
run 0 receive "$q" --follow --wait none
is "the others" "$out" $'young\nfor ever'
run 0 dead ls "$q" --json
is "in the dead ring" "$(json data reason <<<"$out")" $'old\texpired'
run 0 dead ls "$q" --reason expired

run 0 create "$q.drop" --expired drop
printf 'old\n' | run 0 send "$q.drop" --ttl 1us
run 3 receive "$q.drop"
eventually stat_is "$q.drop" expired 1
is "dropped" "$(rp stat "$q.drop" --json | json dead ready)" $'0\t0'
finish
