#!/bin/bash
# pause, resume, drain: who waits, who is told, and what is shown.
. "$(dirname "$0")/lib.sh"

run 0 create "$q"
run 0 group create "$q" slow
seq 3 | run 0 send "$q"

# both sides
run 0 pause "$q"
has "pause" "$err" "paused: send, receive"
echo late | run 4 send "$q"
has "send" "$err" "paused"
run 3 receive "$q" --wait 20ms
has "receive" "$err" "paused"
run 3 work "$q" --wait 20ms -- true
run 0 resume "$q"
has "resume" "$err" "nothing is paused"
run 0 receive "$q"
is "after resume" "$out" 1

# one group, shown everywhere
run 0 pause "$q" --group slow --json
is "pause --json" "$(json queue <<<"$out")" "$q"
run 3 receive "$q" --group slow
run 0 receive "$q"
is "the other group" "$out" 2
run 0 pause "$q" --send
for verb in stat info; do
    run 0 "$verb" "$q"
    has "$verb" "$out" "send, group slow"
done
run 0 ls
has "ls" "$out" "paused: send, group slow"
run 0 group ls "$q"
is "group ls" "$(awk '$1 == "slow" {print $NF}' <<<"$out")" paused
rp stat "$q" --json | grep -q '"paused": *\["send"\]' || fail "stat --json"
run 0 resume "$q"
has "what stays" "$err" "paused: group slow"
run 0 resume "$q" --group slow
run 0 receive "$q" --group slow
is "slow" "$out" 1
run 1 pause "$q" --group none
run 2 pause "$q" --group slow --receive
run 2 pause
run 5 pause "$q.none"

# a send that waits is woken by the resume, and a follower by its own
run 0 pause "$q"
echo patient | "$RINGPOST" send "$q" --wait forever 2>/dev/null &
sender=$!
"$RINGPOST" receive "$q" -n 2 --wait forever >"$dir/followed" &
receiver=$!
pids+=("$sender" "$receiver")
eventually bash -c "'$RINGPOST' group ls '$q' --json | grep -q '\"group\": *\"default\".*\"waiting\": *[1-9]'"
run 0 resume "$q" --send
status_of "$sender"
is "status of the sender" "$status" 0
run 0 resume "$q" --receive
status_of "$receiver"
is "status of the receiver" "$status" 0
is "followed" "$(paste -sd ' ' "$dir/followed")" "3 patient"

# drain
run 3 drain "$q" --timeout none
has "drain" "$err" "3 messages left"
echo late | run 4 send "$q"
run 3 drain "$q" --timeout 30ms --json
is "drain --json" "$(json left drained <<<"$out")" "3	false"
"$RINGPOST" drain "$q" 2>"$dir/drained" &
drainer=$!
pids+=("$drainer")
run 0 receive "$q" --group slow -n 9
status_of "$drainer"
is "status of the drainer" "$status" 0
has "drained" "$(<"$dir/drained")" "nothing is left"
run 0 drain "$q" --json --timeout none
is "drained --json" "$(json left drained <<<"$out")" "0	true"
run 0 resume "$q"

# dead letters count when asked for, and cannot be redriven meanwhile
echo poison | run 0 send "$q"
run 0 receive "$q" --group slow
run 0 work "$q" -n 1 -- sh -c 'exit 100'
run 0 drain "$q" --timeout none
run 3 drain "$q" --timeout none --dead
run 4 dead redrive "$q"
run 0 purge "$q" --state dead
run 0 drain "$q" --timeout none --dead

# somebody resumes; a signal
run 0 resume "$q"
echo stays | run 0 send "$q"
"$RINGPOST" drain "$q" 2>"$dir/drained" &
drainer=$!
pids+=("$drainer")
eventually bash -c "'$RINGPOST' stat '$q' --json | grep -q '\"paused\": *\[\"send\"\]'"
run 0 resume "$q"
status_of "$drainer"
is "status of a drainer whose pause was ended" "$status" 1
has "why" "$(<"$dir/drained")" "resumed"
"$RINGPOST" drain "$q" 2>"$dir/drained" &
drainer=$!
pids+=("$drainer")
eventually bash -c "'$RINGPOST' stat '$q' --json | grep -q '\"paused\": *\[\"send\"\]'"
kill -TERM "$drainer"
status_of "$drainer"
is "status of a drainer that was told to end" "$status" 143
has "it says" "$(<"$dir/drained")" "stays paused"
run 0 resume "$q"

# receive: N, or so long after the first
run 0 purge "$q"
seq 2 | run 0 send "$q"
run 0 receive "$q" -n 5 --wait forever --within 30ms
is "within" "$(paste -sd ' ' <<<"$out")" "1 2"
seq 5 | run 0 send "$q"
run 0 receive "$q" -n 3 --wait forever --within 5m
is "enough" "$(paste -sd ' ' <<<"$out")" "1 2 3"
run 0 fsck "$q"
finish
