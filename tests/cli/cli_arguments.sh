#!/bin/bash
# Bad arguments are refused with status 2 and say which; help is there for every verb.
. "$(dirname "$0")/lib.sh"

run 2
has "no verb" "$err" "Usage:"
run 2 sned x
has "unknown verb" "$err" "did you mean 'send'"
run 2 qwertyuiop
has "unknown verb" "$err" "no verb 'qwertyuiop'"
run 2 dead
run 2 dead redrvie x
has "unknown dead verb" "$err" "did you mean 'dead redrive'"

verbs=(create cancel rm ls info send receive work peek dead stat purge fsck gc keeper version "dead ls" "dead show" "dead redrive" "dead purge")
for verb in "${verbs[@]}"; do
    read -ra words <<<"$verb"
    run 0 "${words[@]}" --help
    has "$verb --help" "$out" "Usage: ringpost $verb"
    has "$verb --help" "$out" "Example"
    has "$verb --help" "$out" "--json"
    is "$verb --help: stderr" "$err" ""
    help=$out
    run 0 help "${words[@]}"
    is "help $verb" "$out" "$help"
    run 2 "${words[@]}" --nonsense
    if [[ $verb != dead ]]; then has "$verb: unknown flag" "$err" "there is no flag '--nonsense'"; fi
done
run 0 help
has "help" "$out" "purge"
run 0 --help
run 0 version
has "version" "$out" "ringpost 0."
run 0 version --json
json version library <<<"$out" >/dev/null || fail "version --json: $out"

for verb in create rm info send receive peek stat purge fsck "dead ls" "dead redrive"; do
    read -ra words <<<"$verb"
    run 2 "${words[@]}"
    has "$verb without NAME" "$err" "NAME is missing"
    run 2 "${words[@]}" a b c
done

# Flags: hints, values
run 2 create "$q" --leese 5s
has "hint" "$err" "did you mean '--lease'"
run 2 create "$q" --lease
has "no value" "$err" "--lease needs a value"
run 2 create "$q" --no-prefault=1
has "no value wanted" "$err" "takes no value"
for value in "" 5 -5s +5s 5x "5 s" " 5s" "5s " 1.5s 0x5s 99999999999999999999s 18446744073709551616ns 300000000000d s none5 5S; do
    run 2 create "$q" --lease "$value"
    has "--lease '$value'" "$err" "'$value' is not a value for --lease"
done
for value in "" 5s -1 0x10 1.5KiB 1kib "1 KiB" 4294967296 4GiB 99999999999999999999; do
    run 2 create "$q" "--message-bytes=$value"
    has "--message-bytes '$value'" "$err" "'$value' is not a value for --message-bytes"
done
for value in "" -1 1e3 4294967296 ten 5KiB; do
    run 2 create "$q" --capacity "$value"
    has "--capacity '$value'" "$err" "'$value' is not a value for --capacity"
done
for value in 5s..1s ..5s 5s.. 5s...6s 5..6 5s-6s; do
    run 2 create "$q" --backoff "$value"
    has "--backoff '$value'" "$err" "'$value' is not a value for --backoff"
done
for value in 888 0x1ff 01777 -1 "" rw; do
    run 2 create "$q" --mode "$value"
    has "--mode '$value'" "$err" "'$value' is not a value for --mode"
done
for value in nan inf -1 1e3 "" 1..2 0.5x; do
    run 2 create "$q" --jitter "$value"
    has "--jitter '$value'" "$err" "'$value' is not a value for --jitter"
done
for value in "" -1 5s 1.5KiB 99999999999999999999; do
    run 2 create "$q" --max-bytes "$value"
    has "--max-bytes '$value'" "$err" "'$value' is not a value for --max-bytes"
done
run 2 create "$q" --expired never
run 2 create "$q" --priorities 0
run 2 create "$q" --priorities 17
run 2 create "$q" --priorities 2 --keyed 2
run 2 create "$q" --overflow drop
run 2 create "$q" --dead-overflow block
run 2 create "$q" --capacity 0
run 2 create "$q" --jitter 2
run 2 create "$q" --max-participants 1001
run 2 create "$q" --max-groups 21
[[ -e /dev/shm/ringpost.$q ]] && fail "a refused create left a queue"

# Names
for name in a/b "a b" "a~b" "" "$(printf 'x%.0s' {1..201})"; do
    run 2 create "$name"
    run 2 stat "$name"
    run 2 rm "$name"
done

run 0 create "$q"
for value in 0 -1 x "" 99999999999999999999; do
    run 2 receive "$q" -n "$value"
    has "-n '$value'" "$err" "'$value' is not a value for -n"
done
run 2 receive "$q" --wait 5
run 2 receive "$q" -0 --whole
run 2 receive "$q" -x
has "unknown letter" "$err" "no flag '-x'"
run 2 send "$q" -0 --whole
run 2 send "$q" --dely 5s
for value in "" 5 -1s "1h 5m"; do
    run 2 send "$q" --delay "$value"
    has "--delay '$value'" "$err" "'$value' is not a value for --delay"
    run 2 send "$q" --ttl "$value"
    has "--ttl '$value'" "$err" "'$value' is not a value for --ttl"
done
for value in "" 5s tomorrow +5 -5s "+ 5s" @ @-1 2030-01-01 2030-01-01T00:00:00 2030-02-30T00:00:00Z; do
    run 2 send "$q" --at "$value"
    has "--at '$value'" "$err" "'$value' is not a value for --at"
done
run 2 send "$q" --delay 5s --at +5s
run 2 send "$q" --key ""
run 2 send "$q" --key "$(printf 'x%.0s' {1..129})"
run 2 send "$q" --priority -1
run 2 peek "$q" --state redy
has "state" "$err" "'redy' is not a value for --state"
run 2 dead ls "$q" --reason bored
run 2 work "$q"
has "no command" "$err" "command is missing"
run 2 work "$q" --
run 2 work "$q" true
has "command without --" "$err" "follows after '--'"
run 2 work "$q" -j 5000 -- true
run 2 cancel "$q"
for value in 0 -1 x "" 1.5 99999999999999999999; do
    run 2 cancel "$q" 1 -- "$value"
    has "cancel '$value'" "$err" "'$value' is not the id of a message"
done
run 2 keeper
has "no queue" "$err" "NAME is missing"
run 2 keeper "$q" --all
run 2 keeper --match 'x*' --all

# Forms of flags that are right
run 0 purge "$q" --state=ready,dead --state leased
run 0 purge --json -- "$q"
is "purged" "$(json purged <<<"$out")" 0
run 3 receive "$q" -n5
run 3 receive -n 5 "$q" --wait=1us

# An unknown group is an error, not an empty queue
for verb in receive peek purge "dead ls" "dead redrive"; do
    read -ra words <<<"$verb"
    run 1 "${words[@]}" "$q" --group nobody
    has "$verb --group" "$err" "no group 'nobody'"
done
run 1 work "$q" --group nobody -- true

# No such queue
run 0 rm "$q"
run 5 cancel "$q" 1
for verb in rm info stat receive peek purge fsck "dead ls" "dead show" "dead redrive" "dead purge"; do
    read -ra words <<<"$verb"
    run 5 "${words[@]}" "$q"
    has "$verb" "$err" "there is no queue '$q'"
done
run 5 send "$q" </dev/null
run 5 work "$q" -- true
run 5 keeper "$q"
run 5 keeper "$q" "$q.other"
run 0 rm "$q" --force
finish
