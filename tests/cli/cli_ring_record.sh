#!/bin/bash
# ring record and replay: byte for byte, lane by lane, in time; files that are torn, cut, damaged or no recordings; disks that are full.
. "$(dirname "$0")/lib.sh"
r=$q.r
trap 'rm -f "/dev/shm/ringpost-ring.$q"*; cleanup' EXIT
big=$((RANDOM % 1000 + 3000))

# dump RING: what lies in it, without what a replay may not keep
dump() { rp ring read "$1" --from oldest --follow --wait none --json | sort -t: -k2,2n -s; }
has_bytes() { [[ -e $1 && $(stat -c %s "$1") -ge $2 ]]; }
written_is() { [[ $(rp ring stat "$1" --json | json written) == "$2" ]]; }

# usage
run 5 ring record "$r" "$dir/file"
[[ -e $dir/file ]] && fail "record made a file for a ring that is not there"
run 5 ring replay /dev/null "$r"
run 2 ring record "$r"
run 2 ring replay "$dir/file"
run 0 ring create "$r" --message-bytes 8KiB --max-writers 3
run 1 ring record "$r" "$dir/no/file" -n 1
for bad in "--for 5" "-n 0" "--from x" "--speed 2"; do run 2 ring record "$r" "$dir/file" $bad; done
run 2 ring record "$r" - --json
for bad in "--speed 0" "--speed -1" "--speed x" "--speed 2 --max" "--lane x" "--from newest" "-n 0"; do run 2 ring replay "$dir/file" "$r" $bad; done
run 1 ring replay "$dir/file" "$r"

# from now on, all lanes, until a signal
echo before | run 0 ring write "$r"
"$RINGPOST" ring record "$r" "$dir/rec" 2>"$dir/rec.err" &
recorder=$!
pids+=("$recorder")
eventually has_bytes "$dir/rec" 256
mkfifo "$dir/one" "$dir/two"
"$RINGPOST" ring write "$r" -0 "$dir/one" 2>/dev/null &
pids+=("$!")
exec 5>"$dir/one"
printf 'a\nb\0' >&5
eventually written_is "$r" 2
"$RINGPOST" ring write "$r" -0 "$dir/two" 2>/dev/null &
pids+=("$!")
exec 6>"$dir/two"
printf 'c\0\0\377\0' >&6
eventually written_is "$r" 5
head -c "$big" /dev/urandom | tr '\0' x >&5
printf '\0%07000d\0' 7 >&5
eventually written_is "$r" 7
exec 5>&- 6>&-
eventually has_bytes "$dir/rec" $((256 + 6 * 48 + big + 7000))
run 1 ring record "$r" "$dir/rec" -n 1
has "not overwritten" "$err" "--force"
kill -TERM "$recorder"
status_of "$recorder"
is "a signal ends it" "$status" 0
has "count" "$(<"$dir/rec.err")" "recorded 6 messages"
has "loss" "$(<"$dir/rec.err")" "0 lost"

# ... and back, byte for byte: the lanes that were lanes 0 and 1 are again
run 0 ring create "$r.2" --message-bytes 8KiB --max-writers 2
run 0 ring replay "$dir/rec" "$r.2" --max --json
is "replay --json" "$(json recorded_ring ring complete replayed lost <<<"$out")" "$r	$r.2	true	6	0"
dump "$r" | grep -v before | sed 's/"sequence":[0-9]*,//' >"$dir/then"
dump "$r.2" | sed 's/"sequence":[0-9]*,//' >"$dir/now"
cmp "$dir/then" "$dir/now" || fail "a replay is not what was recorded"
run 0 ring replay "$dir/rec" "$r.2" --speed 1000
has "late" "$err" "at most late by"
cat "$dir/rec" | run 0 ring replay - "$r.2" --max
"$RINGPOST" ring record "$r.2" - --from oldest -n 18 2>/dev/null | run 0 ring replay - "$r" --max --lane 0 --json
is "through pipes" "$(json replayed complete <<<"$out")" "9	true"

# parts
run 0 ring replay "$dir/rec" "$r.2" --max --lane 1
has "a lane" "$err" "replayed 3"
run 0 ring replay "$dir/rec" "$r.2" --max -n 2
has "some" "$err" "replayed 2"
run 0 ring replay "$dir/rec" "$r.2" --max --from 2 --json
is "from a number" "$(json replayed <<<"$out")" 3
run 3 ring replay "$dir/rec" "$r.2" --max --from 100
run 3 ring replay "$dir/rec" "$r.2" --lane 2
run 3 ring replay "$dir/rec" "$r.2" --lane 4000000

