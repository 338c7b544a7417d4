#!/bin/bash
# The dead ring: how messages get there, how they are looked at, redriven and purged.
. "$(dirname "$0")/lib.sh"

run 0 create "$q" --max-deliveries 2 --backoff none --dead-capacity 100 --capacity 200
run 3 dead ls "$q"
is "empty" "$out" ""
run 0 dead redrive "$q"
has "nothing to redrive" "$out" "0 messages redriven"

# Poison fails twice; the others are acked
printf 'a\npoison\x1b[2J\nb\n' | run 0 send "$q"
run 0 work "$q" --wait 200ms -- bash -c 'read -r x; [[ $x != poison* ]] || exit 7'
is "acked" "$(rp stat "$q" --json | json acked dead died)" $'2\t1\t1'
run 0 dead ls "$q"
has "escaped" "$out" 'poison\x1b[2J'
has "reason" "$out" "exit status 7"
run 0 dead show "$q" --json
is "letter" "$(json reason last_failure deliveries acquisitions text <<<"$out")" $'max-deliveries\tnack\t2\t2\texit status 7'
is "payload" "$(json data <<<"$out")" $'poison\x1b[2J'
id=$(json id <<<"$out")
run 0 dead show "$q" --id "$id"
has "show" "$out" "message $id"
has "show" "$out" "max-deliveries"
run 3 dead show "$q" --id $((id + 1000))
run 3 dead redrive "$q" --id $((id + 1000))
has "no such id" "$err" "not in the dead ring"
run 0 dead redrive "$q" --id "$id" --dry-run
has "dry run" "$out" "1 message would be redriven"
is "dry run" "$(stat_of "$q" dead)" 1
run 0 dead redrive "$q" --id "$id" --json
is "redrive" "$(json redriven <<<"$out")" 1
run 0 receive "$q" --json
is "as if it had never failed" "$(json id deliveries <<<"$out")" "$id"$'\t1'

# Filters and limits
seq 6 | run 0 send "$q"
run 0 work "$q" -n 6 -- bash -c 'read -r x; exit $((x <= 4 ? 100 : 1))' # 1 to 4 rejected, 5 and 6 failed once
run 0 work "$q" -n 2 -- false
is "dead" "$(stat_of "$q" dead)" 6
run 0 dead ls "$q" --reason rejected --json
is "rejected" "$(json data <<<"$out" | paste -sd ' ')" "1 2 3 4"
run 0 dead ls "$q" --reason max-deliveries --json
is "failed" "$(json data <<<"$out" | paste -sd ' ')" "5 6"
run 0 dead ls "$q" --reason rejected,max-deliveries --limit 5 --json
is "limit" "$(json data <<<"$out" | wc -l)" 5
run 3 dead ls "$q" --reason held
run 0 dead redrive "$q" --reason rejected --limit 2 --json
is "lowest ids first" "$(rp receive "$q" --follow --wait none | paste -sd ' ')" "1 2"
run 0 dead purge "$q" --reason max-deliveries --dry-run --json
is "dry run" "$(json purged dry_run <<<"$out")" $'2\ttrue'
run 0 dead purge "$q" --reason max-deliveries
has "purge" "$out" "2 messages purged"
run 0 dead redrive "$q"
has "the rest" "$out" "2 messages redriven"
is "the rest" "$(rp receive "$q" --follow --wait none | paste -sd ' ')" "3 4"
run 0 fsck "$q" --json
is "fsck" "$(json violations <<<"$out")" 0

# A dead ring that refuses: a rejected message stays in the queue, as failed
run 0 create "$q.refuse" --dead-capacity 1 --dead-overflow refuse --backoff none
printf '1\n2\n' | run 0 send "$q.refuse"
run 0 work "$q.refuse" -n 2 -- bash -c 'exit 100'
is "refused" "$(rp stat "$q.refuse" --json | json dead leased)" $'1\t0'
run 0 receive "$q.refuse" --wait 20s --json
is "stays" "$(json data deliveries <<<"$out")" $'2\t2'
finish
