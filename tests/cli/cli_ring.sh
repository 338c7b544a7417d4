#!/bin/bash
# ring create, rm, ls, stat, write, read: every reader sees every message, and what is lost is told. Recordings are in cli_ring_record.sh.
. "$(dirname "$0")/lib.sh"
r=$q.r
trap 'rm -f "/dev/shm/ringpost-ring.$q"*; cleanup' EXIT

written() { rp ring stat "$1" --json | json written; }
written_is() { [[ $(written "$1") == "$2" ]]; }

# nothing there
run 5 ring write "$r" </dev/null
run 5 ring read "$r"
run 5 ring stat "$r"
run 5 ring rm "$r"
has "none" "$err" "there is no ring '$r'"
run 0 ring rm "$r" --force --json
is "rm --force --json" "$(json removed <<<"$out")" false

# create
run 0 ring create "$r" --slots 10 --message-bytes 100 --slot-bytes 64 --max-writers 2 --max-readers 3 --overflow gate --gate-timeout 2s --no-prefault --json
is "create --json" "$(json ring overflow slots slot_bytes message_bytes max_writers max_readers <<<"$out")" "$r	gate	16	64	100	2	3"
run 1 ring create "$r"
has "exists" "$err" "already"
run 0 ring stat "$r" --json
is "stat" "$(json slots slot_bytes message_bytes max_writers max_readers gate_timeout_ns written evictions lanes readers <<<"$out")" \
    "16	64	100	2	3	2000000000	0	0	0	0"
run 0 ring stat "$r"
has "for people" "$out" "a write waits 2s at most"
run 0 ring rm "$r"
[[ -e /dev/shm/ringpost-ring.$r ]] && fail "rm left the ring"
for bad in "--slots 2" "--slots 100000000" "--message-bytes 0" "--slot-bytes 60" "--slot-bytes 8192" "--max-writers 0" "--max-writers 1001" "--max-readers 1001" \
    "--overflow drop" "--overflow gates" "--mode 999" "--gate-timeout 5" "--message-bytes 2GiB" "--nonsense" "--slots"; do
    run 2 ring create "$r" $bad
done
run 2 ring create "a/b"
run 2 ring create "$r" two
run 2 ring create
[[ -e /dev/shm/ringpost-ring.$r ]] && fail "a create that was refused left a ring"
run 0 ring create "$r" --mode 640
is "mode" "$(stat -c %a "/dev/shm/ringpost-ring.$r")" 640
run 2 ring
run 2 ring rd
run 2 ring raed
has "hint" "$err" "did you mean 'ring read'"
run 0 ring --help

# write and read
seq 3 | run 0 ring write "$r" --json
is "write --json" "$(json ring lane written bytes <<<"$out")" "$r	0	3	3"
printf 'a\nb\0c\0' | run 0 ring write "$r" -0
has "count" "$err" "wrote 2 messages"
printf 'x\n\ny' | run 0 ring write "$r" --whole -
run 0 ring write "$r" --whole </dev/null
printf '\n' >"$dir/file"
run 0 ring write "$r" "$dir/file"
run 1 ring write "$r" "$dir/nothing"
head -c 49 /dev/zero | tr '\0' x | run 1 ring write "$r"
has "too long" "$err" "line 1 was not written to '$r'"
printf 'good\n%049d\nnever\n' 0 | run 1 ring write "$r" --json
has "which one" "$err" "line 2 was not written"
is "those before" "$(json written <<<"$out")" 1
run 2 ring write "$r" -0 --whole
for rate in 0/s 5 x/s 1000001/s; do run 2 ring write "$r" --rate $rate; done
seq 3 | run 0 ring write "$r" --rate 1000/s
has "rate" "$err" "wrote 3"
rp ring read "$r" --from oldest -n 12 -0 >"$dir/all"
printf '1\0002\0003\0a\nb\0c\0x\n\ny\0\0\0good\0001\0002\0003\0' | cmp - "$dir/all" || fail "read -0: $(od -c "$dir/all")"
run 0 ring read "$r" --from oldest
is "one" "$out" 1
run 0 ring read "$r" --from 10 --follow --wait none
is "from a number" "$out" $'2\n3'
run 0 ring read "$r" --from 3 -n 2 --json
is "json" "$(json lane sequence bytes data <<<"$out")" $'0\t3\t3\ta\nb\n0\t4\t1\tc'
printf '\377' | run 0 ring write "$r"
run 0 ring read "$r" --from 12 --json
is "base64" "$(json data_base64 <<<"$out")" "/w=="
run 3 ring read "$r" --from 13
run 3 ring read "$r" --wait 10ms
run 3 ring read "$r" --from newest --wait none
for bad in "--from first" "--from -1" "--from 1x" "-n 0" "--wait 5" "-0 --json" "--whole"; do run 2 ring read "$r" $bad; done
for i in 1 2; do # nothing is taken away
    run 0 ring read "$r" --from oldest --follow --wait none
    is "again" "$(wc -l <<<"$out")" 16
