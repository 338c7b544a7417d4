#!/bin/bash
# create --keyed, send --key: one message of a key at a time, in order, retries included.
. "$(dirname "$0")/lib.sh"
export dir

run 0 create "$q" --keyed 1024 --backoff none
is "info" "$(rp info "$q" --json | json options.lanes)" 1024
has "info" "$(rp info "$q")" "keyed lanes"
printf 'a1\na2\n' | run 0 send "$q" --key alpha
run 0 peek "$q" --json
is "peek" "$(json data key priority <<<"$out")" $'a1\talpha\t0\na2\talpha\t0'
is "peek, a column" "$(rp peek "$q" | awk 'NR > 1 { print $8, $9 }')" $'alpha a1\nalpha a2'
run 0 receive "$q" --json
is "key" "$(json data key <<<"$out")" $'a1\talpha'
run 0 work "$q" -n 1 -- bash -c 'echo "$(cat) $RINGPOST_KEY"'
is "work" "$out" "a2 alpha"

# Somebody holds a1: a2 waits for it, other keys do not
printf 'a1\na2\n' | run 0 send "$q" --key alpha
"$RINGPOST" work "$q" -n 1 -- "$dir/hold" 2>/dev/null &
worker=$!
pids+=("$worker")
eventually lines_in "$dir/running" 1
run 3 receive "$q" --wait 100ms
for key in b c d e; do echo "$key" | run 0 send "$q" --key "$key"; done
run 0 receive "$q" # 4 keys on 1024 lanes: at most one shares alpha's
[[ $out != a* ]] || fail "a2 overtook a1"
: >"$dir/go"
status_of "$worker"
run 0 receive "$q" --follow --wait none
has "then a2" "$out" a2

# A failed message keeps its place
printf 'f1\nf2\n' | run 0 send "$q" --key f
run 0 work "$q" -n 2 -- bash -c 'read -r x; echo "$x" >>"$dir/order"; [[ $x != f1 || $RINGPOST_DELIVERIES == 2 ]]'
is "f1 again before f2" "$(paste -sd ' ' "$dir/order")" "f1 f1"
run 0 receive "$q"
is "f2" "$out" f2

# Keys that are no text
key=$'\xff\x01'
printf 'x\n' | run 0 send "$q" --key "$key"
run 0 peek "$q" --json
is "peek, bytes" "$(json key_base64 <<<"$out")" "/wE="
has "peek, bytes" "$(rp peek "$q")" '\xff\x01'
run 0 receive "$q" --json
is "bytes" "$(json key_base64 <<<"$out")" "/wE="

# Where there are no lanes there are no keys; a message without a key has none
run 0 create "$q.plain"
printf 'x\n' | run 1 send "$q.plain" --key k
printf 'y\n' | run 0 send "$q"
is "peek, no key" "$(rp peek "$q" | awk 'NR > 1 { print $8, $9 }')" "- y"
[[ $(rp peek "$q" --json) != *'"key'* ]] || fail "peek shows a key that is none"
run 0 work "$q" -n 1 -- bash -c 'echo "${RINGPOST_KEY-none}"'
is "no key" "$out" none
finish
