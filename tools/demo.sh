#!/bin/bash
# SPDX-License-Identifier: MIT
# demo.sh [FILE]: a true story on a real log of this machine. Four workers share a queue, one is killed with kill -9 while it holds a message, one
# line is poison; then the books are balanced from what was written down outside of the queue. RINGPOST_BUILD: where the binaries are.
set -u
: "${RINGPOST_BUILD:?the build directory}"
ringpost=$RINGPOST_BUILD/tools/ringpost
[[ -x $ringpost ]] || { echo "demo: no $ringpost" >&2; exit 1; }

most_lines=2000
queue=demo.$$
dir=$(mktemp -d)
declare -a workers=()

cleanup() {
    local pid
    for pid in "${workers[@]-}"; do [[ -n $pid ]] && kill -KILL "$pid" 2>/dev/null; done
    wait 2>/dev/null
    "$ringpost" rm --force "$queue" 2>/dev/null
    rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

title() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[[ -t 1 ]] || title() { printf '\n== %s\n' "$*"; }
show() { echo "\$ $*"; }
stat_of() { "$ringpost" stat "$queue" --json | sed "s/.*\"$1\":\([0-9]*\).*/\1/"; }

# until_true SECONDS COMMAND...: polls; the pipe gives a short pause, nobody writes into it
mkfifo "$dir/never"
exec 9<>"$dir/never"
until_true() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || { echo "demo: this did not happen in time: $*" >&2; exit 1; }
        read -r -t 0.05 -u 9
    done
}

# What the workers run for each line. The ledger is written before the ack, so a death in between shows as an id written twice, never as one missing.
cat >"$dir/handle" <<'END'
#!/bin/sh
dir=$(dirname "$0") ledger=$1
IFS= read -r line
case $line in
    POISON*)
        echo "$RINGPOST_ID $RINGPOST_DELIVERIES" >>"$dir/failures"
        exit 3 ;;
esac
if [ "$ledger" = "$dir/ledger.4" ] && [ "$(wc -l <"$ledger")" -ge "$(cat "$dir/patience")" ]; then
    echo "$RINGPOST_ID" >"$dir/holding.tmp"
    mv "$dir/holding.tmp" "$dir/holding"
    read -r forever <"$dir/never"
fi
echo "$RINGPOST_ID $RINGPOST_DELIVERIES" >>"$ledger"
END
chmod +x "$dir/handle"

# 1. The input
source=${1-}
if [[ -z $source ]]; then
    for source in /var/log/dpkg.log /var/log/apt/history.log /etc/services; do
        [[ -r $source && -s $source ]] && break
    done
fi
[[ -r $source && -s $source ]] || { echo "demo: cannot read '$source'" >&2; exit 1; }
tail -n "$most_lines" "$source" >"$dir/lines"
lines=$(awk 'END {print NR}' "$dir/lines")
LC_ALL=C awk -v at=$(((lines + 2) / 3)) '{print} NR == at {print "POISON: nobody can handle this line"}' "$dir/lines" >"$dir/input"
longest=$(LC_ALL=C awk '{if (length > most) most = length} END {print most < 64 ? 64 : most}' "$dir/input")
echo $((lines >= 400 ? 20 : 0)) >"$dir/patience"

title "1. A queue, and four workers that share it"
echo "Input: the last $lines lines of $source, and one line among them that no worker can handle."
show "ringpost create $queue --message-bytes $longest --max-deliveries 3 --backoff 100ms..400ms"
"$ringpost" create "$queue" --message-bytes "$longest" --max-deliveries 3 --backoff 100ms..400ms 2>&1 || exit 1
show "ringpost work $queue -j 1 -- handle ledger.N        # N = 1 2 3 4; appends 'id deliveries' to its ledger"
start_worker() {
    : >"$dir/ledger.$1"
    "$ringpost" work "$queue" -j 1 -- "$dir/handle" "$dir/ledger.$1" >"$dir/log.$1" 2>&1 &
    workers[$1]=$!
}
attached() { [[ $(stat_of participants) == "$1" ]]; }
# With few lines the others would be done before worker 4 got one: they start when it has one.
start_worker 4
if ((lines >= 400)); then for n in 1 2 3; do start_worker "$n"; done; fi
until_true 10 attached $((lines >= 400 ? 4 : 1))

