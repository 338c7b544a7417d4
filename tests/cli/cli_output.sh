#!/bin/bash
# Output that cannot be written loses no message; signals and a queue that goes away end a receiver in order.
. "$(dirname "$0")/lib.sh"

# start_receiver ARGUMENT...: in the background; output in $dir/got, its pid in $receiver; goes on when it is attached.
start_receiver() {
    "$RINGPOST" receive "$@" >"$dir/got" 2>"$dir/goterr" &
    receiver=$!
    pids+=("$receiver")
    eventually stat_is "$q" participants 1
}

run 0 create "$q" --capacity 20000

# A full disk
seq 10 | run 0 send "$q"
rp receive "$q" -n 10 >/dev/full 2>"$dir/err"
is "full disk" "$?" 1
has "full disk" "$(<"$dir/err")" "No space left"
is "given back" "$(stat_of "$q" ready)" 10
run 0 receive "$q" --json
is "uncharged" "$(json data deliveries <<<"$out")" $'1\t1'

# Closed stdout
rp receive "$q" >&- 2>"$dir/err"
is "closed stdout" "$?" 1
is "given back" "$(stat_of "$q" ready)" 9

# No reader: it does not even take one
mkfifo "$dir/pipe"
exec 5<>"$dir/pipe" 6>"$dir/pipe"
exec 5>&-
rp receive "$q" -n 9 >&6 2>"$dir/err"
is "no reader" "$?" 1
exec 6>&-
is "given back" "$(stat_of "$q" ready)" 9
run 0 receive "$q" -n 9 --json
is "uncharged" "$(json deliveries <<<"$out" | sort -u)" 1

# A reader that goes: acked is what went into the pipe, in order; the rest is there still
seq 20000 | run 0 send "$q"
rp receive "$q" --follow 2>"$dir/err" | head -n 1 >"$dir/out"
is "reader gone" "${PIPESTATUS[0]}" 1
is "first" "$(<"$dir/out")" 1
acked=$((20000 - $(stat_of "$q" ready)))
((acked > 0 && acked < 20000)) || fail "acked $acked of 20000"
run 0 receive "$q" --follow --wait none --json
is "the rest, nothing lost" "$(json data <<<"$out" | sort -n | uniq)" "$(seq $((acked + 1)) 20000)"
is "the rest, uncharged" "$(json deliveries <<<"$out" | sort -u)" 1

# A reader that goes while nothing comes is noticed
mkfifo "$dir/idle"
"$RINGPOST" receive "$q" --follow >"$dir/idle" 2>"$dir/goterr" &
pids+=($!)
exec 5<"$dir/idle"
eventually stat_is "$q" participants 1
exec 5<&-
status_of "${pids[-1]}"
is "idle, reader gone" "$status" 1

# Signals
start_receiver "$q" --follow
echo hello | run 0 send "$q"
eventually lines_in "$dir/got" 1
kill -TERM "$receiver"
status_of "$receiver"
is "--follow, SIGTERM" "$status" 0
is "--follow" "$(<"$dir/got")" hello
start_receiver "$q" --wait forever
kill -TERM "$receiver"
status_of "$receiver"
is "SIGTERM" "$status" 143
is "nothing was there" "$(<"$dir/got")" ""

# A stop while it is stuck in a write: the message in hand goes back
printf 'z%.0s' {1..1000} >"$dir/line"
for i in {1..200}; do cat "$dir/line"; echo; done | run 0 send "$q"
mkfifo "$dir/stuck"
exec 5<>"$dir/stuck"
first_acked=$(stat_of "$q" acked) # before it begins: it may be stuck before the next look
"$RINGPOST" receive "$q" --follow >"$dir/stuck" 2>"$dir/goterr" &
pids+=($!)
acked_before=-1
is_stuck() { # nothing moved since the last look, and something did before that
    local acked
    acked=$(stat_of "$q" acked)
    [[ $acked != "$first_acked" && $acked == "$acked_before" && $(stat_of "$q" leased) -gt 0 ]] && return 0
    acked_before=$acked
    return 1
}
eventually is_stuck
kill -TERM "${pids[-1]}"
status_of "${pids[-1]}"
is "stuck, SIGTERM" "$status" 0
ready=$(stat_of "$q" ready)
is "none leased" "$(stat_of "$q" leased)" 0
acked=$(($(stat_of "$q" acked) - first_acked))
is "all there" "$((ready + acked))" 200
exec 5>&-
run 0 purge "$q"

# Killed with messages in hand: redelivered, charged
echo once | run 0 send "$q"
exec 5<>"$dir/stuck"
dd if=/dev/zero of="$dir/stuck" bs=4096 count=16 2>/dev/null # a full pipe
"$RINGPOST" receive "$q" --wait forever >"$dir/stuck" 2>/dev/null &
pids+=($!)
eventually stat_is "$q" leased 1
kill -KILL "${pids[-1]}"
wait "${pids[-1]}" 2>/dev/null
exec 5>&-
run 0 receive "$q" --wait 20s --json
is "redelivered" "$(json data deliveries acquisitions <<<"$out")" $'once\t2\t2'

# At most once
seq 3 | run 0 send "$q"
run 0 receive "$q" -n 2 --no-ack
is "--no-ack" "$out" $'1\n2'
rp receive "$q" --no-ack >/dev/full 2>"$dir/err"
is "--no-ack, full disk" "$?" 1
has "--no-ack" "$(<"$dir/err")" "1 message lost"
is "settled" "$(stat_of "$q" ready)" 0

# A sender that is told to stop says how far it came
mkfifo "$dir/input"
"$RINGPOST" send "$q" "$dir/input" 2>"$dir/err" &
pids+=($!)
exec 5>"$dir/input"
printf 'one\ntwo\nthr' >&5
eventually stat_is "$q" ready 2
kill -TERM "${pids[-1]}"
status_of "${pids[-1]}"
exec 5>&-
is "send, SIGTERM" "$status" 143
has "send, SIGTERM" "$(<"$dir/err")" "sent 2 messages"
run 0 purge "$q"

# Output of other verbs
echo x | run 0 send "$q"
rp stat "$q" >/dev/full 2>"$dir/err"
is "stat, full disk" "$?" 1
rp peek "$q" >&- 2>"$dir/err"
is "peek, closed stdout" "$?" 1
rp version >/dev/full 2>"$dir/err"
is "version, full disk" "$?" 1

# The queue goes away
run 0 purge "$q"
start_receiver "$q" --follow
run 0 rm "$q"
status_of "$receiver"
is "queue removed" "$status" 5
finish