done

# a reader waits for what comes, and ends with a signal, or with the ring; one that is killed leaves nothing
"$RINGPOST" ring read "$r" --from oldest --follow >"$dir/followed" 2>"$dir/followed.err" &
reader=$!
pids+=("$reader")
"$RINGPOST" ring read "$r" --from oldest --follow >"$dir/killed" &
killed=$!
pids+=("$killed")
eventually lines_in "$dir/killed" 16
kill -KILL "$killed"
wait "$killed" 2>/dev/null
echo more | run 0 ring write "$r"
eventually lines_in "$dir/followed" 17
kill -TERM "$reader"
status_of "$reader"
is "a signal ends --follow" "$status" 0
is "followed" "$(tail -n 1 "$dir/followed")" more
"$RINGPOST" ring read "$r" --from oldest --follow >"$dir/followed" 2>"$dir/followed.err" &
reader=$!
pids+=("$reader")
eventually lines_in "$dir/followed" 17
run 0 ring rm "$r" --json
status_of "$reader"
is "removed" "$status" 5
has "why" "$(<"$dir/followed.err")" "was removed"
rp ring create "$r"
(rp ring read "$r" --from oldest --follow; echo $? >"$dir/status") 2>"$dir/err" | head -n 1 >/dev/null &
seq 2 | run 0 ring write "$r"
wait $!
is "nobody reads" "$(<"$dir/status")" 1
run 0 ring rm "$r"

# what is lost is told exactly, where it was
run 0 ring create "$r" --slots 8
seq 100 | run 0 ring write "$r"
run 0 ring read "$r" --from 0 --follow --wait none --json
lost=$(head -n 1 <<<"$out" | json lost)
is "lost and kept" "$((lost + $(grep -c '"data"' <<<"$out")))" 100
is "where" "$(head -n 1 <<<"$out" | json lane first_sequence)" "0	0"
is "the next one" "$(sed -n 2p <<<"$out" | json sequence data)" "$lost	$((lost + 1))"
has "stderr" "$err" "lane 0: $lost messages lost, from number 0 on"
has "stderr" "$err" "$((100 - lost)) messages read, $lost lost"
run 0 ring read "$r" --from oldest --follow --wait none
is "the oldest that is there" "$err" ""

# lanes: each writer has one; a killed writer's is taken over, and its numbers go on
run 0 ring rm "$r"
run 0 ring create "$r" --max-writers 2
mkfifo "$dir/one" "$dir/two"
for w in one two; do
    "$RINGPOST" ring write "$r" "$dir/$w" 2>"$dir/$w.err" &
    pids+=("$!")
    declare "$w=$!"
    [[ $w == one ]] && exec 5>"$dir/one" && echo 1 >&5 && eventually written_is "$r" 1
done
exec 6>"$dir/two"
echo 2 >&6
eventually written_is "$r" 2
echo 3 | run 4 ring write "$r"
has "no lane" "$err" "2"
is "writers" "$(rp ring stat "$r" --json | grep -o '"writer":"alive"' | wc -l)" 2
run 0 ring stat "$r"
has "by name" "$out" "ringpost"
rp ring ls --json | grep "\"$r\"" >"$dir/ring"
is "ls" "$(json state writers readers written <"$dir/ring")" "in use	2	0	2"
kill -KILL "$one"
wait "$one" 2>/dev/null
is "one is gone" "$(rp ring stat "$r" --json | grep -o '"writer":"alive"' | wc -l)" 1
echo 4 | run 0 ring write "$r" --json
run 0 ring read "$r" --from oldest -n 9 --json
is "all are there" "$(json data <<<"$out" | sort | paste -sd ' ')" "1 2 4"
is "numbers go on" "$(grep '"4"' <<<"$out" | json sequence)" 1
kill -TERM "$two"
status_of "$two"
is "a writer that is stopped" "$status" 143
has "says how far it came" "$(<"$dir/two.err")" "interrupted before line 2"
exec 5>&- 6>&-
run 0 ring rm "$r"

