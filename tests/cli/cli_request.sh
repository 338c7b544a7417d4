#!/bin/bash
# Requests and replies by commands: the reply is printed, late ones are skipped, and who waits in vain is told.
. "$(dirname "$0")/lib.sh"
unset TRACEPARENT
trace=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01

run 0 create "$q" --header-bytes 256 --max-deliveries 0 --backoff none
run 0 create "$q.back" --header-bytes 256
cat >"$dir/answer" <<'END'
#!/bin/bash
read -r question
[[ $question == fail-once && $RINGPOST_DELIVERIES == 1 ]] && exit 1
printf '%s' "${question^^}" | "$RINGPOST" send "$RINGPOST_REPLY_TO" --whole --correlation-id "$RINGPOST_CORRELATION_ID" 2>&-
END
chmod +x "$dir/answer"
export RINGPOST

"$RINGPOST" work "$q" -- "$dir/answer" >"$dir/work.out" 2>&1 &
worker=$!
pids+=($worker)
run 0 request "$q" --reply-queue "$q.back" hello
is "reply" "$out" HELLO
printf 'from stdin' | run 0 request "$q" --reply-queue "$q.back" --timeout forever --whole
is "stdin" "$out" "FROM STDIN"
run 0 request "$q" --reply-queue "$q.back" fail-once
is "delivered again" "$out" FAIL-ONCE
TRACEPARENT=$trace run 0 request "$q" --reply-queue "$q.back" --json x
has "json" "$out" '"late":0'
has "json" "$out" '"data":"X"'
has "the trace goes there and back" "$out" "\"traceparent\":\"$trace\""
kill -TERM $worker
wait $worker
is "nothing is left" "$(stat_of "$q.back" ready)$(stat_of "$q.back" leased)$(stat_of "$q" ready)" 000

# Nobody answers: told in time. What comes later is skipped by the next
run 3 request "$q" --reply-queue "$q.back" --timeout 1ms first
has "told" "$err" "no reply came"
run 3 request "$q" --reply-queue "$q.back" --timeout 1ms second
run 0 work "$q" -n 2 -- "$dir/answer"
is "two late ones" "$(stat_of "$q.back" ready)" 2
"$RINGPOST" work "$q" -n 1 -- "$dir/answer" >"$dir/work.out" 2>&1 &
pids+=($!)
run 0 request "$q" --reply-queue "$q.back" --json third
has "its own reply" "$out" '"data":"THIRD"'
has "two were skipped" "$out" '"late":2'
wait $!
run 3 request "$q" --reply-queue "$q.back" --timeout 1ms --expires old
expired() { rp receive "$q" >"$dir/old" 2>&1 && return 1; stat_is "$q" expired 1; }
eventually expired || fail "it did not expire"

# What is wrong is said
run 2 request "$q" x
has "flag" "$err" "--reply-queue"
run 5 request "$q" --reply-queue "$q.none" x
has "queue" "$err" "$q.none"
run 5 request "$q.none" --reply-queue "$q.back" x
run 1 request "$q" --reply-queue "$q" x
has "one queue" "$err" "a queue each"
run 2 request "$q" --reply-queue "$q.back" --whole --json x
run 0 create "$q.full" --capacity 1 --max-participants 1 --header-bytes 256
yes | run 4 send "$q.full"
run 4 request "$q.full" --reply-queue "$q.back" x
has "not sent" "$err" "was not sent"
run 0 create "$q.small" --message-bytes 8
run 1 request "$q.small" --reply-queue "$q.back" x
has "no room for headers" "$err" "there is room for"

finish
