#!/bin/bash
# The completion for bash offers verbs, queues and values. That it offers every flag is in cli_manual.sh.
. "$(dirname "$0")/lib.sh"
root=$(dirname "$0")/../..
. "$root/tools/completion/ringpost.bash"

# complete_words WORD...: what the last word may become, sorted
complete_words() {
    COMP_WORDS=("$RINGPOST" "$@")
    COMP_CWORD=$#
    _ringpost
    printf '%s\n' "${COMPREPLY[@]}" | sort | paste -sd ' '
}

run 0 create "$q"
is "verbs" "$(complete_words '')" "bench cancel create dead drain dump exchange forward fsck gc group help info journal keeper ls pause peek producer purge receive request restore resume ring rm send stat version work"
is "verb" "$(complete_words rec)" "receive"
is "dead verbs" "$(complete_words dead '')" "ls purge redrive show"
is "group verbs" "$(complete_words group '')" "create ls rm"
is "producer verbs" "$(complete_words producer '')" "ls rm"
is "group policies" "$(complete_words group create "$q" x --overflow d)" "dead drop-oldest"
is "bench verbs" "$(complete_words bench '')" "compare fanout peers rtt throughput"
is "bench peers" "$(complete_words bench compare --peers pi)" "pipe"
is "exchange verbs" "$(complete_words exchange '')" "bind create ls publish rm unbind"
is "what is unroutable" "$(complete_words exchange create x --unroutable r)" "return"
is "queue to bind" "$(complete_words exchange bind x 'a.#' "$q")" "$q"
is "ring verbs" "$(complete_words ring '')" "create ls read record replay rm stat write"
is "what a full ring does" "$(complete_words ring create x --overflow '')" "gate overwrite"
is "where a ring is read" "$(complete_words ring read x --from o)" "oldest"
rp ring create "$q"
is "ring" "$(complete_words ring read "$q")" "$q"
is "ring to replay to" "$(complete_words ring replay file "$q")" "$q"
rp ring rm "$q"
is "no ring" "$(complete_words ring read "$q")" ""
is "file of ring" "$(complete_words ring replay "$root/READM")" "$root/README.md"
is "queue" "$(complete_words stat "$q")" "$q"
is "queues of keeper" "$(complete_words keeper "$q" "$q")" "$q"
is "queues of forward" "$(complete_words forward "$q" "$q")" "$q"
is "queue of dead" "$(complete_words dead ls "$q")" "$q"
is "flags" "$(complete_words receive --)" "--create-group --follow --group --help --json --no-ack --null --wait --wait-strategy --whole --within"
is "flags of dead" "$(complete_words dead redrive "$q" --d)" "--dry-run"
is "values" "$(complete_words peek "$q" --state l)" "leased"
is "profiles" "$(complete_words create --profile '')" "durable latency telemetry work"
is "strategies" "$(complete_words work "$q" --wait-strategy s)" "sleep spin"
is "shards" "$(complete_words create x --numa-shards '')" "auto"
is "nodes" "$(complete_words create x --numa i)" "interleave"
has "filter" " $(complete_words forward "$q" "$q" -- bas) " " bash "
has "command" " $(complete_words work "$q" -- bas) " " bash "
finish
