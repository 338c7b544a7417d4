#!/bin/bash
# dump and restore: what comes back, what is refused, and that a dump that cannot be written is told.
. "$(dirname "$0")/lib.sh"

run 0 create "$q" --keyed 4 --dedup 5m --capacity 100
run 0 group create "$q" slow
seq 3 | run 0 send "$q" --key k --header kind=number
echo later | run 0 send "$q" --delay 1h
echo poison | run 0 send "$q" --key p
"$RINGPOST" work "$q" -n 4 -- sh -c 'read x; [ "$x" = poison ] && exit 100; exit 0' 2>/dev/null
file=$dir/a.dump

# to a file, and what it says
"$RINGPOST" dump "$q" >"$file" 2>"$dir/err" || fail "dump: $?"
has "dump" "$(<"$dir/err")" "dumped $q: 5 messages"
run 0 dump --list "$file"
has "list" "$out" "queue          $q"
has "list" "$out" "group          slow"
has "list" "$out" "4 ready, 0 leased, 1 delayed, 1 dead"
has "list" "$out" "whole"
run 0 dump -l - <"$file"
has "list of stdin" "$out" "messages       5"
run 0 dump --list "$file" --json
is "list --json" "$(grep -c '"kind": *"message"' <<<"$out")" 5
head -n 1 <<<"$out" | json queue >/dev/null || fail "list --json is not JSON"
run 2 dump "$q" --json
run 5 dump "$q.none"
run 2 dump
run 1 dump --list "$file.none"

# back, under its old name and under another
run 1 restore <"$file"
has "a name that is taken" "$err" "exists already"
run 0 restore "$q.copy" --json <"$file"
is "restore --json" "$(json queue messages groups <<<"$out")" "$q.copy	5	2"
run 0 rm "$q"
"$RINGPOST" dump "$q.copy" 2>/dev/null | cat | run 0 restore "$q"
run 0 dead ls "$q"
has "dead letter" "$out" "poison"
run 0 receive "$q" --group slow -n 4 --json
is "in order" "$(grep -o '"data": *"[0-9]"' <<<"$out" | tr -dc '0-9')" "123"
has "headers" "$out" '"kind"'
run 0 fsck "$q"
run 0 rm "$q"
run 0 restore <"$file"
has "the old name" "$err" "restored $q: 5 messages in 2 groups"
run 0 peek "$q" --state delayed
has "delayed" "$out" "later"

# with other options, and too few
run 0 restore "$q.more" "$file" --capacity 1000 --message-bytes 4KiB --lease 1m
is "capacity" "$(stat_of "$q.more" capacity)" 1000
run 1 restore "$q.less" "$file" --message-bytes 2
has "too small" "$err" "is to allow 2"
seq 20 | run 0 send "$q.more" --key n
"$RINGPOST" dump "$q.more" 2>/dev/null | run 4 restore "$q.less" --capacity 2 --max-participants 1
has "too few" "$err" "capacity 2"
run 2 restore "$q.less" "$file" --keyed 0
run 1 restore "$q.less" "$file" --max-groups 1
[[ ! -e /dev/shm/ringpost.$q.less ]] || fail "a restore that failed left a queue"

# into one that is there: new messages, for all its groups
run 0 group rm "$q.copy" slow
"$RINGPOST" dump "$q.copy" 2>/dev/null >"$dir/b.dump" # one delayed, one dead
run 0 create "$q.into" --capacity 3 --max-participants 1
run 0 restore "$q.into" --into <"$dir/b.dump"
has "into" "$err" "sent 1 message to $q.into"
has "into" "$err" "1 dead letter was left out"
cat "$dir/b.dump" | run 0 restore "$q.into" --into --dead --json
is "into --json" "$(json sent dead expired <<<"$out")" "2	0	0"
run 0 receive "$q.into"
is "a dead letter, sent" "$out" poison
run 5 restore "$q.none" --into <"$file"
run 0 restore "$q.into" --into <"$file"
run 4 restore "$q.into" --into <"$file"
run 2 restore "$q.none" --dead <"$file"

# damaged, cut, foreign: what and where, and nothing is there afterwards
bytes=$(stat -c %s "$file")
for ((cut = 0; cut < bytes; cut += 97)); do
    head -c "$cut" "$file" >"$dir/cut"
    run 6 restore "$q.bad" <"$dir/cut"
    cat "$dir/cut" | run 6 restore "$q.bad"
done
has "cut" "$err" "ends at offset"
cp "$file" "$dir/bad"
printf 'X' | dd of="$dir/bad" bs=1 seek=700 conv=notrunc 2>/dev/null
run 6 restore "$q.bad" <"$dir/bad"
has "damaged" "$err" "wrong checksum"
run 6 dump --list "$dir/bad"
run 6 restore "$q.into" --into <"$dir/bad"
echo "no dump" | run 6 restore "$q.bad"
has "foreign" "$err" "not a dump"
cp "$file" "$dir/bad"
echo more >>"$dir/bad"
run 6 restore "$q.bad" <"$dir/bad"
has "more" "$err" "follows"
[[ ! -e /dev/shm/ringpost.$q.bad ]] || fail "a damaged dump made a queue"

# a queue that was a file: nobody but the user says where files are made
run 0 create "/dev/shm/$q.file"
"$RINGPOST" dump "/dev/shm/$q.file" >"$dir/file" 2>/dev/null
run 0 rm "/dev/shm/$q.file"
run 2 restore <"$dir/file"
has "a file" "$err" "NAME"
[[ ! -e /dev/shm/$q.file ]] || fail "a dump said where to make a file"
run 0 restore "$q.file" <"$dir/file"
run 0 rm "$q.file"
run 2 restore "$q.into" --into --capacity 5 <"$file"
has "into" "$err" "stays as it was"

# where the queue cannot be: no more than 100 KiB may be written to a file
(ulimit -f 100; run 1 restore "$q.bad" <"$file"; ((failures == 0))) || fail "a restore without room"
[[ ! -e /dev/shm/ringpost.$q.bad ]] || fail "a restore without room left a queue"

# where it cannot be written
"$RINGPOST" dump "$q" >/dev/full 2>"$dir/err"
is "status on a full disk" "$?" 1
has "full disk" "$(<"$dir/err")" "No space left"
(ulimit -f 1; exec "$RINGPOST" dump "$q.more" >"$dir/short" 2>"$dir/err")
run 6 restore "$q.bad" <"$dir/short"
seq 900 | run 0 send "$q.more" --key n
"$RINGPOST" dump "$q.more" 2>"$dir/err" | :
is "status without a reader" "${PIPESTATUS[0]}" 1
has "no reader" "$(<"$dir/err")" "nobody reads"
if ((EUID != 0)); then
    chmod 000 "/dev/shm/ringpost.$q"
    run 1 dump "$q"
fi
chmod 444 "/dev/shm/ringpost.$q" # who may only look may dump
"$RINGPOST" dump "$q" 2>/dev/null >"$dir/again" || fail "an observer's dump"
run 0 dump --list "$dir/again"
finish
