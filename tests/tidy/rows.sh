#!/bin/bash
# rows.sh DELIVERY.MD BUILD CTEST: every row in which docs/delivery.md says that we have something names tests, and they are there.
set -u
page=$1
there=$("$3" --test-dir "$2" -N | sed -n 's/^ *Test *#[0-9]*: //p')
rows=$(sed -n '/^## Beside others/,/^###/p' "$page" | grep '^| ' | sed 1d)
breaches=0
breach() {
    echo "${page##*/}: $*" >&2
    breaches=$((breaches + 1))
}

(($(wc -l <<<"$there") > 1 && $(wc -l <<<"$rows") > 1)) || { echo "rows.sh: no tests or no rows" >&2; exit 1; }
while IFS= read -r row; do
    IFS='|' read -ra cells <<<"$row"
    what=${cells[1]# } ours=${cells[2]# } tests=${cells[-1]# }
    names=$(grep -o '`[^`]*`' <<<"$tests" | tr -d '`')
    if [[ -z $names ]]; then
        [[ $tests == "- "* && $ours == *'**'* ]] || breach "'${what% }' names no test, and does not say that we lack it"
    fi
    for name in $names; do
        pattern=${name//./\\.}
        grep -qx -- "${pattern//\*/.*}" <<<"$there" || breach "'${what% }': there is no test $name"
    done
done <<<"$rows"
((breaches == 0))
