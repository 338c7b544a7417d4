#!/bin/bash
# tests/aarch64.sh: cross-compiles for aarch64 and runs the tests with qemu-user. For the night, not for every change: it takes minutes.
# It shows that the code is portable: other instructions, another char, another libc. It does not show weak memory: qemu translates to this
# processor's instructions, and the order of its memory accesses is this processor's.
set -u
cd "$(dirname "$(readlink -f "$0")")/.." || exit 1

# CASE of a test program, and why it cannot succeed: qemu-user takes MADV_DONTFORK and MADV_WIPEONFORK and does nothing (seen with 7.2), so a forked
# child has its parent's mappings, and keeps the locks that live with them; and cannot be told from its parent.
known='
canary_lives_in_its_process_only
mappings_are_not_inherited
killed_while_a_child_lives_on
a_claim_is_not_inherited
no_fork_ever_catches_an_attachment
inherited_handles
a_child_does_not_keep_its_parents_seat
'
# Left out: tidy (nothing is run), install (it loads what a C++ compiler built), model and weak (this machine's compiler, the same answers), sim (likewise), crash and fuzz
# (they step through instructions, forbid system calls and count executions: of qemu, not of what it runs).
labels='^(unit|multi|threads|storm)$'

die() { echo "aarch64: $*" >&2; exit 1; }

need() {
    command -v apt-get >/dev/null || return 0
    local package missing=() as_root=()
    for package; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    if ((EUID)); then as_root=(sudo); fi
    echo "aarch64: installing ${missing[*]}" >&2
    "${as_root[@]}" dpkg --add-architecture arm64 &&
        "${as_root[@]}" apt-get -q -o DPkg::Lock::Timeout=120 update >/dev/null &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 install \
            --no-install-recommends "${missing[@]}" >/dev/null || die "apt-get failed"
}

need gcc cmake ninja-build pkg-config gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user \
    libxxhash-dev:arm64 liburcu-dev:arm64 libcmocka-dev:arm64 libjansson-dev:arm64

build=build/aarch64
mkdir -p "$build"
cmake --preset aarch64 >"$build.log" 2>&1 && cmake --build --preset aarch64 >>"$build.log" 2>&1 || { cat "$build.log"; exit 1; }
find "$build" -name CTestTestfile.cmake -exec sed -i -E 's/TIMEOUT "([0-9]+)"/TIMEOUT "\10"/' {} + # all is slower here

ctest --test-dir "$build" -L "$labels" -j "$(nproc)" "$@" >"$build-tests.log" 2>&1
log=$build/Testing/Temporary/LastTest.log

# Of each program that failed: were it known cases only?
passed=0 skipped=0 unable=0 failed=0
while read -r outcome name cases; do
    surprises=
    for case in $cases; do grep -qFx "$case" <<<"$known" || surprises+=" $case"; done
    case $outcome in
    Passed.) passed=$((passed + 1)) ;;
    Skipped.) skipped=$((skipped + 1)) && echo "$name: skipped" ;;
    *)
        if [[ -n $cases && -z $surprises ]]; then
            unable=$((unable + 1)) && echo "$name: passed but for what qemu cannot do: $cases"
        else
            failed=$((failed + 1)) && echo "$name: FAILED$surprises"
        fi
        ;;
    esac
done < <(awk '
    /^[0-9]+\/[0-9]+ Testing: / { name = $3; cases = ""; ended = 0 }
    /FAILED TEST\(S\)/ { ended = 1 }
    /^\[  FAILED  \] / && NF == 4 && index(cases " ", " " $4 " ") == 0 { cases = cases " " $4 }
    /^Test (Passed|Failed|Skipped)\./ { print $2, name cases (cases != "" && !ended ? " did-not-end" : "") }
' "$log")

((failed)) && cat "$build-tests.log"
((passed > 0)) || die "no test was run"
echo "$passed passed, $skipped skipped, $unable passed but for what qemu-user cannot do, $failed failed"
((failed == 0))
