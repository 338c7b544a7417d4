# Sourced by every cli_*.sh. RINGPOST is the command, JSON the helper of json.c.
set -u
shopt -s lastpipe     # `... | run ...` sets variables here
: "${RINGPOST:?path of the command}" "${JSON:?path of the JSON helper}"
[[ -x $RINGPOST && -x $JSON ]] || exit 1

q=cli.$$              # the name of the queue, and the beginning of others
dir=$(mktemp -d)
failures=0
pids=()               # background jobs to end

cleanup() {
    local pid name
    for pid in "${pids[@]-}"; do [[ -n $pid ]] && kill -KILL "$pid" 2>/dev/null; done
    wait 2>/dev/null
    for name in "/dev/shm/ringpost.$q"*; do [[ -e $name ]] && rm -f "$name"; done
    rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

rp() { "$RINGPOST" "$@"; }
json() { "$JSON" "$@"; }

fail() {
    echo "FAILED: line ${BASH_LINENO[1]}: $*" >&2
    failures=$((failures + 1))
    if ((failures == 25)); then finish; fi
}

# is WHAT GOT EXPECTED
is() { [[ $2 == "$3" ]] || fail "$1: got '$2', expected '$3'"; }

# has WHAT TEXT PART
has() { [[ $2 == *"$3"* ]] || fail "$1: '$3' is not in '$2'"; }

# run STATUS ARGUMENT...: runs the command, leaves its output in $out and $err, and checks its exit status. Stdin is passed on.
run() {
    local expected=$1 status
    shift
    rp "$@" >"$dir/out" 2>"$dir/err"
    status=$?
    out=$(<"$dir/out")
    err=$(<"$dir/err")
    [[ $status == "$expected" ]] || fail "ringpost $*: status $status, expected $expected: $err"
}

# The condition is polled, with a short pause that waits for nothing; the pipe never has a reader's byte.
mkfifo "$dir/never"
exec 9<>"$dir/never"
pause() { read -r -t 0.02 -u 9 || :; }

# A command for workers: writes its pid to $dir/running, and ends when $dir/go or $dir/go.PAYLOAD is there.
cat >"$dir/hold" <<'END'
#!/bin/bash
dir=$(dirname "$0")
read -r payload
echo $$ >>"$dir/running"
until [[ -e $dir/go || -e $dir/go.$payload ]]; do read -r -t 0.01 <>"$dir/never"; done
exit 0
END
chmod +x "$dir/hold"

# eventually COMMAND...: polls until it succeeds, at most 2 minutes: that ends what hangs.
eventually() {
    local deadline=$((SECONDS + 120))
    until "$@"; do
        if ((SECONDS >= deadline)); then
            fail "never came true: $*"
            return 1
        fi
        pause
    done
}

stat_of() { rp stat "$1" --json | json "$2"; }
stat_is() { [[ $(stat_of "$1" "$2") == "$3" ]]; }
lines_in() { [[ -e $1 ]] && [[ $(wc -l <"$1") -ge $2 ]]; }
is_gone() { ! kill -0 "$1" 2>/dev/null; }
# A zombie is gone as well.
is_dead() { [[ ! -e /proc/$1/stat || $(awk '{print $3}' "/proc/$1/stat" 2>/dev/null) == [ZX] ]]; }

# status_of PID: waits for a background job and leaves its exit status in $status.
status_of() {
    wait "$1"
    status=$?
}

finish() {
    if ((failures)); then
        echo "$failures failed" >&2
        exit 1
    fi
    exit 0
}
