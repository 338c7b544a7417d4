#!/bin/bash
# Does tidy.sh see what it should? A tree without a fault passes, and each single fault put into it is named.
set -u
tidy=$(dirname "$(readlink -f "$0")")/tidy.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failures=0

clean() {
    rm -rf "${tree:?}"/*
    mkdir -p "$tree"/lib/{platform,ring} "$tree"/docs "$tree"/tests/{sim,weak}
    echo '    {"listed", "scenario", "what it does"},' >"$tree"/tests/sim/mutants.c
    echo 'The pair `slot_filled`; the sole `turn`; `strong`.' >"$tree/docs/memory-model.md"
    for side in release acquire; do
        echo "    {\"slot_filled:$side\", \"program\", NULL}," >>"$tree"/tests/weak/mutants.c
        echo "    {\"turn:$side\", NULL, \"why\"}," >>"$tree"/tests/weak/mutants.c
    done
    cat >"$tree/lib/ring/ring.c" <<'C'
/* load_acquire(&r->word, in_a_comment) */
void f(void) {
    store_release(&r->word, pack(a, load_relaxed(&r->hint, hint)), slot_filled);
    cas_acq_rel(
        &r->turn, &expected, desired,
        turn); // store_release(&r->word, 1, in_a_comment)
    g(MUTANT(listed) || load_acquire(&r->word[i(1, 2)], slot_filled));
}
C
}
expect() { # expect WORDS TEXT: with TEXT added to the file, the breach is named
    clean
    echo "$2" >>"$tree/lib/ring/ring.c"
    output=$("$tidy" "$tree") && echo "not refused: $2" && failures=1
    [[ $output == *"$1"* ]] || { echo "expected '$1', got: $output"; failures=1; }
}

clean
"$tidy" "$tree" || failures=1
expect 'nobody acquires' 'store_release(&w, 1, lonely);'
expect 'nobody releases' 'load_seq_cst(&w, lonely);'
expect 'not in docs' 'cas_seq_cst(&w, &e, 1, undocumented);'
expect 'not weakened' 'cas_seq_cst(&w, &e, 1, strong);'
expect 'not a reason' 'load_relaxed(&w, slot_filled);'
expect 'where a label is needed' 'load_acquire(&w, hint);'
expect 'not a name' 'load_acquire(&w, );'
expect 'raw atomics' 'atomic_load(&w);'
expect 'raw atomics' '_Atomic int w;'
expect 'ring.c:' '// TO''DO'
expect 'ring.c:' 'path = "/wo''rk/x";'
expect 'mutant unlisted: not listed' 'if (MUTANT(unlisted))'
expect 'limit is 400' "$(yes | head -400)"
exit $failures
