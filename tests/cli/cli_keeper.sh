#!/bin/bash
# keeper: what is due is done although nobody is inside a call.
. "$(dirname "$0")/lib.sh"
export dir

# start_keeper ARGUMENT...: its pid is in $keeper
start_keeper() {
    : >"$dir/said"
    "$RINGPOST" keeper "$@" -v >"$dir/mended" 2>"$dir/said" &
    keeper=$!
    pids+=("$keeper")
}
keeps() { grep -q "^$1: kept" "$dir/said"; }
mended() { grep -q "^$1: .* mended" "$dir/said"; }

# leave_to_the_dead QUEUE: somebody takes a message and is killed
leave_to_the_dead() {
    echo orphan | run 0 send "$1"
    : >"$dir/running"
    "$RINGPOST" work "$1" -- "$dir/hold" 2>/dev/null &
    pids+=($!)
    eventually lines_in "$dir/running" 1
    kill -KILL "${pids[-1]}"
    wait "${pids[-1]}" 2>/dev/null
}

# The message of a killed receiver comes back while nobody but the keeper is there; stat only looks
run 0 create "$q" --backoff none
leave_to_the_dead "$q"
is "before" "$(rp stat "$q" --json | json ready leased recovered)" $'0\t1\t0'
start_keeper "$q"
eventually stat_is "$q" ready 1
eventually mended "$q"
is "recovered by the keeper" "$(rp stat "$q" --json | json leased recovered deaths participants)" $'0\t1\t1\t1'

# And one that dies while the keeper watches, in a queue whose backoff is over while nobody asks
run 0 purge "$q"
leave_to_the_dead "$q"
eventually stat_is "$q" ready 1
is "again" "$(stat_of "$q" recovered)" 2


# SIGTERM ends it with 0, and it gives its seat back
kill -TERM "$keeper"
status_of "$keeper"
is "SIGTERM" "$status" 0
is "seat" "$(stat_of "$q" participants)" 0

# A queue that is removed is left; with the last one it ends
start_keeper "$q"
eventually keeps "$q"
run 0 rm "$q"
status_of "$keeper"
is "removed" "$status" 0
has "removed" "$(<"$dir/said")" "$q: removed"

# Several: the removal of one, or damage in it, leaves the others in good hands
for name in a b c; do run 0 create "$q.$name" --backoff none; done
start_keeper "$q.a" "$q.b" "$q.c" --json
for name in a b c; do eventually keeps "$q.$name"; done
run 0 rm "$q.a"
eventually grep -q "^$q.a: removed" "$dir/said"
leave_to_the_dead "$q.b"
eventually stat_is "$q.b" ready 1
eventually grep -q "\"$q.b\"" "$dir/mended"
json queue mended <"$dir/mended" >/dev/null || fail "--json: $(<"$dir/mended")"
kill -TERM "$keeper"
status_of "$keeper"
is "several, SIGTERM" "$status" 0
is "all gone" "$(stat_of "$q.c" participants)" 0

# Killed, it takes its helpers with it
start_keeper "$q.b" "$q.c"
for name in b c; do eventually keeps "$q.$name"; done
mapfile -t helpers < <(tr " " "\n" <"/proc/$keeper/task/$keeper/children" | sed "/^$/d")
is "helpers" "${#helpers[@]}" 2
kill -KILL "$keeper"
wait "$keeper" 2>/dev/null
for pid in "${helpers[@]}"; do eventually is_dead "$pid"; done

# What cannot be kept is said; the status is that of the worst when no queue is left
run 5 keeper "$q.nothing" "$q.nobody"
has "no queue" "$err" "there is no queue '$q.nobody'"
: >"/dev/shm/ringpost.$q.bad"
run 6 keeper "$q.bad"

# --match finds what is made later, and a new queue of an old name; others are not its business
start_keeper --match "$q.[b-l]*"
eventually keeps "$q.b"
run 0 create "$q.later" --backoff none
run 0 create "$q.other"
eventually keeps "$q.later"
leave_to_the_dead "$q.later"
eventually stat_is "$q.later" ready 1
run 0 rm "$q.later"
run 0 create "$q.later" --backoff none
twice() { [[ $(grep -c "^$q.later: kept" "$dir/said") == 2 ]]; }
eventually twice
keeps "$q.other" && fail "--match kept '$q.other'"
is "said once" "$(grep -c "'$q.bad'" "$dir/said")" 1
kill -TERM "$keeper"
status_of "$keeper"
is "--match, SIGTERM" "$status" 0

# --all, where a /dev/shm can be had that is nobody else's
alone=(unshare --user --map-root-user --mount --)
if "${alone[@]}" mount -t tmpfs none /dev/shm 2>/dev/null; then
    run_alone() {
        mount -t tmpfs none /dev/shm || exit 1
        run 0 create one
        start_keeper --all
        eventually keeps one
        run 0 create two
        eventually keeps two
        kill -TERM "$keeper"
        status_of "$keeper"
        is "--all, SIGTERM" "$status" 0
        ((failures == 0))
    }
    export -f run_alone run rp fail is has start_keeper keeps eventually pause status_of
    q=$q dir=$dir RINGPOST=$RINGPOST "${alone[@]}" bash -c 'failures=0; pids=(); exec 9<>"$dir/never"; run_alone' || fail "--all"
fi
finish