# a ring without the room
run 0 ring create "$r.3" --message-bytes 8KiB --max-writers 1
run 4 ring replay "$dir/rec" "$r.3" --max
has "why" "$err" "2 lanes"
run 0 ring replay "$dir/rec" "$r.3" --max --lane 1
run 4 ring replay - "$r.3" --max < <(cat "$dir/rec")
run 0 ring create "$r.4" --message-bytes 1KiB
run 1 ring replay "$dir/rec" "$r.4" --max
has "why" "$err" "a message of 7000 bytes"
is "all or nothing" "$(rp ring stat "$r.4" --json | json written)" 0

# in time: each pause as it was, or shorter
run 0 ring create "$r.t"
"$RINGPOST" ring record "$r.t" "$dir/slow" -n 5 2>/dev/null &
recorder=$!
pids+=("$recorder")
eventually has_bytes "$dir/slow" 256
seq 5 | run 0 ring write "$r.t" --rate 4/s
status_of "$recorder"
is "-n ends it" "$status" 0
time_of() { od -An -td8 -j $((256 + $1 * 56 + 24)) -N 8 "$dir/slow"; } # of record N
recorded=$((($(time_of 4) - $(time_of 0)) / 1000000))
# took FLAG...: how many ms a replay takes
took() {
    local begin=${EPOCHREALTIME/./}
    run 0 ring replay "$dir/slow" "$r.t" "$@"
    ms=$(((${EPOCHREALTIME/./} - begin) / 1000))
}
took
((ms >= recorded)) || fail "replayed in $ms ms what took $recorded ms"
took --speed 4
((ms >= recorded / 4)) || fail "--speed 4: $ms ms, of $recorded"
run 0 ring read "$r.t" --from 10 --follow --wait none
is "in order" "$(paste -sd ' ' <<<"$out")" "1 2 3 4 5"
"$RINGPOST" ring replay "$dir/slow" "$r.t" --speed 0.0001 2>"$dir/err" &
replayer=$!
pids+=("$replayer")
eventually written_is "$r.t" 16
kill -TERM "$replayer"
status_of "$replayer"
is "a replay that is stopped" "$status" 143
has "says how far it came" "$(<"$dir/err")" "interrupted after 1 message"
run 0 ring record "$r.t" "$dir/for" --for 20ms --json
is "--for ends it" "$(json messages lost <<<"$out")" "0	0"
run 3 ring replay "$dir/for" "$r.t"

# what was lost is recorded
run 0 ring create "$r.l" --slots 8
seq 100 | run 0 ring write "$r.l"
"$RINGPOST" ring record "$r.l" "$dir/lossy" --from 0 --json >"$dir/out" 2>"$dir/err" &
recorder=$!
pids+=("$recorder")
eventually grep -q "from number 0 on" "$dir/err"
lost=$(sed -n 's/.*lane 0: \([0-9]*\) messages lost, from number 0 on$/\1/p' "$dir/err")
((lost >= 92)) || fail "'$lost' lost: $(<"$dir/err")"
eventually has_bytes "$dir/lossy" $((256 + 48 + (100 - lost) * 56))
kill -TERM "$recorder"
status_of "$recorder"
is "lost and recorded" "$(json lost messages <"$dir/out")" "$lost	$((100 - lost))"
run 0 ring replay "$dir/lossy" "$r.l" --max
has "replayed" "$err" "$lost had been lost"
run 1 ring record "$r.l" "$dir/lossy" --for 1ms
run 0 ring record "$r.l" "$dir/lossy" --for 1ms --force

# a recorder that is killed; files that were cut
run 0 ring create "$r.k"
"$RINGPOST" ring record "$r.k" "$dir/killed" &
recorder=$!
pids+=("$recorder")
eventually has_bytes "$dir/killed" 256
seq 3 | run 0 ring write "$r.k"
eventually has_bytes "$dir/killed" $((256 + 3 * 56))
kill -KILL "$recorder"
wait "$recorder" 2>/dev/null
run 0 ring replay "$dir/killed" "$r.k" --max --json
is "killed" "$(json replayed complete <<<"$out")" "3	false"
has "killed" "$err" "it ends after 3 messages"
for cut in 1 40 56 57; do # a byte, a payload and more, a record
    head -c -$cut "$dir/killed" >"$dir/cut"
    run 0 ring replay "$dir/cut" "$r.k" --max
    has "cut by $cut" "$err" "it ends after $((cut > 56 ? 1 : 2)) message"
