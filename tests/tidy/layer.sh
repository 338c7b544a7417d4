#!/bin/bash
# layer.sh CC LIB LAYER INCLUDE_DIRS: with the layer's include path every header of the layers it may use compiles on its own, and
# no header of any other layer can be included.
set -u
cc=$1 lib=$2 layer=$3
IFS=: read -ra dirs <<<"$4"
failures=0

for header in "$lib"/*/*.h; do
    folder=$(dirname "$header") name=$(basename "$header")
    allowed=no
    for dir in "${dirs[@]}"; do [[ $dir == "$folder" ]] && allowed=yes; done
    compiles=no
    output=$(echo "#include \"$name\"" | "$cc" -std=c11 -D_GNU_SOURCE "${dirs[@]/#/-I}" -fsyntax-only -x c - 2>&1) && compiles=yes
    if [[ $allowed != "$compiles" ]]; then
        echo "$layer: ${header#"$lib"/}: allowed: $allowed, compiles: $compiles"
        [[ -n $output ]] && echo "$output"
        failures=1
    fi
done
exit $failures
