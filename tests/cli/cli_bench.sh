#!/bin/bash
# bench: arguments, and that each verb measures, says what it measured, and leaves nothing behind. What times come out is nobody's business here.
. "$(dirname "$0")/lib.sh"
(($(nproc) > 1)) || exit 0 # it takes two processors

shm_of_bench() { compgen -G '/dev/shm/ringpost.ringpost-bench-*'; }

# measured ARGUMENT...: one run, in $out; again where every slice was dropped, as a machine with other work may do
measured() {
    rp bench "$@" --quick --json >"$dir/out" 2>"$dir/err" || { fail "bench $*: $(<"$dir/err")"; return 0; }
    out=$(<"$dir/out")
    [[ $out == *'"acks":'* ]]
}
# A busy machine may drop every slice, again and again.
in_the_end() {
    local try
    for try in {1..20}; do
        "$@" && return
    done
    fail "not in $try tries: $*"
}
# figures PEER TEST KEY...: the values in the results that are about both, a line each
figures() { results "$1" "$2" | json "${@:3}"; }
results() { grep -oE '\{"peer":"[^}]*\}' <<<"$out" | grep -F "\"peer\":\"$1\",\"test\":\"$2\""; }

run 0 bench --help
has "verbs" "$out" compare
run 2 bench
run 2 bench rt
has "an unknown verb" "$err" "there is no 'bench rt'"
run 0 help bench rtt
has "help" "$out" "Usage: ringpost bench rtt"
for bad in '--bytes 12' '--bytes 0' '--bytes 8,' '--bytes 2097152' '--rate 10' '--rate 0/s' '--capacity 1000' '--slices 0' '--slice 1us' '--tolerance x' '--fail' '--peers vjukov' '--reply-first --rate 1k/s' '--pairs 2' 'queue'; do
    read -ra words <<<"$bad"
    run 2 bench rtt "${words[@]}"
    [[ $err == *ringpost*Try* ]] || fail "bench rtt $bad: $err"
done
run 2 bench throughput --pairs 17
run 2 bench throughput --batch 257
run 2 bench fanout --readers 17
run 2 bench rtt --peers vjukov
has "a peer with a typing error" "$err" "did you mean 'vyukov'"
run 1 bench rtt --cpus 0
has "one processor" "$err" "two different processors"
run 1 bench rtt --quick --cpus 0,1,0
has "a processor twice" "$err" "each once"
run 1 bench rtt --quick --cpus 0,1023
has "a processor that is not there" "$err" "cannot run on processor 1023"
is "what was measured without it" "$out" ""
run 1 bench rtt --svg /nowhere/at/all.svg
run 1 bench rtt --quick --save "$dir"
has "a folder" "$err" "Is a directory"
run 1 bench rtt --quick --hgrm "$dir/"
run 1 bench rtt --quick --svg ''
run 1 bench rtt --against "$dir/none.json"
echo '{"a": 1}' >"$dir/other.json"
run 1 bench rtt --against "$dir/other.json"
has "no result" "$err" "not what --json"
RINGPOST_BENCH=/nowhere run 1 bench rtt
has "no program" "$err" "/nowhere: No such file"

run 0 bench peers --json
json peer available <<<"$out" >"$dir/peers" || fail "bench peers --json: $out"
grep -qx $'ringpost\ttrue' "$dir/peers" || fail "ringpost is no peer of itself"
run 0 bench peers
has "peers" "$out" unix-stream

in_the_end measured rtt --bytes 8,64 --peers ringpost,vyukov --svg "$dir/rtt.svg" --hgrm "$dir/rtt.hgrm" --save "$dir/rtt.json"
json machine.cpu machine.kernel machine.cores machine.governor machine.version <<<"$out" >/dev/null || fail "the machine: $out"
is "what is saved is what is printed" "$(<"$dir/rtt.json")" "$out"
figures ringpost rtt bytes p50_ns p99_ns p50_ratio ratio ratio_p10 ratio_p90 bare_ns slices | while IFS=$'\t' read -r bytes p50 p99 rest; do
    [[ $bytes == 8 || $bytes == 64 ]] || fail "$bytes bytes"
    awk "BEGIN { exit !($p50 > 0 && $p99 >= $p50) }" || fail "p50 $p50, p99 $p99 $rest"
