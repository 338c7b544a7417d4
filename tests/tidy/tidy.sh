#!/bin/bash
# tidy.sh ROOT: the rules of the repository that no compiler checks. Prints every breach; fails if there is one.
set -u
cd "$1" || exit 2
breaches=$(mktemp)
trap 'rm -f "$breaches"' EXIT

# Files that may be longer than 400 lines, each with a reason.
long_files=()

files() { find "$@" -type f \( -name '*.[ch]' -o -name '*.cpp' \) 2>/dev/null | sort; }

# 1. Sync labels: the last argument of each access through lib/platform/atomic.h.
labels() {
    files lib | grep -vx lib/platform/atomic.h | xargs -r awk '
        function scan(text, file,    from, name, depth, i, c, last, start) {
            gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, " ", text)
            from = text
            while (match(from, /(^|[^a-zA-Z0-9_])(load|store|cas|fetch_add|fetch_or|fetch_and|exchange)_(relaxed|acquire|release|acq_rel|seq_cst)[ ]*\(/)) {
                name = substr(from, RSTART, RLENGTH)
                gsub(/[^a-z_]/, "", name)
                from = substr(from, RSTART + RLENGTH)
                depth = 1
                for (i = last = 1; depth > 0 && i <= length(from); i++) {
                    c = substr(from, i, 1)
                    if (c == "(") depth++
                    else if (c == ")") depth--
                    else if (c == "," && depth == 1) last = i + 1
                }
                start = substr(from, last, i - 1 - last)
                gsub(/[ \t]/, "", start)
                print file, name, start
            }
        }
        FNR == 1 && NR > 1 { scan(text, file); text = "" }
        { file = FILENAME; sub(/\/\/.*/, ""); text = text " " $0 }
        END { scan(text, file) }'
}
labels | awk -v doc=docs/memory-model.md -v weak=tests/weak/mutants.c '
    BEGIN {
        split("hint own recheck init stat", reasons)
        for (i in reasons) reason[reasons[i]] = 1
        while ((getline line < doc) > 0)
            while (match(line, /`[a-z0-9_]+`/)) {
                documented[substr(line, RSTART + 1, RLENGTH - 2)] = 1
                line = substr(line, RSTART + RLENGTH)
            }
        while ((getline line < weak) > 0)
            if (match(line, /"[a-z0-9_]+:(release|acquire)"/))
                weakened[substr(line, RSTART + 1, RLENGTH - 2)] = 1
    }
    $3 !~ /^[a-z][a-z0-9_]*$/ { print $1 ": " $2 ": the label is not a name: " $3; next }
    $2 ~ /_relaxed$/ { if (!($3 in reason)) print $1 ": " $2 ": not a reason to be relaxed: " $3; next }
    $3 in reason { print $1 ": " $2 ": a reason to be relaxed where a label is needed: " $3; next }
    { where[$3] = $1 }
    $2 != "load_acquire" && $2 != "load_seq_cst" { releases[$3] = 1 }
    $2 != "store_release" && $2 != "store_seq_cst" { acquires[$3] = 1 }
    END {
        for (label in where) {
            if (!(label in releases)) print where[label] ": label " label ": nobody releases"
            if (!(label in acquires)) print where[label] ": label " label ": nobody acquires"
            if (!(label in documented)) print where[label] ": label " label ": not in " doc
            if (!((label ":release") in weakened && (label ":acquire") in weakened))
                print where[label] ": label " label ": not weakened on both sides in " weak
        }
    }' | sort >>"$breaches"

# 2. Shared words are touched only through those macros.
files lib include tools | grep -v '^lib/platform/' |
    xargs -r grep -nEH '(^|[^a-zA-Z0-9_])(_Atomic|atomic_[a-z_]+ *\(|__atomic_|__sync_|memory_order_|stdatomic)' |
    sed 's/$/   <- raw atomics belong to lib\/platform/' >>"$breaches"

# 3. A file is short enough to be read at one sitting.
for file in $(files lib tools); do
    lines=$(wc -l <"$file")
    if ((lines > 400)) && [[ " ${long_files[*]-} " != *" $file "* ]]; then
        echo "$file: $lines lines, the limit is 400" >>"$breaches"
    fi
done

# 4. Nothing half-done, and no path of the machine where it was written.
grep -rnEI --exclude-dir=.git --exclude-dir=build --exclude-dir=tidy \
    -e '(^|[^a-zA-Z0-9_])(TODO|FIXME|XXX)([^a-zA-Z0-9_[]|$)' \
    -e '(^|[^a-zA-Z0-9_./-])/work(/|[^a-zA-Z0-9_.-]|$)' -e '[.][.]/shared(/|[^a-zA-Z0-9_]|$)' . >>"$breaches"

# 5. Every defect that can be seeded is in the list of those that are tried, and the other way round.
diff <(files lib | grep -vx lib/platform/atomic.h | xargs -r grep -ohE 'MUTANT\([a-z_]+\)' | sed 's/MUTANT(\(.*\))/\1/' | sort -u) \
    <(grep -ohE '^    \{"[a-z_]+"' tests/{sim,disk}/mutants.c 2>/dev/null | tr -d ' {"' | sort) |
    sed -n 's/^< \(.*\)/mutant \1: not listed in tests\/sim\/mutants.c or tests\/disk\/mutants.c/p; s/^> \(.*\)/mutant \1: listed, but nowhere in lib/p' >>"$breaches"

cat "$breaches"
[[ ! -s $breaches ]]
