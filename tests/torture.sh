#!/bin/bash
# tests/torture.sh SECONDS SEED: everything in tests/ that has a long form, in about so long on two processors; ./dev torture builds and calls it.
# Prints a line for each part, what failed in full, and a table of figures.
set -u
cd "$(dirname "$(readlink -f "$0")")/.." || exit 1
seconds=$1 seed=$2
logs=$PWD/build/torture
export RINGPOST_FIGURES=$logs/figures
rm -rf "$logs"
mkdir -p "$logs"
no_aslr=()
setarch -R true 2>/dev/null && no_aslr=(setarch -R) # ThreadSanitizer needs the address space it knows

# part NAME PERCENT COMMAND...: with @ in the place of the seconds it has, or @m of the minutes.
part() {
    local name=$1 share=$(($2 * seconds / 100)) log=$logs/$1.log started=$SECONDS outcome=passed
    shift 2
    share=$((share > 0 ? share : 1))
    local words=("${@/@m/$((share / 60)).$((share % 60 * 100 / 60))}")
    "${words[@]/@/$share}" >"$log" 2>&1
    case $? in
    0) ;;
    77) outcome="skipped: $(tail -1 "$log")" ;;
    *) outcome=FAILED && echo "$name" >>"$logs/failed" ;;
    esac
    printf '%-18s %4d s   %s\n' "$name" $((SECONDS - started)) "$outcome"
}
beside() { # the same, beside others, as many as there are processors
    while (($(jobs -rp | wc -l) >= $(nproc))); do wait -n; done
    part "$@" &
}

debug=build/debug/tests release=build/release/tests
# Storms want all processors for themselves.
part storm.kill 10 $release/storm/storm_kill --seconds @ --seed "$seed"
part storm.mixed 8 $release/storm/storm_mixed --seconds @ --seed "$seed"
part storm.stop 4 $release/storm/storm_stop --seconds @ --seed "$seed"
part storm.exchange 3 $release/storm/storm_exchange --seconds @ --seed "$seed"

beside sim 55 $debug/sim/sim --all --seconds @ --seed "$seed"
beside crash.step 25 env TMPDIR="$logs" $release/crash/crash_step --minutes @m --seed "$seed"
beside weak 16 $debug/weak/weak --all --seconds @ --seed "$seed"
beside fuzz.segment 12 $release/fuzz/fuzz_segment --seconds @ --runs 1000000000 --seed "$seed"
beside libfuzzer 8 build/clang-release/tests/fuzz/libfuzzer_segment -max_total_time=@ -max_len=256 -timeout=60 -seed="$seed"
beside threads 10 "${no_aslr[@]}" env TSAN_OPTIONS=halt_on_error=1 build/tsan/tests/threads/threads --all --seconds @ --seed "$seed"
beside crash.create 6 $release/crash/crash_create --minutes @m --seed "$seed"
beside fuzz.segment_file 4 $release/fuzz/fuzz_segment_file --seconds @ --runs 1000000000 --seed "$seed"
beside fuzz.api 3 $release/fuzz/fuzz_api --seconds @ --runs 1000000000 --seed "$seed"
beside fuzz.arguments 3 $release/fuzz/fuzz_arguments --seconds @ --runs 1000000000 --seed "$seed"
beside fuzz.peer 3 $release/fuzz/fuzz_peer --seconds @ --runs 1000000000 --seed "$seed"
beside disk 6 $debug/disk/disk --seconds @ --seeds 1000000000 --seed "$seed"
beside fuzz.journal 3 $release/fuzz/fuzz_journal --seconds @ --runs 1000000000 --seed "$seed"
beside mutants 0 $debug/sim/sim --mutants
beside mutants.weak 0 $debug/weak/weak --mutants
beside mutants.disk 0 $debug/disk/disk --mutants
wait

if [[ -s $logs/failed ]]; then
    while read -r name; do
        echo "==== $name"
        grep -E "FAILED|VIOLATION|WRONG|again:|seed" "$logs/$name.log" | head -20
        tail -40 "$logs/$name.log"
    done <"$logs/failed"
fi
tests/figures.sh "$RINGPOST_FIGURES"
[[ ! -s $logs/failed ]]
