#!/bin/bash
# install.sh BUILD: installs into a fresh prefix and uses it as a program would: C by pkg-config (shared and static), C++ by CMake.
set -eu
build=$1
here=$(dirname "$(readlink -f "$0")")
temporary=$(mktemp -d)
prefix=$temporary/prefix
trap 'rm -rf "$temporary" /dev/shm/ringpost.install-test-$$' EXIT
refuse() { echo "install: $*" >&2; exit 1; }

cmake --install "$build" --prefix "$prefix" >"$temporary/log" || { cat "$temporary/log"; exit 1; }
library=$(find "$prefix" -name libringpost.so)
export PKG_CONFIG_PATH=${library%/*}/pkgconfig
cc=${CC:-cc}
strict=(-Wall -Wextra -Werror -pedantic-errors)
queue=install-test-$$

echo "C, shared"
"$cc" -std=c11 "${strict[@]}" "$here/consumer.c" -o "$temporary/shared" $(pkg-config --cflags --libs ringpost)
LD_LIBRARY_PATH=${library%/*} "$temporary/shared" "$queue"
readelf -d "$temporary/shared" | grep -q 'NEEDED.*libringpost\.so\.0\]' || refuse "the program does not ask for libringpost.so.0"

echo "C, static"
"$cc" -std=c11 "${strict[@]}" "$here/consumer.c" -o "$temporary/static" $(pkg-config --cflags ringpost) \
    "${library%.so}.a" $(pkg-config --libs-only-other --static ringpost) $(pkg-config --libs-only-l --static ringpost | sed 's/-lringpost\b//')
"$temporary/static" "$queue"

echo "C++, by find_package, shared and static"
cmake -S "$here/cmake" -B "$temporary/cpp" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CXX_FLAGS="${strict[*]}" >"$temporary/log"
cmake --build "$temporary/cpp" >>"$temporary/log" || { cat "$temporary/log"; exit 1; }
"$temporary/cpp/consumer" "$queue"
"$temporary/cpp/consumer_static" "$queue"

echo "each installed header on its own, as C and as C++"
for header in "$prefix"/include/ringpost/*.h; do
    for language in c:c11 c++:c++17; do
        printf '#include "%s"\ntypedef int something;\n' "$header" |
            "$cc" "${strict[@]}" -x "${language%:*}" -std="${language#*:}" -I"$prefix/include" -fsyntax-only -
    done
    ! grep -nE '_Atomic|stdatomic|<atomic>' "$header" || refuse "$header: atomics in an installed header"
done

if [[ -x $prefix/libexec/ringpost/ringpost-bench ]]; then
    echo "ringpost bench, found from where it was installed"
    "$prefix/bin/ringpost" bench peers | grep -q '^ringpost .*yes' || refuse "ringpost bench does not find its program"
fi

echo "exported symbols"
foreign=$(nm -D --defined-only --format=posix "$library" | awk '$1 !~ /^rp_/ && $2 != "A"')
[[ -z $foreign ]] || refuse "the shared library exports $foreign"
foreign=$(nm -g --defined-only --format=posix "${library%.so}.a" 2>/dev/null | awk 'NF > 1 && $1 !~ /^rp_/')
[[ -z $foreign ]] || refuse "the static library exports $foreign"