# gate: seats, an observer, eviction; a reader that was killed holds nobody back
run 0 ring create "$r" --overflow gate --slots 8 --max-readers 1 --gate-timeout 20ms
: >"$dir/seat"
"$RINGPOST" ring read "$r" --follow >"$dir/seat" 2>"$dir/seat.err" &
reader=$!
pids+=("$reader")
has_reader() { [[ $(rp ring stat "$r" --json) == *'"reader":"alive"'* ]]; }
eventually has_reader
run 4 ring read "$r" --wait none
has "no seat" "$err" "all 1 seats"
run 3 ring read "$r" --wait none --observe
echo 1 | run 0 ring write "$r"
eventually lines_in "$dir/seat" 1
kill -STOP "$reader"
seq 7 | run 0 ring write "$r"
run 0 ring stat "$r" --json
behind=$(grep -o '"behind":[0-9]*' <<<"$out")
is "behind" "$behind" '"behind":7'
run 0 ring stat "$r"
has "for people" "$out" "SLOTS BEHIND"
seq 20 | run 0 ring write "$r"
run 0 ring stat "$r"
has "evicted" "$out" "1 eviction"
kill -CONT "$reader"
kill -KILL "$reader"
wait "$reader" 2>/dev/null
run 3 ring read "$r" --wait none
run 0 ring rm "$r"

# who may only read
if ((EUID == 0)) && command -v setpriv >/dev/null && cp "$RINGPOST" "$dir/ringpost" 2>/dev/null && chmod 755 "$dir" "$dir/ringpost"; then
    as_other=(setpriv --reuid 65534 --regid 65534 --clear-groups "$dir/ringpost")
    other() { "${as_other[@]}" "$@"; }
    if other version >/dev/null 2>&1; then
        rp ring create "$r" --mode 644 --overflow gate --slots 8
        seq 8 | rp ring write "$r" 2>/dev/null
        is "read-only" "$(other ring read "$r" --from oldest -n 3 | paste -sd ' ')" "1 2 3"
        is "stat" "$(other ring stat "$r" --json | json written)" 8
        other ring write "$r" 2>"$dir/err" </dev/null
        is "no permission" "$?" 1
        has "says so" "$(<"$dir/err")" "ermission denied"
        "${as_other[@]}" ring read "$r" --follow >"$dir/other" &
        reader=$!
        pids+=("$reader")
        more() { echo more | rp ring write "$r" 2>/dev/null && [[ -s $dir/other ]]; }
        eventually more
        kill -TERM "$reader"
        status_of "$reader"
        is "read-only, followed" "$status" 0
        rp ring rm "$r"
        rp ring create "$r"
        other ring read "$r" 2>"$dir/err"
        is "not even that" "$?" 1
        other ring ls --json >"$dir/listed"
        is "ls says why" "$(grep "\"$r\"" "$dir/listed" | json state error)" "broken	EACCES"
        rp ring rm "$r"
    fi
fi

# ls, gc and the verbs of queues
run 0 ring create "$r"
run 0 ring ls
has "table" "$out" "$r"
run 0 ls
[[ $out != *"$r"* ]] || fail "ls lists a ring as a queue"
dead=$(bash -c 'echo $$')
cp "/dev/shm/ringpost-ring.$r" "/dev/shm/ringpost.~$dead.00000000000000aa"
out=$(rp gc 2>/dev/null) # there may be queues that are damaged
has "what an unfinished create left" "$out" "leftover"
[[ -e /dev/shm/ringpost.~$dead.00000000000000aa ]] && fail "gc left it"
[[ $out != *"$r"* && -e /dev/shm/ringpost-ring.$r ]] || fail "gc took a ring for something else: $out"
run 3 ring read "$r" --wait none
echo junk >"/dev/shm/ringpost-ring.$q.junk"
run 6 ring stat "$q.junk"
run 6 ring read "$q.junk"
run 6 ring write "$q.junk" </dev/null
run 0 ring ls
has "broken" "$out" "broken"
rp ring ls --json | grep "$q.junk" >"$dir/ring"
is "broken, as JSON" "$(json state error <"$dir/ring")" "broken	RP_CORRUPT"
run 0 ring rm "$q.junk"
head -c 100000 "/dev/shm/ringpost-ring.$r" >"/dev/shm/ringpost-ring.$q.cut"
run 6 ring read "$q.cut"
rm "/dev/shm/ringpost-ring.$q.cut"
for i in {1..20}; do run 0 ring create "$r.l$i"; done
for i in {1..20}; do rp ring rm "$r.l$i"; done &
for i in {1..10}; do
    run 0 ring ls
    [[ $out != *"$r.l"*broken* ]] || fail "broken, and was removed: $out"
done
wait "$!"
run 0 ring rm "$r"
finish
