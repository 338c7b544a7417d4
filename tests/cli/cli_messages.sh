#!/bin/bash
# create, rm, ls, info, send, receive: what goes in comes out.
. "$(dirname "$0")/lib.sh"

run 0 create "$q" --capacity 8 --message-bytes 64 --lease 5m --max-deliveries 3 --backoff 10ms..2s --backoff-factor 3 --jitter 0.5 \
    --dead-capacity 4 --dead-overflow refuse --overflow reject --max-groups 2 --max-participants 9 --mode 640 --json
is "create --json" "$(json queue capacity message_bytes <<<"$out")" "$q"$'\t8\t64'
run 1 create "$q"
has "exists" "$err" "exists already"
is "mode" "$(stat -c %a "/dev/shm/ringpost.$q")" 640
run 0 info "$q" --json
is "info" "$(json options.capacity options.message_bytes options.lease_ns options.max_deliveries options.backoff_ns \
    options.backoff_max_ns options.dead_capacity options.dead_overflow options.overflow options.max_groups options.max_participants \
    options.mode <<<"$out")" $'8\t64\t300000000000\t3\t10000000\t2000000000\t4\trefuse\treject\t2\t9\t0640'
run 0 info "$q"
has "info" "$out" "5m"
run 0 ls
has "ls" "$out" "$q "
has "ls" "$out" "stale"
run 0 ls --json
is "ls --json" "$(grep "\"$q\"" <<<"$out" | json queue state capacity)" "$q"$'\tstale\t8'

# Lines
printf 'one\n\nthree' >"$dir/lines"
run 0 send "$q" "$dir/lines"
is "send: stdout" "$out" ""
has "send" "$err" "sent 3 messages to $q"
run 0 receive "$q"
is "receive takes one" "$out" one
rp receive "$q" -n 5 >"$dir/out"
is "an empty line, and a last one without newline" "$(od -c -An <"$dir/out" | tr -d ' \n')" '\nthree\n'
run 3 receive "$q"
is "nothing" "$out" ""
run 0 send "$q" </dev/null
has "nothing to send" "$err" "sent 0 messages"
printf 'x\n' | run 0 send "$q" -
run 0 receive "$q" -n 5

# NUL, whole, bytes
printf 'a\nb\0c\0' | run 0 send "$q" -0
has "send -0" "$err" "sent 2 messages"
rp receive "$q" -0 -n 2 >"$dir/out"
is "receive -0" "$(od -c -An <"$dir/out" | tr -d ' \n')" 'a\nb\0c\0'
printf 'a\nb\n' | run 0 send "$q" --whole
rp receive "$q" --whole >"$dir/out"
is "whole" "$(od -c -An <"$dir/out" | tr -d ' \n')" 'a\nb\n'
run 0 send "$q" --whole </dev/null
run 0 receive "$q" --json
is "an empty message" "$(json bytes data <<<"$out")" $'0\t'
printf 'gr\xc3\xbc\xc3\x9fe "\\\n\t\x01' | run 0 send "$q" --whole
run 0 receive "$q" --json
is "UTF-8" "$(json data <<<"$out")" $'grüße "\\\n\t\x01'
printf '\xff\x00\x01z' | run 0 send "$q" --whole
run 0 receive "$q" --json
is "bytes" "$(json data_base64 bytes deliveries acquisitions <<<"$out")" $'/wABeg==\t4\t1\t1'

# Ids ascend, and are those that receive shows
printf '1\n2\n3\n' | run 0 send "$q" --print-ids
ids=$out
is "ids" "$(sort -n <<<"$ids" | uniq | wc -l)" 3
run 0 receive "$q" -n 3 --json
is "ids" "$(json id <<<"$out")" "$ids"
printf '1\n2\n' | run 0 send "$q" --print-ids --json
is "ids as JSON" "$(json id <<<"$out" | wc -l)" 2
printf '1\n2\n' | run 0 send "$q" --json
is "send --json" "$(json queue sent bytes <<<"$out")" "$q"$'\t2\t2'
run 0 purge "$q" --state all
has "purge" "$out" "4 messages purged"

# Too big: says which line; what came before it is sent
long=$(printf 'y%.0s' {1..65})
printf 'ok\n%s\nlater\n' "$long" | run 1 send "$q"
has "too big" "$err" "line 2 "
has "too big" "$err" "larger than"
has "too big" "$err" "sent 1 message to"
head -c 1000000 /dev/zero | run 1 send "$q" --whole
has "too big" "$err" "message 1 "
printf '%s\n' "${long:1}" | run 0 send "$q"
run 0 receive "$q" -n 9

# Full: status 4, and which one; the ones before it are in order
seq 1000 | run 4 send "$q"
has "full" "$err" "was not sent"
sent=$(stat_of "$q" ready)
((sent >= 8 && sent < 1000)) || fail "full at $sent"
has "full" "$err" "line $((sent + 1)) "
has "full" "$err" "sent $sent messages"
printf 'more\n' | run 4 send "$q" --wait 10ms
run 0 receive "$q" --follow --wait none
is "order" "$out" "$(seq "$sent")"

# Room that comes while a sender waits
seq "$sent" | run 0 send "$q"
printf 'waited\n' | "$RINGPOST" send "$q" --wait forever 2>"$dir/waiter" &
pids+=($!)
eventually stat_is "$q" participants 1
run 0 receive "$q" -n 9
status_of "${pids[-1]}"
is "send --wait" "$status" 0
run 0 receive "$q" -n 100 --wait none
has "waited" "$out" waited

# Many, longer than one read, and in order
run 0 create "$q.big" --capacity 200000 --message-bytes 100
seq 150000 | run 0 send "$q.big"
rp receive "$q.big" --follow --wait 0 >"$dir/out"
seq 150000 | cmp -s - "$dir/out" || fail "150,000 messages came out differently"
run 0 fsck "$q.big"
run 0 rm "$q.big"

# A file that is not there, a directory
run 1 send "$q" "$dir/nothing"
has "no file" "$err" "No such file"
run 1 send "$q" "$dir"
has "directory" "$err" "directory"

# A path as a name
path=/dev/shm/ringpost.$q.path
run 0 create "$path"
printf 'x\n' | run 0 send "$path"
run 0 receive "$q.path"
is "path" "$out" x
run 0 rm "$path"

# block
run 0 create "$q.block" --capacity 4 --overflow block
seq 100 | "$RINGPOST" send "$q.block" 2>"$dir/err" &
pids+=($!)
run 0 receive "$q.block" -n 100 --wait forever
is "block" "$out" "$(seq 100)"
status_of "${pids[-1]}"
is "block" "$status" 0
seq 1000 | run 4 send "$q.block" --wait none
run 0 rm "$q.block"
run 0 rm "$q"
[[ -e /dev/shm/ringpost.$q ]] && fail "rm left the file"
finish