done
has "the picture" "$(<"$dir/rtt.svg")" "</svg>"
if command -v xmllint >/dev/null; then
    xmllint --noout --nonet "$dir/rtt.svg" || fail "the picture is not well-formed"
fi
compgen -G "$dir/rtt*.hgrm" >/dev/null || fail "no percentiles"
# The host may have moved the processors meanwhile: then nothing can be compared, which it says, and with --fail that is no success. Nor is what came out worse, as it may beside other work.
rp bench rtt --bytes 64 --quick --against "$dir/rtt.json" --tolerance 1000% --fail >"$dir/out" 2>"$dir/err"
status=$?
if grep -q 'then and now' "$dir/out"; then
    grep -q '  worse$' "$dir/out"
    is "--fail" "$status" $((!$?))
else
    is "--fail" "$status" 1
    has "--against" "$(<"$dir/err")" 'as far from each other'
fi
# Everything is worse than a ratio of next to nothing, wherever the processors lie today.
best=$(grep -oE '\{"peer":"(ringpost|vyukov)","test":"rtt","bytes":[^}]*\}' "$dir/rtt.json" | head -n 1 |
    sed -E 's/"peer":"[a-z]*"/"peer":"ringpost"/; s/"bytes":[0-9]*/"bytes":64/; s/"ratio":[0-9.e+-]+/"ratio":0.001/')
regime() { sed -E 's/"regime":"[a-z]*"/"regime":"'"$1"'"/' <<<"$best"; }
printf '{"results":[%s,%s,%s]}\n' "$(regime close)" "$(regime near)" "$(regime far)" >"$dir/best.json"
worse() {
    rp bench rtt --bytes 64 --quick --against "$dir/best.json" --fail >"$dir/out" 2>"$dir/err"
    local status=$?
    [[ $status == 1 ]] && grep -q '  worse$' "$dir/out"
}
in_the_end worse
rp bench rtt --bytes 64 --quick --against "$dir/best.json" >/dev/null 2>&1 || fail "a result that is worse failed without --fail"

in_the_end measured rtt --rate 10k/s --bytes 64
figures ringpost rate per_second unsent p50_ns >"$dir/figures" || fail "--rate: $out"
is "the rate" "$(cut -f 1 "$dir/figures" | sort -u)" "10000.0"
in_the_end measured rtt --reply-first --poll --bytes 64
in_the_end measured throughput --pairs 1,3 --batch 1,8 --peers all --mixed
figures ringpost stream producers consumers batch per_second message_ns >"$dir/figures" || fail "throughput: $out"
in_the_end measured fanout --readers 1,3
figures ringpost fanout consumers put_ns delivered_ns >"$dir/figures" || fail "fanout: $out"
in_the_end measured compare --peers ringpost,vyukov,pipe,unix-stream
is "what was compared" "$(grep -oE '"peer":"[^"]*"' <<<"$out" | sort -u | paste -sd ' ')" '"peer":"bare cache line" "peer":"pipe" "peer":"ringpost" "peer":"unix-stream" "peer":"vyukov"'
run 0 bench compare --quick --peers ringpost,pipe --capacity 64 --pairs 1
has "a table" "$out" "Verified:"

# Whatever ends it, nothing is left.
"$RINGPOST" bench throughput --slices 1000 --peers ringpost >/dev/null 2>&1 &
pids+=($!)
eventually shm_of_bench >/dev/null
kill -TERM "$!"
status_of "$!"
is "ended by SIGTERM" "$status" 143
gone() { ! compgen -G "/dev/shm/ringpost.ringpost-bench-$1-*" >/dev/null; }
eventually gone "$!"
"$RINGPOST" bench throughput --slices 1000 --peers ringpost >/dev/null 2>&1 &
pids+=($!)
there() { ! gone "$1"; }
eventually there "$!"
kill -KILL "$!"
eventually gone "$!"
finish
