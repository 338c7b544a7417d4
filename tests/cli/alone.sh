#!/bin/bash
# alone.sh COMMAND...: runs it where /dev/shm is its own, if that can be had; without a command says by its status whether it can.
# For tests that look into every queue of the machine: `ringpost gc` takes a seat in each, which brings cells into play there, and recovers who died there.
# Other tests count on both.
for space in --mount "--mount --user --map-root-user"; do
    read -ra flags <<<"$space"
    if unshare "${flags[@]}" mount -t tmpfs none /dev/shm 2>/dev/null; then
        (($#)) || exit 0
        exec unshare "${flags[@]}" bash -c 'mount -t tmpfs none /dev/shm && exec "$@"' alone "$@"
    fi
done
(($#)) || exit 1
exec "$@"
