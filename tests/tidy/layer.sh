#!/bin/bash
# layer.sh CC LIB LAYER INCLUDE_DIRS: with the layer's include path every header of the layers it may use compiles on its own, and
# no header of any other layer is found.
set -u
cc=$1 lib=$2 layer=$3
IFS=: read -ra dirs <<<"$4"
failures=0

for header in "$lib"/*/*.h; do
    allowed=no
    for dir in "${dirs[@]}"; do [[ $dir == "${header%/*}" ]] && allowed=yes; done
    works=no
    # -H lists what was included: the name alone may be that of a system header too.
    output=$(echo "#include \"${header##*/}\"" | "$cc" -std=c11 -D_GNU_SOURCE "${dirs[@]/#/-I}" -fsyntax-only -H -x c - 2>&1) &&
        grep -qx "[.]* $header" <<<"$output" && works=yes
    if [[ $allowed != "$works" ]]; then
        echo "$layer: ${header#"$lib"/}: allowed: $allowed, works: $works"
        grep -v '^[.]' <<<"$output"
        failures=1
    fi
done
exit $failures
