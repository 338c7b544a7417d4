#!/bin/bash
# create --numa, --hugepages, --mlock, --strict and what info says of them; --wait-strategy. tests/numa has a machine with more than one node.
. "$(dirname "$0")/lib.sh"

# Wishes that any machine fulfils say nothing
for numa in auto interleave consumer; do
    run 0 create "$q" --numa "$numa" --json
    is "$numa: missing" "$(json placement.missing <<<"$out")" ""
    is "$numa: stderr" "$err" ""
    is "$numa: options" "$(rp info "$q" --json | json options.numa options.prefault options.hugepages options.lock_memory)" "$numa"$'\ttrue\tfalse\tfalse'
    run 0 rm "$q"
done
run 0 create "$q" --no-prefault
is "no prefault" "$(rp info "$q" --json | json options.prefault)" false
run 0 info "$q"
has "pages" "$out" "pages "
is "all of it" "$(($(rp info "$q" --json | json placement.ring_bytes) + $(rp info "$q" --json | json placement.cell_bytes)))" "$(rp info "$q" --json | json segment_bytes)"
run 0 rm "$q"

# One that none does (node 63) is told, and refused where it is meant strictly
run 0 create "$q" --numa node:63
has "told" "$err" "not all that was asked for: NUMA"
run 0 info "$q"
has "info: asked" "$out" "node:63"
has "info: told" "$out" "not as asked"
is "info --json" "$(rp info "$q" --json | json options.numa)" node:63
echo works | run 0 send "$q"
run 0 receive "$q"
is "it works" "$out" works
run 0 rm "$q"
run 1 create "$q" --numa node:63 --strict
has "strict" "$err" "NUMA"
run 5 info "$q"

# Huge pages and locks: as many as there are, and no fewer are told than are missing
run 0 create "$q" --hugepages --mlock --json
read -r huge locked rings cells < <(json placement.huge_bytes placement.locked_bytes placement.ring_bytes placement.cell_bytes <<<"$out")
missing=$(json placement.missing <<<"$out")
if ((huge < rings + cells)); then has "huge pages" "$missing" "huge pages: $huge of"; else is "huge pages" "${missing#*huge}" "$missing"; fi
if ((locked < rings + cells)); then has "locked" "$missing" "locked: $locked of"; else is "locked" "${missing#*locked}" "$missing"; fi
is "whole huge pages" "$(((rings + cells) % 2097152))" 0
run 0 info "$q"
has "info: locked" "$out" "by 0 of the 0 processes"
rp receive "$q" --wait 20s >"$dir/got" &
pids+=($!)
attached() { [[ $(rp info "$q" --json | json participants) == 1 ]]; }
eventually attached
has "by that process" "$(rp info "$q" --json | sed 's/.*"participants"//')" "\"locked_bytes\":$locked}"
echo done | run 0 send "$q"
status_of "${pids[-1]}"
is "received" "$(<"$dir/got")" "done"
run 0 rm "$q"

# Shards: so many as asked for, on any machine
run 0 create "$q" --numa-shards 3 --json
is "shards" "$(json placement.shards <<<"$out")" 3
is "options" "$(rp info "$q" --json | json options.numa_shards options.priorities options.lanes)" $'3\t1\t0'
run 0 info "$q"
has "info: shards" "$out" "shards            3"
printf '%s\n' 1 2 3 4 | run 0 send "$q"
run 0 receive "$q" -n 4
is "in order" "$(tr '\n' ' ' <<<"$out")" "1 2 3 4 "
run 0 rm "$q"
run 0 create "$q" --numa-shards auto --json
nodes=$(json placement.nodes <<<"$out") shards=$(json placement.shards <<<"$out")
if ((nodes < 2)); then is "one node: none" "$shards" 0; else is "more: some" "$((shards > 0))" 1; fi
run 0 rm "$q"
for other in "--keyed 4" "--priorities 2" "--numa node:0" "--numa consumer"; do
    read -ra words <<<"$other"
    run 2 create "$q" --numa-shards 2 "${words[@]}"
    has "$other" "$err" "numa_shards"
done
for value in "" 17 x Auto -1; do
    run 2 create "$q" --numa-shards "$value"
    has "--numa-shards '$value'" "$err" "auto or a number up to 16"
done

# Values
for value in "" node node: node:64 node:-1 node:x Auto 1; do
    run 2 create "$q" --numa "$value"
    has "--numa '$value'" "$err" "auto, interleave, consumer or node:N"
done
run 2 receive "$q" --wait-strategy busy
has "--wait-strategy" "$err" "spin, adaptive or sleep"

# Each strategy receives, works and forwards
run 0 create "$q"
run 0 create "$q.to" --dedup 1h
for how in spin adaptive sleep; do
    rp receive "$q" --wait 20s --wait-strategy "$how" >"$dir/got" &
    pids+=($!)
    eventually attached
    echo "$how" | run 0 send "$q"
    status_of "${pids[-1]}"
    is "$how: receive" "$(<"$dir/got")" "$how"
    run 3 receive "$q" --wait 20ms --wait-strategy "$how"
    echo "$how" | run 0 send "$q"
    run 0 work "$q" -n 1 --wait-strategy "$how" -- sh -c "cat >'$dir/worked'"
    is "$how: work" "$(<"$dir/worked")" "$how"
done
run 0 rm "$q"
run 0 create "$q" --max-deliveries 3 --lease 1s --backoff 1ms --ttl 1m
for how in spin adaptive sleep; do
    echo "$how" | run 0 send "$q"
    run 0 forward "$q" "$q.to" -n 1 --wait-strategy "$how"
    run 0 receive "$q.to"
    is "$how: forward" "$out" "$how"
done
finish
