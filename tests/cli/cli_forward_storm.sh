#!/bin/bash
# Forwarders are killed wherever they are: each message comes out exactly once, and none stays behind.
. "$(dirname "$0")/lib.sh"

# How far a forwarder has come by the time it is killed is up to the scheduler: it is when we have seen that it has moved something.

# After so many the next one does the rest: on a busy machine each may come one message far.
kills=60

# Counters would not tell: one who was killed between his send, or his ack, and the counting has not counted it. What lies there does.
nothing_left() { [[ $(rp stat "$1" --json | json ready leased delayed dead) == $'0\t0\t0\t0' ]]; }

# storm NAME COMMAND...: forwards `messages` numbers with forwarders that are killed
storm() {
    local what=$1 messages=$2 killed=0 sent last=0
    local from=$q.$what to=$q.$what.to
    shift 2
    run 0 create "$from" --backoff 1ms..1ms --max-deliveries 0 --lease 5s --capacity "$messages"
    run 0 create "$to" --dedup 1h --capacity "$messages"
    seq "$messages" | run 0 send "$from"
    while :; do
        "$RINGPOST" forward "$from" "$to" "$@" 2>"$dir/err.$what" &
        pids+=($!)
        sent=$last
        while ((sent == last || (killed == kills && sent < messages))); do sent=$(stat_of "$to" ready); done
        ((sent < messages)) || break
        kill -KILL $!
        wait $! 2>/dev/null
        killed=$((killed + 1)) last=$sent
    done
    eventually nothing_left "$from"
    kill -TERM $!
    wait $! 2>/dev/null
    rp receive "$to" -n $((2 * messages)) >"$dir/$what"
    is "$what: each once" "$(sort -n "$dir/$what" | md5sum)" "$(seq "$messages" | md5sum)"
    echo "$what: $killed killed, $(stat_of "$to" duplicates) had been sent before"
    run 0 fsck "$from"
    run 0 fsck "$to"
}
storm copy 30000
storm filter 200 -j 4 -- cat
finish
