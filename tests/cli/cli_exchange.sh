#!/bin/bash
# exchange create, rm, bind, unbind, publish, ls: by topic to the queues that are bound for it.
. "$(dirname "$0")/lib.sh"
x=$q.x
trap 'rm -f "/dev/shm/ringpost-exchange.$q"*; cleanup' EXIT

for name in eu all big lost; do run 0 create "$q.$name" --capacity 8; done
run 5 exchange publish "$x" a </dev/null
run 5 exchange bind "$x" a "$q.eu"
run 5 exchange ls "$x"
run 0 exchange create "$x" --max-bindings 4 --json
is "create --json" "$(json exchange max_bindings <<<"$out")" "$x	4"
run 1 exchange create "$x"
has "exists" "$err" "already"
run 0 exchange ls "$x"
has "none" "$err" "no bindings"
run 0 exchange bind "$x" 'orders.eu.*' "$q.eu"
run 0 exchange bind "$x" 'orders.#' "$q.all" --json
is "bind --json" "$(json pattern queue changed <<<"$out")" "orders.#	$q.all	true"
run 0 exchange bind "$x" 'orders.#' "$q.all" --json
is "again" "$(json changed <<<"$out")" "false"
run 0 exchange bind "$x" '#' "$q.big" --header kind=big --header region=eu --any
run 0 exchange bind "$x" 'orders.eu.new' "$q.all"
run 1 exchange bind "$x" 'one.more' "$q.all"
has "no place" "$err" "4 places"
run 2 exchange bind "$x" 'a..b' "$q.all"
run 2 exchange bind "$x" 'a*' "$q.all"
has "why" "$err" "whole words"
run 2 exchange bind "$x" a "no name"
run 2 exchange bind "$x" a "$q.all" --any
run 2 exchange bind "$x" a "$q.all" --header nothing
run 2 exchange bind "$x" a

seq 2 | run 0 exchange publish "$x" orders.eu.new --json
is "publish" "$(json messages copies unroutable failed <<<"$out")" "2	4	0	0"
echo report | run 0 exchange publish "$x" reports.daily --whole --header kind=big
has "counts" "$err" "1 message, 1 copy"
echo report | run 0 exchange publish "$x" reports.daily
run 0 exchange publish "$x" 'reports' </dev/null
has "none" "$err" "0 messages"
echo x | run 2 exchange publish "$x" 'reports.*'
echo x | run 2 exchange publish "$x" a --id 1
printf 'a\0b c\0' | run 0 exchange publish "$x" orders -0
run 0 receive "$q.eu" -n 9
is "eu" "$out" $'1\n2'
run 0 receive "$q.all" -n 9
is "all" "$out" $'1\n2\na\nb c'
run 0 receive "$q.big" -n 9 --whole
is "big" "$out" report

# a queue that is full, or is not there, is named, and stops no other
until ! echo full | rp send "$q.eu" 2>/dev/null; do :; done
echo more | run 4 exchange publish "$x" orders.eu.new
has "full" "$err" "queue '$q.eu': no memory left"
run 0 receive "$q.all" -n 9
is "the other" "$out" more
run 0 rm "$q.eu"
echo more | run 1 exchange publish "$x" orders.eu.new
has "missing" "$err" "queue '$q.eu'"

rp exchange ls "$x" --json >"$dir/bindings"
is "ls" "$(json pattern queue match <"$dir/bindings" | sort)" "$(printf '%s\t%s\t%s\n' '#' "$q.big" any 'orders.#' "$q.all" all 'orders.eu.*' "$q.eu" all orders.eu.new "$q.all" all | sort)"
is "failed" "$(grep "$q.eu" "$dir/bindings" | json failed)" 2
run 0 exchange ls "$x"
has "headers" "$out" "any of kind=big region=eu"
rp exchange ls --json | grep "\"$x\"" >"$dir/exchange"
is "counters" "$(json bindings published unroutable failed <"$dir/exchange")" "4	8	1	2"
run 0 exchange ls
has "table" "$out" "$x"
run 0 ls
[[ $out != *"$x"* ]] || fail "ls lists an exchange as a queue"

run 0 exchange unbind "$x" 'orders.#' "$q.all"
run 1 exchange unbind "$x" 'orders.#' "$q.all"
has "why" "$err" "not bound"
run 0 exchange unbind "$x" 'orders.#' "$q.all" --force
echo none | run 0 exchange publish "$x" orders
is "unbound" "$(rp stat "$q.all" --json | json ready)" 1
out=$(rp gc 2>/dev/null) # there may be other queues, which are damaged
has "gc" "$out" "exchange $x: 0 things mended"

# unroutable: returned, or elsewhere
run 0 exchange create "$x.r" --unroutable return
echo none | run 3 exchange publish "$x.r" orders
has "returned" "$err" "no queue is bound for 'orders'"
run 0 exchange create "$x.a" --alternate "$q.lost"
echo stray | run 0 exchange publish "$x.a" orders
run 0 receive "$q.lost"
is "alternate" "$out" stray
run 2 exchange create "$x.b" --unroutable maybe

# bytes that are no UTF-8
run 0 exchange create "$x.8"
run 0 exchange bind "$x.8" $'a.\xff' "$q.all" --header $'k=\xff' --json
is "bind, bytes" "$(json pattern_base64 queue <<<"$out")" "YS7/	$q.all"
run 0 exchange ls "$x.8" --json
is "ls, bytes" "$(json pattern_base64 queue headers_base64.k <<<"$out")" "YS7/	$q.all	/w=="
echo none | run 0 exchange publish "$x.8" $'a.\xff' --json
is "publish, bytes" "$(json topic_base64 messages copies <<<"$out")" "YS7/	1	0"

# removed while they are listed
for i in {1..20}; do run 0 exchange create "$x.l$i"; done
for i in {1..20}; do rp exchange rm "$x.l$i"; done &
for i in {1..10}; do
    run 0 exchange ls
    [[ $out != *"$x.l"*broken* ]] || fail "broken, and was removed: $out"
done
wait "$!"

# more queues than are named: all count
run 0 exchange create "$x.m" --max-bindings 1100
for ((i = 0; i < 1030; i++)); do rp exchange bind "$x.m" many "$q.none$i"; done
echo none | run 1 exchange publish "$x.m" many --json
is "all failures" "$(json failed <<<"$out")" 1030
has "the rest" "$err" "6 more queues"

run 0 exchange rm "$x"
run 5 exchange rm "$x"
run 0 exchange rm "$x" --force --json
is "rm --force --json" "$(json removed <<<"$out")" false
echo junk >"/dev/shm/ringpost-exchange.$q.junk"
run 6 exchange ls "$q.junk"
run 0 exchange ls
has "broken" "$out" "broken"
run 0 exchange --help
run 2 exchange
run 2 exchange remove
finish
