#!/bin/bash
# send --producer: run again with the same input, it sends what is missing, whenever it was killed.
. "$(dirname "$0")/lib.sh"

run 0 create "$q" --capacity 5000 --producers 2
is "info" "$(rp info "$q" --json | json options.max_producer_ids)" 2
seq 3 | run 0 send "$q" --producer import
has "message" "$err" "sent 3 messages to $q"
seq 5 | run 0 send "$q" --producer import
has "message" "$err" "sent 2 messages to $q, 3 had been sent before"
seq 5 8 | run 0 send "$q" --producer import --first-sequence 5 --json
is "counts" "$(json sent duplicates <<<"$out")" $'3\t1'
seq 9 | run 0 send "$q" --producer import --print-ids
is "ids" "$(head -n 8 <<<"$out" | sort -u)" 0
printf 'all\nof it' | run 0 send "$q" --producer whole --whole
run 0 send "$q" --producer whole --whole </dev/null
has "message" "$err" "sent 0 messages to $q, 1 had been sent before"
run 0 receive "$q" -n 20
is "each once" "$out" $'1\n2\n3\n4\n5\n6\n7\n8\n9\nall\nof it'

run 0 producer ls "$q"
is "table" "$(awk '{print $1, $NF}' <<<"$out")" "LAST PRODUCER
9 import
1 whole"
has "ls --json" "$(rp producer ls "$q" --json | tr -d " ")" '"id":"import","sequence":9,'
run 0 info "$q"
has "info" "$out" "whole"
echo x | run 1 send "$q" --producer third
has "full" "$err" "2 places"
run 1 producer rm "$q" nobody
run 0 producer rm "$q" nobody --force --json
is "rm --force" "$(json removed <<<"$out")" false
run 0 producer rm "$q" whole
echo x | run 0 send "$q" --producer third
run 0 receive "$q"

# One at a time; a stopped one keeps it.
mkfifo "$dir/input"
"$RINGPOST" send "$q" --producer import <"$dir/input" &
sender=$!
pids+=("$sender")
exec 3>"$dir/input"
eventually bash -c "'$RINGPOST' producer ls '$q' --json | grep -q '\"alive\": *true'"
kill -STOP "$sender"
echo x | run 1 send "$q" --producer import
has "in use" "$err" "$sender"
run 1 producer rm "$q" import
kill -KILL "$sender"
wait "$sender" 2>/dev/null
exec 3>&-

# Killed again and again while it sends, and run again with the same input.
lines() { for ((n = 1; n <= 3000; n++)); do echo "$n" 2>/dev/null || return; done; }
seq 3000 >"$dir/lines"
run 0 producer rm "$q" third
for i in {1..25}; do
    "$RINGPOST" send "$q" --producer log < <(lines) 2>/dev/null &
    sender=$!
    for ((k = 0; k < i * 500; k++)); do :; done
    kill -KILL "$sender" 2>/dev/null
    wait "$sender" 2>/dev/null
done
run 0 send "$q" --producer log "$dir/lines"
rp receive "$q" -n 5000 >"$dir/received"
is "each line once, in order" "$(cmp "$dir/lines" "$dir/received" 2>&1)" ""
run 0 fsck "$q"

# What cannot be.
run 2 send "$q" --producer '' <<<x
run 2 send "$q" --producer "$(printf '%065d' 1)" <<<x
run 2 send "$q" --first-sequence 2 <<<x
run 2 send "$q" --producer a --first-sequence 0 <<<x
run 2 producer
run 2 producer lst "$q"
run 5 producer ls "$q.none"
# behind the last sequence there is none; a message without one would be sent again each time
run 0 create "$q.end"
for i in 1 2; do
    seq 3 | run 1 send "$q.end" --producer e --first-sequence 18446744073709551614
    has "used up" "$err" "line 3: there is no sequence after 18446744073709551615"
done
is "up to the last" "$(rp receive "$q.end" -n 9)" $'1\n2'

run 2 create "$q.bad" --producers 4001
run 0 create "$q.plain" --producers 0
run 1 send "$q.plain" --producer a <<<x
finish
