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

# By age and by what was said; a dry run lists them
printf 'x\ny\nz\n' | run 0 send "$q"
run 0 work "$q" -n 3 -- bash -c 'read -r x; [[ $x == y ]] && kill -9 $$; exit 100'
run 0 work "$q" --wait 20ms -- bash -c 'kill -9 $$'
is "dead" "$(stat_of "$q" dead)" 3
has "stat" "$(rp stat "$q" --json)" '"dead_by_reason":{"rejected":2,"max-deliveries":1}'
has "stat" "$(rp stat "$q" | tr -s ' ')" "rejected 2 of the dead"
is "text" "$(rp dead ls "$q" --text 'signal 9' --json | json data)" "y"
is "text" "$(rp dead ls "$q" --text status --json | json data | paste -sd ' ')" "x z"
run 3 dead ls "$q" --older 1h
is "younger" "$(rp dead ls "$q" --younger 1h --json | json data | paste -sd ' ')" "x y z"
run 3 dead ls "$q" --key x
run 2 dead ls "$q" --older 2h --younger 1h
run 2 dead redrive "$q" --rate 0
run 2 dead redrive "$q" --rate 5/d
run 0 dead purge "$q" --text status --dry-run
has "dry run" "$out" "exit status 100"
has "dry run" "$out" "2 messages would be purged"
is "dry run" "$(stat_of "$q" dead)" 3

# To another queue; not to itself; not more than there is room for
run 5 dead redrive "$q" --to "$q.none"
run 1 dead redrive "$q" --to "$q"
has "itself" "$err" "would never end"
run 0 create "$q.to" --capacity 1 --max-participants 1
run 0 dead redrive "$q" --to "$q.to" --text status
has "to" "$out" "2 messages redriven to $q.to"
is "to" "$(rp receive "$q.to" --follow --wait none | paste -sd ' ')" "x z"
is "left" "$(rp dead ls "$q" --json | json data)" "y"
seq 20 | run 0 send "$q"
run 0 work "$q" -n 20 -- bash -c 'exit 100'
run 4 dead redrive "$q" --to "$q.to"
has "full" "$out" "9 messages redriven"
is "full" "$(stat_of "$q" dead)" 12

# Killed while it moves them: each is in one of the two queues, and one for each kill in both
run 0 create "$q.from" --capacity 200 --dead-capacity 200
run 0 create "$q.all" --capacity 300
seq 100 | run 0 send "$q.from"
run 0 work "$q.from" -n 100 -- bash -c 'exit 100'
for kill in 1 2 3; do
    "$RINGPOST" dead redrive "$q.from" --to "$q.all" --rate 1000/s >/dev/null &
    pids+=($!)
    until (($(stat_of "$q.all" ready) >= kill * 10)); do pause; done
    kill -KILL $!
    wait $! 2>/dev/null || true
done
run 0 dead redrive "$q.from" --to "$q.all"
is "none left" "$(stat_of "$q.from" dead)" 0
moved=$(rp receive "$q.all" --follow --wait none)
is "all of them" "$(sort -nu <<<"$moved" | paste -sd ' ')" "$(seq 100 | paste -sd ' ')"
(($(wc -l <<<"$moved") <= 103)) || fail "moved" "more than one twice for each kill"

# A signal says how far it came; a rate is not exceeded: of 1 an hour, one goes at once
"$RINGPOST" dead redrive "$q" --rate 1/h >"$dir/paced" 2>"$dir/paced.err" &
pids+=($!)
until [[ $(stat_of "$q" ready) == 1 ]]; do pause; done
kill -INT $!
kill -TERM $!
wait $!
status=$?
((status == 130 || status == 143)) || fail "a paced redrive ended with $status"
has "paced" "$(<"$dir/paced.err")" "interrupted after 1 message"
is "paced" "$(stat_of "$q" dead)" 11
run 0 dead redrive "$q" --rate 1000/s -n 5
has "rate" "$out" "5 messages redriven"
run 0 dead redrive "$q" --rate 100/s
has "rate" "$out" "6 messages redriven"
is "rate" "$(stat_of "$q" ready)" 12

# What dies again while it is redriven is left for the next time
run 0 receive "$q" --follow --wait none
seq 5 | run 0 send "$q"
run 0 work "$q" -n 5 -- bash -c 'exit 100'
"$RINGPOST" work "$q" -n 5 -- bash -c 'exit 100' >/dev/null 2>&1 &
pids+=($!)
worker=$!
run 0 dead redrive "$q" --rate 20/s
has "each once" "$out" "5 messages redriven"
wait "$worker"
is "each once" "$(rp stat "$q" --json | json dead ready)" $'5\t0'

# A dead ring that refuses: a rejected message stays in the queue, as failed
run 0 create "$q.refuse" --dead-capacity 1 --dead-overflow refuse --backoff none
printf '1\n2\n' | run 0 send "$q.refuse"
run 0 work "$q.refuse" -n 2 -- bash -c 'exit 100'
is "refused" "$(rp stat "$q.refuse" --json | json dead leased)" $'1\t0'
run 0 receive "$q.refuse" --wait 20s --json
is "stays" "$(json data deliveries <<<"$out")" $'2\t2'
finish
