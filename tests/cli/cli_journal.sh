#!/bin/bash
# journal ls, verify, repair.
. "$(dirname "$0")/lib.sh"
: "${JOURNAL:?path of what makes journals}"

j=$dir/journal
"$JOURNAL" "$j" "$q" 4 || fail "no journal"
run 0 journal ls "$j"
is "files" "$(awk 'NR > 1 && NR < 6 {print $1, $4, $5, $6, $7}' <<<"$out")" "0000000000000001 20 1 20 whole
0000000000000002 20 21 40 whole
0000000000000003 20 41 60 whole
0000000000000004 20 61 80 whole"
has "summary" "$out" "of queue $q, 4 files, 80 records, whole"
run 0 journal verify "$j"
is "nothing wrong" "$(wc -l <<<"$out")" 1
run 0 journal repair "$j"
has "repair" "$out" "whole, nothing to repair"
run 0 journal ls "$j" --json
is "json" "$(json queue state records <<<"$out")" "$q"$'\twhole\t80'

run 5 journal ls "$dir/none"
run 5 journal verify "$dir"
has "no journal" "$err" "is no journal"
run 2 journal repair
run 2 journal mend "$j"

# A byte of the second batch of file 2.
cp -r "$j" "$dir/copy"
printf X | dd of="$j/0000000000000002.journal" bs=1 seek=6000 conv=notrunc status=none
run 6 journal verify "$j"
has "damage" "$out" "0000000000000002"
has "damage" "$out" "damaged at byte 5632"
has "damage" "$out" "10 records behind it"
is "only that file" "$(wc -l <<<"$out")" 3
run 0 journal ls "$j"
before=$(sha256sum "$j"/*)
run 0 journal repair --dry-run "$j"
has "dry run" "$out" "30 records before it stay, the last of them 30; 50 or more would be given up, 2 files would be put aside"
is "a dry run changes nothing" "$(sha256sum "$j"/*)" "$before"

# Not while the queue is there.
run 0 create "$q"
run 1 journal repair "$j"
has "in use" "$err" "the queue '$q' is there"
run 0 rm "$q"
run 0 journal repair "$j" --json
is "repaired" "$(json state repaired records lost_records files_aside <<<"$out")" $'damaged\ttrue\t30\t50\t2'
run 0 journal verify "$j"
has "repaired" "$out" "3 files, 30 records, whole"
for number in 3 4; do
    cmp "$j/000000000000000$number.damaged" "$dir/copy/000000000000000$number.journal" || fail "file $number was not kept"
done
is "the damaged one" "$(stat -c %h "$j/0000000000000002.damaged")" 2

# Whose it is cannot be read.
printf X | dd of="$j/queue" bs=1 seek=57 conv=notrunc status=none
run 6 journal ls "$j"
has "owner" "$err" "checksum"
finish
