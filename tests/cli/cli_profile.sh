#!/bin/bash
# create --profile: each sets what the man page and the help say, no more and no less; flags that are given win.
. "$(dirname "$0")/lib.sh"
page=$(dirname "$0")/../../docs/man/ringpost-create.1

options() { rp info "$1" --json | json options.capacity options.message_bytes options.lease_ns options.max_deliveries options.backoff_ns \
    options.backoff_max_ns options.backoff_factor options.jitter options.dead_capacity options.dead_overflow options.overflow \
    options.priorities options.lanes options.ttl_ns options.max_bytes options.max_groups options.max_participants options.mode; }

# table COLUMN: the flags of a profile as the man page's table has them, sorted
table() { awk -v column="$1" '/^\.It --/ && / Ta / { gsub(/\.It /, ""); split($0, cell, " Ta "); if (cell[column] != "-") print cell[1], cell[column] }' "$page" | sort; }

run 0 create --help
help=$out
column=2
for profile in latency work telemetry durable; do
    column=$((column + 1))
    has "the table" "$(sed -n '/^\.It flag/p' "$page")" "$profile"
    flags=$(sed -n "s/^  $profile  *--/--/p" <<<"$help")
    is "$profile: help and man page" "$(sed 's/ --/\n--/g' <<<"$flags" | sort)" "$(table $column)"
    read -ra words <<<"$flags"
    journal=()
    [[ $profile == durable ]] && journal=(--journal)
    run 0 create "$q.named" --profile "$profile" --json "${journal[@]}" ${journal:+"$dir/named"}
    run 0 create "$q.spelt" "${words[@]}" "${journal[@]}" ${journal:+"$dir/spelt"}
    is "$profile" "$(options "$q.named")" "$(options "$q.spelt")"
    run 0 rm "$q.named"
    run 0 rm "$q.spelt"
done

# The same in figures
run 0 create "$q.latency" --profile latency
is "latency" "$(rp info "$q.latency" --json | json options.capacity options.message_bytes options.lease_ns options.backoff_ns options.backoff_max_ns)" \
    $'1024\t256\t0\t1000000\t100000000'
run 0 create "$q.work" --profile work
is "work" "$(rp info "$q.work" --json | json options.message_bytes options.lease_ns options.max_deliveries options.backoff_ns options.backoff_max_ns options.overflow)" \
    $'4096\t300000000000\t10\t1000000000\t600000000000\tblock'
run 0 create "$q.telemetry" --profile telemetry
is "telemetry" "$(rp info "$q.telemetry" --json | json options.capacity options.message_bytes options.lease_ns options.max_deliveries options.dead_capacity)" \
    $'65536\t256\t10000000000\t1\t64'

# What is given wins, before the profile and behind it
run 0 create "$q.a" --lease 7s --profile work --message-bytes 100
is "both sides" "$(rp info "$q.a" --json | json options.lease_ns options.message_bytes options.max_deliveries)" $'7000000000\t100\t10'
run 0 create --profile=work "$q.b" --lease=7s --message-bytes=100
is "any order" "$(options "$q.a")" "$(options "$q.b")"
run 0 create "$q.c" --profile latency --profile work
is "the last profile" "$(options "$q.c")" "$(options "$q.work")"

# durable wants to know where
run 2 create "$q.durable" --profile durable
has "durable" "$err" "needs --journal"
[[ -e /dev/shm/ringpost.$q.durable ]] && fail "a refused create left a queue"
run 2 create "$q.x" --profile fast
has "unknown" "$err" "latency, work, telemetry or durable"
run 2 create "$q.x" --profile work --leese 5s
has "an error beside a profile" "$err" "did you mean '--lease'"
finish
