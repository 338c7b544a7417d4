# SPDX-License-Identifier: MIT
# Completion for bash. Verbs and flags come from `ringpost help` and `--help`, so they are never out of date.

_ringpost_flags() {
    "$1" "${@:2}" --help 2>/dev/null | sed -n 's/^  \(-[a-z0-9], \)\{0,1\}\(--[a-z-]*\).*/\2/p; s/^  \(-[a-z0-9]\)[ ,].*/\1/p'
}

_ringpost_verbs() {
    "$1" "${@:2}" 2>/dev/null | sed -n 's/^  \([a-z]*\)   *[a-z].*/\1/p'
}

_ringpost_queues() {
    local file
    for file in /dev/shm/ringpost.*; do
        [[ -e $file && $file != *~* ]] && printf '%s\n' "${file#/dev/shm/ringpost.}"
    done
}

_ringpost_exchanges() {
    local file
    for file in /dev/shm/ringpost-exchange.*; do
        [[ -e $file ]] && printf '%s\n' "${file#/dev/shm/ringpost-exchange.}"
    done
}

_ringpost_rings() {
    local file
    for file in /dev/shm/ringpost-ring.*; do
        [[ -e $file ]] && printf '%s\n' "${file#/dev/shm/ringpost-ring.}"
    done
}

_ringpost_reply() { # WORDS CURRENT
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

_ringpost() {
    local command=${COMP_WORDS[0]} current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local verb=${COMP_WORDS[1]-} first=2 i
    local -a words=("$verb")
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        _ringpost_reply "$(_ringpost_verbs "$command" help)" "$current"
        return
    fi
    case $verb in
        help)
            _ringpost_reply "$(_ringpost_verbs "$command" help)" "$current"
            return
            ;;
        dead | group | producer | exchange | bench | ring | journal)
            if ((COMP_CWORD == 2)); then
                _ringpost_reply "$(_ringpost_verbs "$command" "$verb" --help)" "$current"
                return
            fi
            words+=("${COMP_WORDS[2]}")
            first=3
            ;;
        work | forward)
            for ((i = 2; i < COMP_CWORD; i++)); do
                if [[ ${COMP_WORDS[i]} == -- ]]; then
                    mapfile -t COMPREPLY < <(compgen -c -- "$current")
                    ((i < COMP_CWORD - 1)) && mapfile -t COMPREPLY < <(compgen -f -- "$current")
                    return
                fi
            done
            ;;
    esac
    case $before in
        --spill) mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
        --list) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
        --state) _ringpost_reply "ready leased delayed dead all" "$current" ;;
        --numa) _ringpost_reply "auto interleave consumer node:" "$current" ;;
        --journal) mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
        --sync) _ringpost_reply "always interval none" "$current" ;;
        --numa-shards) _ringpost_reply "auto" "$current" ;;
        --wait-strategy) _ringpost_reply "spin adaptive sleep" "$current" ;;
        --expired) _ringpost_reply "dead drop" "$current" ;;
        --profile) _ringpost_reply "latency work telemetry durable" "$current" ;;
        --to | --alternate | --reply-queue | --reply-to) _ringpost_reply "$(_ringpost_queues)" "$current" ;;
        --unroutable) _ringpost_reply "count return" "$current" ;;
        --reason) _ringpost_reply "rejected max-deliveries held expired overflow corrupt unknown" "$current" ;;
        --overflow)
            if [[ $verb == group ]]; then
                _ringpost_reply "queue block drop-oldest dead" "$current"
            elif [[ $verb == ring ]]; then
                _ringpost_reply "overwrite gate" "$current"
            else
                _ringpost_reply "reject block drop-oldest spill" "$current"
            fi
            ;;
        --peers) _ringpost_reply "all $("$command" bench peers 2>/dev/null | sed -n '2,$s/ .*//p')" "$current" ;;
        --from)
            if [[ $verb == journal ]]; then
                _ringpost_reply "oldest" "$current"
            else
                _ringpost_reply "newest oldest" "$current"
            fi
            ;;
        --dead-overflow) _ringpost_reply "drop-oldest refuse" "$current" ;;
        *)
            if [[ $current == -* ]]; then
                _ringpost_reply "$(_ringpost_flags "$command" "${words[@]}")" "$current"
            elif [[ $verb == ring && ${words[1]} =~ ^(rm|stat|write|read|record)$ && COMP_CWORD -eq 3 || ${words[1]-} == replay && COMP_CWORD -eq 4 ]]; then
                _ringpost_reply "$(_ringpost_rings)" "$current"
            elif [[ $verb == ring && ${words[1]} =~ ^(create|rm|ls|stat|read)$ ]]; then
                :
            elif [[ $verb == journal && ${words[1]} == replay ]]; then
                _ringpost_reply "$(_ringpost_queues)" "$current"
            elif [[ $verb == bench && $before != --* ]]; then
                :
            elif [[ $verb == exchange ]] && ((COMP_CWORD == 3)); then
                _ringpost_reply "$(_ringpost_exchanges)" "$current"
            elif [[ $verb == exchange && ${words[1]} == *bind ]] && ((COMP_CWORD == 5)); then
                _ringpost_reply "$(_ringpost_queues)" "$current"
            elif [[ $verb == exchange && ${words[1]} != publish ]]; then
                :
            elif ((COMP_CWORD == first)) && [[ $verb != create && $verb != ring ]] || [[ $verb == keeper ]] || [[ $verb == forward && COMP_CWORD -eq 3 ]]; then
                _ringpost_reply "$(_ringpost_queues)" "$current"
            else
                mapfile -t COMPREPLY < <(compgen -f -- "$current")
            fi
            ;;
    esac
}
complete -o filenames -F _ringpost ringpost
