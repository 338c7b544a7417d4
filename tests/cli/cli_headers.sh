#!/bin/bash
# Headers: given to send, shown by receive, peek and dead, in the environment of a worker's command; a trace that goes through; dead letters by header.
. "$(dirname "$0")/lib.sh"
unset TRACEPARENT
trace=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
other=00-11111111111111111111111111111111-2222222222222222-00

run 0 create "$q" --message-bytes 64 --header-bytes 512 --max-deliveries 1
run 0 info "$q" --json
has "info" "$out" '"header_bytes":512'
run 0 info "$q"
has "info" "$out" "512 bytes beside the payload"

# What is given is shown
echo one | run 0 send "$q" --header Region=eu --header empty= --content-type text/plain --correlation-id c=1 --reply-to back
shown='"headers":{"region":"eu","empty":"","content-type":"text/plain","correlation-id":"c=1","reply-to":"back"}'
run 0 peek "$q" --json
has "peek" "$out" "$shown"
run 0 receive "$q" --json
has "receive" "$out" "$shown"
echo one | run 0 send "$q" --header region=eu
run 0 receive "$q" --no-ack --json
has "at most once" "$out" '"headers":{"region":"eu"}'
echo none | run 0 send "$q"
run 0 receive "$q" --json
[[ $out != *headers* ]] || fail "headers of nothing: $out"
printf 'x' | run 0 send "$q" --header $'latin=\xe4'
run 0 receive "$q" --json
has "not UTF-8" "$out" '"headers_base64":{"latin":"5A=="}'
echo | run 0 send "$q" --header one=1 --delay 1h
run 0 peek "$q" --state delayed --json
has "delayed" "$out" '"headers":{"one":"1"}'
run 0 purge "$q" --state all

# What cannot be is refused, and nothing sent
run 2 send "$q" --header novalue </dev/null
has "no value" "$err" "NAME=VALUE"
run 2 send "$q" --header =x </dev/null
run 2 send "$q" --content-type a --header Content-Type=b </dev/null
has "twice" "$err" "content-type is given twice"
echo | run 1 send "$q" --header 'a b=c'
has "name" "$err" "a b"
echo | run 1 send "$q" --header a=1 --header A=2
has "twice" "$err" "twice"
long=$(printf 'v%.0s' {1..700})
echo | run 1 send "$q" --header long="$long"
has "room" "$err" "there is room for"
flags=()
for i in {1..65}; do flags+=(--header "h$i=v"); done
echo | run 2 send "$q" "${flags[@]}"
is "nothing was sent" "$(stat_of "$q" ready)" 0

# A worker's command sees them, and not those of a worker outside
export RINGPOST_HEADER_OUTER=x RINGPOST_REPLY_TO=x
cat >"$dir/show" <<'END'
#!/bin/bash
cat
env | grep -E '^(RINGPOST_(HEADER|CONTENT|CORR|REPLY)|TRACE)' | sort
END
chmod +x "$dir/show"
echo two | run 0 send "$q" --header x.y=1 --content-type a/b --header traceparent=$trace
run 0 work "$q" -n 1 -- "$dir/show"
is "environment" "$out" "twoRINGPOST_CONTENT_TYPE=a/b
RINGPOST_HEADER_CONTENT_TYPE=a/b
RINGPOST_HEADER_TRACEPARENT=$trace
RINGPOST_HEADER_X_Y=1
TRACEPARENT=$trace"
unset RINGPOST_HEADER_OUTER RINGPOST_REPLY_TO
echo | run 0 send "$q"
TRACEPARENT=$other run 0 work "$q" -n 1 -- "$dir/show"
is "no trace of the worker's own" "$out" ""
echo | run 0 send "$q"
TRACEPARENT=$other run 0 work "$q" -n 1 --no-trace -- "$dir/show"
is "unless it is wanted" "$out" "TRACEPARENT=$other"
echo | run 0 send "$q" --header traceparent=nonsense
run 0 work "$q" -n 1 -- "$dir/show"
is "a bad one is a header only" "$out" "RINGPOST_HEADER_TRACEPARENT=nonsense"

# TRACEPARENT goes along where it is well-formed, there is room, and nothing else was asked for
sends_trace() { # EXPECTED TRACEPARENT FLAG...: is it sent?
    local expected=$1 value=$2 got
    shift 2
    echo x | TRACEPARENT=$value run 0 send "$q" "$@"
    run 0 receive "$q" --json
    got=no
    [[ $out == *"\"traceparent\":\"$value\""* ]] && got=yes
    is "TRACEPARENT=$value $*" "$got" "$expected"
}
sends_trace yes $trace
sends_trace yes 01-${trace:3}-more
sends_trace no $trace --no-trace
sends_trace no $trace --header TraceParent=$other
for bad in "" "$trace-" "${trace}0" "ff-${trace:3}" "${trace^^}" 00-00000000000000000000000000000000-b7ad6b7169203331-01 \
    00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01 "${trace:0:54}" "${trace/-/_}" "01-${trace:3}x"; do
    sends_trace no "$bad"
done
run 0 create "$q.small" --message-bytes 72
full=$(printf 'p%.0s' {1..72})
printf '%s\nshort\n%s\n' "$full" "$full" | TRACEPARENT=$trace run 0 send "$q.small"
run 0 receive "$q.small" -n 3
is "a full payload goes without" "$out" "$full
short
$full"

# Through a chain: send, work, send, work
run 0 create "$q.next" --header-bytes 128
echo start | TRACEPARENT=$trace run 0 send "$q"
run 0 work "$q" -n 1 -- "$RINGPOST" send "$q.next"
run 0 work "$q.next" -n 1 -- "$dir/show"
has "the trace goes on" "$out" "TRACEPARENT=$trace"

# Dead letters
for region in eu us eu; do echo $region | run 0 send "$q" --header region=$region --header x=1; done
echo plain | run 0 send "$q"
run 0 work "$q" -n 4 -- false
run 0 dead show "$q" --filter header.region=us
has "show" "$out" "    region: us"
has "show" "$out" "    x: 1"
run 0 dead ls "$q" --filter header.Region=eu --json
is "two of them" "$(grep -c '"region":"eu"' <<<"$out")" 2
run 3 dead ls "$q" --filter header.region=e
run 2 dead ls "$q" --filter region=eu
has "says how" "$err" "header.NAME=VALUE"
run 2 dead ls "$q" --filter header.
run 2 dead purge "$q" --filter header.region=eu --filter header.region=none
run 0 dead redrive "$q" --filter header.region=eu --to "$q.next"
has "moved" "$out" "2 messages redriven"
run 0 receive "$q.next" --json
has "with its headers" "$out" '"headers":{"region":"eu","x":"1"}'
run 0 dead purge "$q" --filter header.x
has "purged" "$out" "1 message purged"
run 0 dead redrive "$q"
run 0 receive "$q"
is "what is left" "$out" plain

finish
