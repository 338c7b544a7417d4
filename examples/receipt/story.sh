#!/bin/bash
# SPDX-License-Identifier: MIT
# The story: payments go on while the e-mail service is down, is killed, comes back; in the end every payment has exactly one receipt.
#
#     story.sh [PAYMENTS]        RINGPOST: the command; PAYMENTS_BIN, MAILER: the two programs
set -u
: "${RINGPOST:?}" "${PAYMENTS_BIN:?}" "${MAILER:?}"
count=${1:-400}
queue=receipts.$$
dir=$(mktemp -d)
mailer=

cleanup() {
    [[ -n $mailer ]] && kill -KILL "$mailer" 2>/dev/null
    wait 2>/dev/null
    "$RINGPOST" rm "$queue" >/dev/null 2>&1
    rm -rf "$dir"
}
trap cleanup EXIT
mkdir "$dir/mailbox"

say() { printf '%s\n' "$*"; }
die() { say "WRONG: $*" >&2; exit 1; }
sent() { find "$dir/mailbox" -name '*.eml' | wc -l; }
stat_of() { "$RINGPOST" stat "$queue" --json | sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p"; }
# One before it may have had the same pid, as in a container, and have been killed when its draft had become a receipt.
leave_draft() {
    local mail
    for mail in "$dir/mailbox"/*.eml; do
        [[ -e $mail ]] && ln -f "$mail" "$dir/mailbox/.draft.$BASHPID"
        break
    done
}
start_mailer() { (leave_draft; exec "$MAILER" "$queue" "$dir/mailbox" "$dir/aliases") & mailer=$!; }
kill_mailer() { kill -KILL "$mailer"; wait "$mailer" 2>/dev/null; mailer=; }
# at_least N: waits until so many receipts are in the mailbox
at_least() {
    local end=$((SECONDS + 60))
    until (($(sent) >= $1)); do
        ((SECONDS < end)) || die "only $(sent) of $1 receipts came"
        kill -0 "$mailer" 2>/dev/null || die "the mailer is gone"
        read -r -t 0.01 <>"$dir/never"
    done
}
mkfifo "$dir/never"

"$RINGPOST" create "$queue" --capacity 8192 --message-bytes 128 --dedup 10m --max-deliveries 5 2>/dev/null || exit 1

say "The e-mail service is down. $((count / 2)) payments are made all the same:"
"$PAYMENTS_BIN" "$queue" 1 $((count / 2)) || die "a payment had to wait for the e-mail service"
(($(stat_of ready) == count / 2)) || die "not every payment left a note"
say "  $(stat_of ready) notes wait, $(sent) receipts are sent"

start_mailer
at_least $((count / 8))
kill_mailer
say "It came up, and was killed (kill -9) after $(sent) receipts. Nobody lost anything:"
say "  $(stat_of ready) notes wait, $(stat_of leased) in the dead mailer's hands"

"$PAYMENTS_BIN" "$queue" 1 "$count" &
payments=$!
start_mailer
at_least $((count / 4))
kill -KILL "$payments" 2>/dev/null
wait "$payments" 2>/dev/null
kill_mailer
start_mailer
say "Then the payment service was killed as well, and started over from its first payment:"
"$PAYMENTS_BIN" "$queue" 1 "$count" || die "a payment was refused"
say "  $(stat_of duplicates) notes had been left before, and were not left twice"

poison=0
for ((i = 1; i <= count; i++)); do ((i % 50 == 7)) && poison=$((poison + 1)); done
"$RINGPOST" drain "$queue" --timeout 60s 2>/dev/null || die "the queue was not drained"
"$RINGPOST" resume "$queue" 2>/dev/null
say "All notes were worked on. $poison customers have an address that is none; their notes are in the dead ring, and say why:"
"$RINGPOST" dead ls "$queue" -n 2
(($(stat_of dead) == poison)) || die "$(stat_of dead) notes are dead, not $poison"
(($(sent) == count - poison)) || die "$(sent) receipts, not $((count - poison))"

echo "nobody dora@example.org" >"$dir/aliases"
"$RINGPOST" dead redrive "$queue" >/dev/null || die "no redrive"
"$RINGPOST" drain "$queue" --timeout 60s --dead 2>/dev/null || die "the queue was not drained"
kill -TERM "$mailer"
wait "$mailer" || die "the mailer did not end well"
mailer=
say "The address was mended and the notes redriven. The books:"
for ((i = 1; i <= count; i++)); do
    grep -q "^Message-ID: <payment-$i@example.org>" "$dir/mailbox/$i.eml" 2>/dev/null || die "payment $i has no receipt"
done
(($(sent) == count)) || die "$(sent) receipts for $count payments"
(($(grep -l '^To: dora@' "$dir"/mailbox/*.eml | wc -l) == poison)) || die "the redriven notes went elsewhere"
[[ -z $(find "$dir/mailbox" -name '*.eml' -size 0) ]] || die "an empty receipt"
"$RINGPOST" fsck "$queue" >/dev/null || die "fsck"
say "  $count payments, $(sent) receipts, one each"
