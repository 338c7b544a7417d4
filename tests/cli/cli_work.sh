#!/bin/bash
# work: what the command sees, and what becomes of its message.
. "$(dirname "$0")/lib.sh"
export dir

run 0 create "$q" --message-bytes 1MiB --capacity 10 --dead-capacity 10 --max-participants 3 --backoff 1ms..1ms --max-deliveries 3

# What it sees
printf 'two\nlines' | run 0 send "$q" --whole --print-ids
id=$out
run 0 work "$q" -n 1 -- bash -c 'echo "$RINGPOST_ID $RINGPOST_QUEUE $RINGPOST_GROUP $RINGPOST_DELIVERIES $RINGPOST_ACQUISITIONS $RINGPOST_BYTES"; cat'
is "environment and stdin" "$out" "$id $q default 1 1 9"$'\ntwo\nlines'
has "summary" "$err" "1 message: 1 acked"
printf x | run 0 send "$q" --whole
run 0 work "$q" -n 1 -- bash -c 'now=$(date +%s); echo $((now - RINGPOST_SENT_NS / 1000000000))'
((out >= 0 && out < 60)) || fail "RINGPOST_SENT_NS: $out s ago"

# Nothing of ours leaks into it: what it sees is what a command started by this shell sees
cat >"$dir/look" <<'END'
#!/bin/bash
grep -E '^Sig(Blk|Ign)' /proc/self/status
ls /proc/$$/fd
END
chmod +x "$dir/look"
echo x | run 0 send "$q"
run 0 work "$q" -n 1 -- "$dir/look"
is "signals and descriptors" "$out" "$("$dir/look" </dev/null 2>/dev/null)"

# Payloads: none, and one larger than any pipe that nobody reads
printf '' | run 0 send "$q" --whole
head -c 1048576 /dev/zero | run 0 send "$q" --whole
run 0 work "$q" -n 2 -- true
is "acked" "$(stat_of "$q" ready)" 0
head -c 1048576 /dev/urandom >"$dir/random"
run 0 send "$q" --whole "$dir/random"
rp work "$q" -n 1 -- cat >"$dir/out" 2>/dev/null
cmp -s "$dir/random" "$dir/out" || fail "1 MiB came out differently"

# A later delivery can tell how the one before failed; nothing of that is left of another message
echo again | run 0 send "$q"
run 0 work "$q" -n 2 -- bash -c 'echo "${RINGPOST_FAILURE-none} ${RINGPOST_FAILURE_TEXT-none}"; exit $((RINGPOST_DELIVERIES < 2 ? 4 : 0))'
is "last failure" "$out" $'none none\nnack exit status 4'
echo fresh | run 0 send "$q"
RINGPOST_FAILURE=stale RINGPOST_FAILURE_TEXT=stale run 0 work "$q" -n 1 -- bash -c 'echo "${RINGPOST_FAILURE-none} ${RINGPOST_FAILURE_TEXT-none}"'
is "no failure" "$out" "none none"
echo json | run 0 send "$q"
run 0 work "$q" -n 1 -- false
run 0 receive "$q" --wait 1s -n 1 --json
has "last failure as JSON" "$out" '"last_failure":{"kind":"nack","text":"exit status 1",'

# Exit statuses: 0 acks, 100 rejects, others and signals fail, and the reason is kept
printf 'good\nbad\nhopeless\nkilled\n' | run 0 send "$q"
run 0 work "$q" --wait 200ms --json -- bash -c 'read -r x; case $x in good) exit 0;; bad) exit 3;; hopeless) exit 100;; killed) kill -9 $$;; esac'
is "outcomes" "$(json outcome <<<"$out" | sort | uniq -c | awk '{print $1, $2}')" $'1 acked\n6 failed\n1 rejected'
run 0 dead ls "$q" --json
is "dead" "$(json data reason deliveries text <<<"$out" | sort)" "bad	max-deliveries	3	exit status 3
hopeless	rejected	1	exit status 100
killed	max-deliveries	3	killed by signal 9"
run 0 dead purge "$q"
has "dead purge" "$out" "3 messages purged"

# Nothing there
run 3 work "$q" --wait 10ms -- true

# It cannot be started: given back uncharged, status 1
echo x | run 0 send "$q"
run 1 work "$q" -- "$dir/nothing"
has "ENOENT" "$err" "cannot be started: No such file"
: >"$dir/plain"
run 1 work "$q" -- "$dir/plain"
has "EACCES" "$err" "cannot be started: Permission denied"
run 0 receive "$q" --json
is "uncharged" "$(json data deliveries <<<"$out")" $'x\t1'

# Three at once: each command ends only when three run
run 0 create "$q.three"
seq 9 | run 0 send "$q.three"
: >"$dir/three"
run 0 work "$q.three" -j 3 -n 9 -- bash -c '
    echo x >>"$dir/three"
    until (($(wc -l <"$dir/three") >= 3)); do read -r -t 0.01 <>"$dir/never"; done; exit 0'
is "all done" "$(stat_of "$q.three" acked)" 9
run 0 rm "$q.three"

# The lease is extended while the command runs: nobody else gets the message
run 0 create "$q.lease" --lease 3s
echo slow | run 0 send "$q.lease"
"$RINGPOST" work "$q.lease" -n 1 -- "$dir/hold" 2>"$dir/err" &
pids+=($!)
ends() { end=$(rp peek "$q.lease" --state leased --json | json due_ns) && ((end > $1 + 500000000)); } # by the wall clock: those of one lease differ by less
eventually ends 0
eventually ends "$end"
run 3 receive "$q.lease"
: >"$dir/go.slow"
status_of "${pids[-1]}"
is "lease extended" "$status" 0
is "acked" "$(rp stat "$q.lease" --json | json acked expired_leases)" $'1\t0'

# A worker that is stopped loses its lease: somebody else gets the message, the worker says so
echo frozen | run 0 send "$q.lease"
"$RINGPOST" work "$q.lease" -n 1 -- "$dir/hold" 2>"$dir/err" &
pids+=($!)
eventually stat_is "$q.lease" leased 1
kill -STOP "${pids[-1]}"
run 0 receive "$q.lease" --wait 20s --json
is "taken over" "$(json data deliveries <<<"$out")" $'frozen\t2'
kill -CONT "${pids[-1]}"
: >"$dir/go.frozen"
status_of "${pids[-1]}"
is "lease lost" "$status" 7
run 0 rm "$q.lease"

# The queue goes away while it waits
run 0 create "$q.gone"
"$RINGPOST" work "$q.gone" -- true 2>"$dir/err" &
pids+=($!)
eventually stat_is "$q.gone" participants 1
run 0 rm "$q.gone"
status_of "${pids[-1]}"
is "queue removed" "$status" 5
run 0 rm "$q"
finish
