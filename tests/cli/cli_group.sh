#!/bin/bash
# group create, rm, ls: every group gets every message from its beginning on.
. "$(dirname "$0")/lib.sh"

run 0 create "$q" --max-groups 3
echo before | run 0 send "$q"
run 0 group create "$q" audit --overflow drop-oldest
run 0 group create "$q" log --from newest --json
is "create --json" "$(json queue group overflow <<<"$out")" "$q	log	queue"
run 1 group create "$q" audit
has "exists" "$err" "already"
run 1 group create "$q" more
has "no place" "$err" "3 places"
run 2 group create "$q" "no name"
run 2 group create "$q" x --from yesterday
has "from" "$err" "2h ago"
run 1 group create "$q" x --from oldest
has "no journal" "$err" "has no journal"
run 2 group create "$q" x --overflow sometimes
run 5 group create "$q.none" x
seq 3 | run 0 send "$q"

rp group ls "$q" --json >"$dir/groups"
is "ls" "$(json queue <"$dir/groups")" "$q"
run 0 group ls "$q"
is "table" "$(awk '{print $1, $2, $3, $NF}' <<<"$out")" "GROUP READY LEASED OVERFLOW
default 4 0 queue
audit 3 0 drop-oldest
log 3 0 queue"
run 0 info "$q"
has "info" "$out" "audit"
run 0 stat "$q"
has "stat" "$out" "audit"

run 0 receive "$q" --group audit -n 9
is "audit" "$out" $'1\n2\n3'
run 3 receive "$q" --group audit
run 0 receive "$q" -n 9
is "default" "$out" $'before\n1\n2\n3'
is "still for log" "$(rp peek "$q" --group log --json | json data | paste -sd ' ')" "1 2 3"

# a receiver of a group that is removed ends, at once
rp receive "$q" --group audit --follow >"$dir/out" 2>"$dir/gone" &
receiver=$!
pids+=("$receiver")
eventually bash -c "'$RINGPOST' group ls '$q' --json | grep -q '\"group\": *\"audit\".*\"waiting\": *[1-9]'"
run 0 group rm "$q" audit
wait "$receiver"
is "status of the receiver" $? 5
has "why" "$(<"$dir/gone")" "group"
run 1 group rm "$q" audit
run 0 group rm "$q" audit --force --json
is "rm --force --json" "$(json removed <<<"$out")" false
run 0 group rm "$q" log
is "room again" "$(rp stat "$q" --json | json ready leased free_cells)" "0	0	$(rp stat "$q" --json | json cells)"
run 1 receive "$q" --group audit

# receive makes its group when asked to
run 2 receive "$q" --create-group
run 2 receive "$q" --create-group --group 'no name'
run 3 receive "$q" --group audit --create-group
run 3 receive "$q" --group audit --create-group
echo now | run 0 send "$q"
run 0 receive "$q" --group audit --create-group
is "created by receive" "$out" now

# nobody: sent, and counted
run 0 group rm "$q" audit
run 0 group rm "$q" default
echo lost | run 0 send "$q"
is "unroutable" "$(rp stat "$q" --json | json unroutable)" 1
run 0 group ls "$q"
has "nobody" "$err" "for nobody"
run 0 group create "$q" default
echo found | run 0 send "$q"
run 0 receive "$q"
is "default" "$out" found

run 0 group --help
run 2 group
run 2 group remove
has "verb" "$err" "no 'group remove'"
run 0 fsck "$q"
finish
