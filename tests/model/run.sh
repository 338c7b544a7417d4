#!/usr/bin/env bash
# Runs the Spin models of this folder (README.md says what they are).
#
#   run.sh ci      the quick complete runs and the quick mutants (well under 90 s on one core)
#   run.sh full    every run of the tables in README.md (about half an hour on an idle machine, up to 6 GiB of memory)
#   run.sh full early          only the runs of one model
#   run.sh one early.pml "-DMSGS=2 -DKILLS=1"     one run with your own switches; shows the whole verdict and, after an error, how to see the steps to it
#
# One line per run: model, name, states, verdict. Exit status 1 when a correct model has an error or was not explored
# completely, or when a mutant that must fail passes; 2 for wrong usage or missing tools.
set -u
here=$(cd "$(dirname "$0")" && pwd)
mode=${1:-}
only=${2:-}
cc=${CC:-gcc}

case $mode in
ci)   optimise=-O0 memory_mib=1000 ;;
full) optimise=-O2 memory_mib=6000 ;;
one)  optimise=-O2 memory_mib=6000 ;;
*)    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
for tool in spin "$cc"; do
    command -v "$tool" >/dev/null || { echo "run.sh: $tool not found" >&2; exit 2; }
done

work=$(mktemp -d) || exit 2
[ "$mode" = one ] || trap 'rm -rf "$work"' EXIT
ran=0
failed=0

# verify MODEL SWITCHES DEPTH: builds and runs one verifier; sets states, verdict (complete | error | incomplete | broken) and seconds
verify() {
    local start=$SECONDS
    rm -rf "$work/run" && mkdir "$work/run" && cp "$here/$1" "$work/run/" && cd "$work/run" || exit 2
    states=- seconds=0 verdict=broken
    # shellcheck disable=SC2086  # the switches are a list
    spin -a $2 "$1" >spin.out 2>&1 || return
    "$cc" $optimise -w -DSAFETY -DNOCLAIM -DCOLLAPSE -DMEMLIM=$memory_mib -o pan pan.c >cc.out 2>&1 || return
    # -E: processes that wait for ever are judged by the assertions at the end of init, not by where they stand
    nice -n 10 ./pan -E -m"$3" >pan.out 2>&1
    seconds=$((SECONDS - start))
    states=$(awk '/states, stored/ { print $1; exit }' pan.out)
    states=${states:--}
    if grep -Eq 'errors: [1-9]' pan.out; then
        verdict=error
    elif grep -q 'errors: 0' pan.out && ! grep -Eq 'Search not completed|max search depth too small|out of memory' pan.out; then
        verdict=complete
    else
        verdict=incomplete
    fi
}

report() { printf '%-6s %-10s %-22s %12s states %5ss  %s\n' "$1" "${model%.pml}" "$name" "$states" "$seconds" "$2"; }

# good SET MODEL NAME SWITCHES [DEPTH]: must be explored completely and without an error
good() { expect complete "$@"; }
# bad SET MODEL NAME SWITCHES [DEPTH]: a mutant, must end in an error (the depth may be cut: an error is an error)
bad() { expect error "$@"; }

expect() {
    local expected=$1 set=$2
    model=$3.pml name=$4
    [ "$mode" = full ] || [ "$set" = ci ] || return 0
    [ -z "$only" ] || [ "$only" = "$3" ] || return 0
    verify "$model" "$5" "${6:-50000}"
    ran=$((ran + 1))
    if [ "$verdict" = "$expected" ]; then
        if [ "$expected" = error ]; then report ok "error found, as it must"; else report ok "no error, complete"; fi
    else
        failed=$((failed + 1))
        report FAILED "$verdict, expected $expected"
        tail -n 5 spin.out cc.out pan.out 2>/dev/null | grep -v '^$' | cut -c1-160 | sed 's/^/         /'
    fi
}

if [ "$mode" = one ]; then
    [ $# -ge 2 ] || { echo "usage: run.sh one MODEL.pml SWITCHES [DEPTH]" >&2; exit 2; }
    verify "$2" "${3:-}" "${4:-50000}"
    cat "$work"/run/*.out
    echo "$verdict, $states states, ${seconds}s"
    [ "$verdict" != error ] || echo "the steps to it: cd $work/run && spin -t -p -g ${3:-} $2"
    exit 0
fi

# shellcheck source=runs.sh
. "$here/runs.sh"

echo "$((ran - failed)) passed, $failed failed"
[ "$ran" -gt 0 ] && [ "$failed" -eq 0 ]
