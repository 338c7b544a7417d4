#!/bin/bash
# work -j MIN..MAX and --rate: as many commands as are needed, as many starts as are allowed.
. "$(dirname "$0")/lib.sh"
export dir

# slots_are N: is this the last number of slots that the worker spoke of?
slots_are() { [[ $(sed -n 's/^\([0-9]*\) slots\{0,1\}: .*/\1/p' "$dir/said" | tail -1) == "$1" ]]; }
running_is() { [[ $(wc -l <"$dir/running") == "$1" ]]; }

run 0 create "$q"

# Up one by one while messages wait, to MAX and no further; down again when slots stay idle
: >"$dir/running"
seq 8 | run 0 send "$q"
"$RINGPOST" work "$q" -j 0..3 -v -- "$dir/hold" 2>"$dir/said" &
worker=$!
pids+=("$worker")
eventually running_is 3
eventually slots_are 3
is "each step" "$(sed -n 's/:.*//p' "$dir/said" | paste -sd ' ')" "1 slot 2 slots 3 slots"
is "not more than MAX" "$(rp stat "$q" --json | json leased ready)" $'3\t5'
: >"$dir/go"
eventually stat_is "$q" acked 8
eventually slots_are 0
is "each step back" "$(sed -n 's/:.*//p' "$dir/said" | tail -3 | paste -sd ' ')" "2 slots 1 slot 0 slots"

# From 0 the next message is taken at once
rm -f "$dir/go"
: >"$dir/running"
echo again | run 0 send "$q"
eventually running_is 1
: >"$dir/go"
eventually stat_is "$q" acked 9
kill -TERM "$worker"
status_of "$worker"
is "SIGTERM" "$status" 0

# A message that waits is what makes it grow: with none, one slot is what there is
rm -f "$dir/go"
: >"$dir/running"
echo only | run 0 send "$q"
"$RINGPOST" work "$q" -j 1..8 -v --json -- "$dir/hold" >"$dir/told" 2>"$dir/said" &
worker=$!
pids+=("$worker")
eventually running_is 1
run 3 receive "$q" --wait 400ms # four times as long as it takes to grow
is "no need to grow" "$(<"$dir/told")" ""
seq 2 | run 0 send "$q"
eventually running_is 3
: >"$dir/go"
eventually stat_is "$q" acked 12
kill -TERM "$worker"
status_of "$worker"
is "slots as JSON" "$(grep '"slots"' "$dir/told" | head -2 | json before slots)" $'1\t2\n2\t3'
is "messages as JSON" "$(grep '"outcome"' "$dir/told" | json outcome | sort | uniq -c | awk '{print $1, $2}')" "3 acked"

# -j N stays N, and nothing is said without -v
seq 6 | run 0 send "$q"
run 0 work "$q" -j 1..4 -n 6 -- true
is "quiet" "$err" "6 messages: 6 acked, 0 failed, 0 rejected"
for jobs in 0 0..0 3..2 1.. ..2 1..1025 1025 -1 1...2 1..x; do
    run 2 work "$q" -j "$jobs" -- true
    has "-j $jobs" "$err" "'$jobs' is not a value for -j"
done

# A worker all of whose slots are busy keeps house: what a dead one held comes back
rm -f "$dir/go"
: >"$dir/running"
run 0 create "$q.house" --backoff none
seq 2 | run 0 send "$q.house"
"$RINGPOST" work "$q.house" -n 1 -- "$dir/hold" 2>"$dir/busy" &
busy=$!
"$RINGPOST" work "$q.house" -n 1 -- "$dir/hold" 2>/dev/null &
killed=$!
pids+=("$busy" "$killed")
eventually running_is 2
kill -KILL "$killed"
wait "$killed" 2>/dev/null
came_back() { [[ $(rp stat "$q.house" --json | json ready leased deaths) == $'1\t1\t1' ]]; }
eventually came_back
run 0 rm "$q.house"
eventually grep -q removed "$dir/busy"
: >"$dir/go"
status_of "$busy"
is "removed while busy" "$status" 5

# --rate: 12 starts at 20/s take 12 - 1 intervals of 50 ms, less the 100 ms that may be made up for
seq 12 | run 0 send "$q"
before=$(date +%s%N)
run 0 work "$q" -j 4 --rate 20/s -n 12 -- true
took=$((($(date +%s%N) - before) / 1000000))
((took >= 450)) || fail "12 starts at 20/s took $took ms"

# What may not start yet is not leased: others can have it. SIGTERM ends the wait
seq 3 | run 0 send "$q"
acked=$(stat_of "$q" acked)
"$RINGPOST" work "$q" -j 2 --rate 1/h -- true 2>"$dir/said" &
worker=$!
pids+=("$worker")
eventually stat_is "$q" acked $((acked + 1))
for i in {1..10}; do
    is "not leased" "$(rp stat "$q" --json | json leased ready)" $'0\t2'
    pause
done
run 0 receive "$q" --json
is "for others" "$(json data deliveries acquisitions <<<"$out")" $'2\t1\t1'
kill -TERM "$worker"
status_of "$worker"
is "SIGTERM while it waits" "$status" 0
has "one start" "$(<"$dir/said")" "1 message: 1 acked"
run 0 receive "$q"

# The wait for the rate is no idle time, and -n counts as ever
seq 4 | run 0 send "$q"
run 0 work "$q" --rate 4/s --wait 10ms -n 3 -- cat
is "--wait and --rate" "$out" 123
run 0 work "$q" --rate 4/s --wait 10ms -- cat
is "the rest" "$out" 4
run 3 work "$q" --rate 4/s --wait 10ms -- cat
echo x | run 0 send "$q"
before=$(date +%s%N)
run 0 work "$q" --rate 2/s --wait 400ms -- true # 400 ms in which nothing may start, and only then 400 ms of idle wait
took=$((($(date +%s%N) - before) / 1000000))
((took >= 700)) || fail "--wait ended after $took ms"
for rate in "" 5 /s 0/s 5/d -5/s 1.5/s 1000001/s; do
    run 2 work "$q" --rate "$rate" -- true
    has "--rate '$rate'" "$err" "'$rate' is not a value for --rate"
done

# The queue goes away while it waits
seq 2 | run 0 send "$q"
"$RINGPOST" work "$q" --rate 1/h -- true 2>"$dir/said" &
pids+=($!)
eventually stat_is "$q" ready 1
run 0 rm "$q"
status_of "${pids[-1]}"
is "removed while it waits" "$status" 5
finish
