#!/bin/bash
# Every verb and every flag, long and short, that --help tells is in the man page once, and in the completion; nothing else is.
. "$(dirname "$0")/lib.sh"
root=$(dirname "$0")/../..
. "$root/tools/completion/ringpost.bash"

# verbs_of TEXT: the words that a list of verbs explains
verbs_of() { sed -n 's/^  \([a-z][a-z]*\)   *[a-z].*/\1/p' <<<"$1"; }

# flags_of_help WORD...: -n, -f and --force, each on its line
flags_of_help() {
    rp "$@" --help | sed -n '/^Flags:/,/^$/s/^  \(-[^ ,]*\(, --[a-z-]*\)\{0,1\}\).*/\1/p' | sed 's/, /\n/' | grep -vxE -- '-h|--help'
}

# flags_of_page PAGE: those that have an entry of their own, as often as they have one
flags_of_page() { sed -n 's/^\.It Fl /Fl /p' "$1" | grep -oE 'Fl -?[a-z0-9-]+' | sed 's/Fl /-/'; }

# flags_of_synopsis PAGE
flags_of_synopsis() {
    sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/p' "$1" | grep -oE 'Fl -?[a-z0-9-]+' | sed 's/Fl /-/' | grep -vxE -- '--?'
}

# completed WORD...: what may follow
completed() {
    COMP_WORDS=("$RINGPOST" "$@")
    COMP_CWORD=$#
    _ringpost
    printf '%s\n' "${COMPREPLY[@]}"
}

none() { [[ -z $2 ]] || fail "$1: $(paste -sd ' ' <<<"$2")"; }

# check VERB WORDS...: the page of VERB against the help of each of WORDS, "dead ls" for instance
check() {
    local page="$root/docs/man/ringpost-$1.1" name flag
    local -a words
    shift
    : >"$dir/help"
    for name in "$@"; do
        read -ra words <<<"$name"
        flags_of_help "${words[@]}" >"$dir/flags"
        [[ -s $dir/flags ]] || fail "ringpost $name --help tells no flag"
        cat "$dir/flags" >>"$dir/help"
        completed "${words[@]}" - | sort >"$dir/completed"
        for flag in $(grep -- '^--' "$dir/flags"); do
            grep -qxF -- "$flag" "$dir/completed" || fail "the completion of '$name' does not offer $flag"
        done
        none "the completion of '$name' offers what --help does not tell" "$(comm -13 <(sort "$dir/flags") "$dir/completed" | grep -vx -- --help)"
    done
    flags_of_page "$page" | sort >"$dir/page"
    none "${page##*/} has no entry for" "$(comm -23 <(sort -u "$dir/help") "$dir/page")"
    none "${page##*/} has more than --help" "$(comm -13 <(sort -u "$dir/help") <(uniq "$dir/page"))"
    none "${page##*/} has two entries for" "$(uniq -d "$dir/page")"
    grep -q '^\.Op Ar flag' "$page" && return # too many for a synopsis
    flags_of_synopsis "$page" | sort -u >"$dir/synopsis"
    none "the synopsis of ${page##*/} has more than --help" "$(comm -13 <(sort -u "$dir/help") "$dir/synopsis")"
    # of -f and --force one is enough
    for flag in $(grep '^\.It Fl ' "$page" | tr ' ' '~'); do
        name=$(tr '~' ' ' <<<"$flag" | grep -oE 'Fl -?[a-z0-9-]+' | sed 's/Fl /-/')
        grep -qxFf - "$dir/synopsis" <<<"$name" || fail "the synopsis of ${page##*/} has no ${name//$'\n'/ or }"
    done
}

run 0 help
verbs=$(verbs_of "$out" | grep -vxE 'help|version')
(($(wc -w <<<"$verbs") > 10)) || fail "the list of verbs was not understood"
for verb in $verbs; do
    [[ -e $root/docs/man/ringpost-$verb.1 ]] || { fail "no man page for $verb"; continue; }
    run 0 "$verb" --help
    if ! grep -q '^Flags:' <<<"$out"; then # it has verbs of its own
        mapfile -t names < <(verbs_of "$out" | sed "s/^/$verb /")
        ((${#names[@]} > 1)) || fail "the verbs of $verb were not understood"
        for name in "${names[@]}"; do
            grep -qE "^\.(It )?Cm (.*\| )?${name#* }( |$)" "$root/docs/man/ringpost-$verb.1" || fail "ringpost-$verb.1 does not explain '$name'"
        done
        check "$verb" "${names[@]}"
    else
        check "$verb" "$verb"
    fi
done
is "verbs in ringpost.1" "$(sed -n 's/^\.It Xr ringpost-\([a-z]*\) 1$/\1/p' "$root/docs/man/ringpost.1" | sort)" "$(sort <<<"$verbs")"
is "completion of verbs" "$(completed '' | sort)" "$(printf '%s\n' "$verbs" help version | sort)"
for page in "$root"/docs/man/ringpost-*.1; do
    verb=${page##*/ringpost-}
    grep -qx "${verb%.1}" <<<"$verbs" || fail "${page##*/} is about no verb"
done
finish