title "2. A feeder sends every line and writes down the ids"
began=${EPOCHREALTIME/[.,]/}
show "ringpost send $queue --print-ids --wait 30s $(basename "$source")"
"$ringpost" send "$queue" --print-ids --wait 30s "$dir/input" 2>&1 >"$dir/sent" || exit 1

title "3. Worker 4 is killed while its command runs"
until_true 30 test -e "$dir/holding"
victim=$(<"$dir/holding")
show "kill -9 ${workers[4]}        # it holds message $victim"
kill -KILL "${workers[4]}"
wait "${workers[4]}" 2>/dev/null
workers[4]=
if ((lines < 400)); then for n in 1 2 3; do start_worker "$n"; done; fi
drained() { [[ $(stat_of ready) == 0 && $(stat_of leased) == 0 && $(stat_of delayed) == 0 ]]; }
until_true 50 drained
took_us=$((${EPOCHREALTIME/[.,]/} - began))
for n in 1 2 3; do
    kill -TERM "${workers[n]}"
    wait "${workers[n]}" || { echo "demo: worker $n failed:"; tail -n 3 "$dir/log.$n"; exit 1; }
    workers[n]=
done
again=$(cat "$dir"/ledger.[123] | awk -v id="$victim" '$1 == id {print $2}')
echo "Message $victim was delivered again, as delivery ${again:-(it was NOT)}, to worker $(cd "$dir" && grep -l "^$victim " ledger.[123] | sed 's/.*\.//')."

title "4. The poison is set aside after 3 failures"
show "ringpost dead ls $queue"
"$ringpost" dead ls "$queue"

title "5. The books, from the ledgers alone"
sort -n "$dir/sent" >"$dir/sent.sorted"
cat "$dir"/ledger.? | awk '{print $1}' | sort -n >"$dir/written"
sort -nu "$dir/written" >"$dir/done"
"$ringpost" dead ls "$queue" --json | sed 's/.*"id":\([0-9]*\).*/\1/' | sort -n >"$dir/dead"
count() { wc -l <"$1" | tr -d ' '; }
sent=$(count "$dir/sent.sorted") handled=$(count "$dir/done") dead=$(count "$dir/dead") written=$(count "$dir/written")
sort -n "$dir/done" "$dir/dead" >"$dir/accounted"
lost=$(comm -23 <(sort "$dir/sent.sorted") <(sort -u "$dir/accounted") | wc -l)
strange=$(comm -13 <(sort "$dir/sent.sorted") <(sort -u "$dir/accounted") | wc -l)
both=$(uniq -d "$dir/accounted" | wc -l)
redelivered=$(cat "$dir"/ledger.? | awk '$2 > 1' | wc -l)
poisoned=$(count "$dir/failures")
printf '  %-44s%8d\n' "sent (ids written down by the feeder)" "$sent" "handled (ids in the ledgers)" "$handled" "in the dead ring" "$dead" \
    "lost" "$lost" "handled twice" $((written - handled)) "handled after a redelivery" "$redelivered" "failed deliveries of the poison" "$poisoned"
for n in 1 2 3 4; do printf '  %-44s%8d\n' "  handled by worker $n$([[ $n == 4 ]] && echo ', killed')" "$(count "$dir/ledger.$n")"; done
printf '  %-44s%8d\n' "messages/s, with a process for each" $((sent * 1000000 / took_us))
show "ringpost fsck $queue"
"$ringpost" fsck "$queue" || exit 1
wrong=
((sent == lines + 1)) || wrong+=" sent is not $((lines + 1));"
((sent == handled + dead)) || wrong+=" sent is not handled + dead;"
((lost == 0 && strange == 0 && both == 0)) || wrong+=" $lost lost, $strange unknown, $both both handled and dead;"
((dead == 1 && poisoned == 3)) || wrong+=" the poison failed $poisoned times, $dead in the dead ring;"
[[ $again == 2 ]] || wrong+=" the killed worker's message was not redelivered once;"
((written == handled)) || wrong+=" $((written - handled)) handled twice;"
if [[ -n $wrong ]]; then
    echo "The books do NOT balance:$wrong" >&2
    exit 1
fi
echo "The books balance: $sent sent = $handled handled + $dead dead; nothing lost, nothing handled twice."

# 6. How fast it is without a process for each message
if [[ -x $RINGPOST_BUILD/tools/ringpost-bench ]]; then
    title "6. Round trip between two processes, acked"
    show "ringpost bench rtt --quick"
    timeout 30 "$ringpost" bench rtt --quick || exit 1
fi