done
has "with a part of one" "$err" "beginning of another record"
head -c 256 "$dir/killed" >"$dir/cut"
run 3 ring replay "$dir/cut" "$r.k"
head -c 100 "$dir/killed" >"$dir/cut"
run 3 ring replay "$dir/cut" "$r.k"

# no recordings, others' recordings, damage
for file in /dev/null "$0" "$RINGPOST"; do
    run 6 ring replay "$file" "$r.k"
    has "foreign" "$err" "is no recording"
done
run 1 ring replay "$dir" "$r.k"
{ printf '\ncer-pr\377'; tail -c +9 "$dir/slow"; } >"$dir/other" # its first bytes, the other way round
run 6 ring replay "$dir/other" "$r.k"
has "byte order" "$err" "byte order"
# change FILE OFFSET: a copy with one bit changed
change() {
    cp "$1" "$dir/changed"
    printf "\\x$(printf %02x $((0x$(od -An -tx1 -j "$2" -N 1 "$1" | tr -d ' ') ^ 1 << RANDOM % 8)))" | dd of="$dir/changed" bs=1 seek="$2" conv=notrunc status=none
}
size=$(stat -c %s "$dir/slow")
is "size" "$size" $((256 + 5 * 56 + 48))
before=$(rp ring stat "$r.k" --json | json written)
for ((at = 0; at < size; at += 7)); do
    change "$dir/slow" $at
    run 6 ring replay "$dir/changed" "$r.k" --max
    if ((at >= 256)); then
        record=$((at < 536 ? (at - 256) / 56 : 5))
        has "where" "$err" "damaged at byte $((256 + record * 56)), after $record good message"
    fi
done
is "nothing of them was replayed" "$(rp ring stat "$r.k" --json | json written)" "$before"
change "$dir/slow" $((256 + 2 * 56 + 50))
run 0 ring replay "$dir/changed" "$r.k" --max -n 2
has "those before" "$err" "replayed 2"
run 6 ring replay - "$r.k" --max < <(cat "$dir/changed")
has "through a pipe" "$err" "damaged at byte $((256 + 2 * 56)), after 2 good messages, which are replayed"
{ head -c 312 "$dir/slow"; tail -c +369 "$dir/slow"; } >"$dir/changed" # a record taken out
run 6 ring replay "$dir/changed" "$r.k"
has "where" "$err" "damaged at byte 312"
cat "$dir/slow" "$dir/slow" >"$dir/changed"
run 6 ring replay "$dir/changed" "$r.k"
{ head -c 256 "$dir/slow"; tail -c +257 "$dir/killed"; } >"$dir/changed" # another's records
run 6 ring replay "$dir/changed" "$r.k"
has "where" "$err" "damaged at byte 256"

# a disk that is full: what fits is kept
run 1 ring record "$r.k" /dev/full -n 1
has "full" "$err" "No space left on device; nothing was recorded"
run 0 ring create "$r.f" --slots 4096
seq 1000 1999 | run 0 ring write "$r.f"
(
    ulimit -f 20 # KiB
    rp ring record "$r.f" "$dir/full" --from oldest -n 1000 2>"$dir/err"
)
is "full" "$?" 1
kept=$(((20480 - 256) / 56))
has "full" "$(<"$dir/err")" "$kept messages are kept, in $((256 + kept * 56)) bytes"
is "cut" "$(stat -c %s "$dir/full")" $((256 + kept * 56))
run 0 ring replay "$dir/full" "$r.k" --max
has "what is kept" "$err" "replayed $kept"
(rp ring record "$r.f" - --from oldest; echo $? >"$dir/status") 2>"$dir/err" | head -c 300 >/dev/null
is "nobody reads" "$(<"$dir/status")" 1

# the ring is removed meanwhile: what came before is kept
"$RINGPOST" ring record "$r.f" "$dir/removed" --from oldest 2>"$dir/err" &
recorder=$!
pids+=("$recorder")
eventually has_bytes "$dir/removed" $((256 + 1000 * 56))
run 0 ring rm "$r.f"
status_of "$recorder"
is "removed" "$status" 5
run 0 ring replay "$dir/removed" "$r.k" --max --json
is "all of it" "$(json replayed complete <<<"$out")" "1000	true"
finish
