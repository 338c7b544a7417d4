/* SPDX-License-Identifier: MIT */
#include "weak.h"

#include <string.h>

#define PROGRAMS(X)                                                                                                                \
    X(ring_two_senders)                                                                                                            \
    X(ring_two_readers)                                                                                                            \
    X(ring_lapped)                                                                                                                 \
    X(event_two_waiters)                                                                                                           \
    X(event_two_wakers)                                                                                                            \
    X(pool_drawn)                                                                                                                  \
    X(pool_bitmap)                                                                                                                 \
    X(pool_starved)                                                                                                                \
    X(pool_barren)                                                                                                                 \
    X(queue_send)                                                                                                                  \
    X(queue_consumers)                                                                                                             \
    X(queue_senders)                                                                                                               \
    X(queue_reuse)                                                                                                                 \
    X(queue_help)                                                                                                                  \
    X(queue_nack)                                                                                                                  \
    X(queue_expire) X(queue_extend) X(queue_sleep) X(queue_full) X(queue_full_same_ms) X(queue_past) X(queue_way)                  \
        X(queue_slow_claim) X(queue_slow_insert) X(queue_threads) X(queue_dead_sender) X(queue_dead_holder) X(queue_overwritten)   \
            X(timers_old) X(timers_raise) X(key_sleep) X(key_full) X(key_receivers) X(flow_drain) X(flow_resume) X(flow_group)     \
                X(ids_halves) X(ids_middle) X(ids_turns) X(ids_sends) X(ids_dead) X(ids_recoverers) X(identity_make)               \
                    X(identity_handed) X(identity_changed) X(identity_dead) X(bell_two) X(bell_both) X(bell_dead) X(failed_missed) \
                        X(failed_coming) X(failed_going) X(flow_receive) X(flow_redrive) X(group_removed) X(group_made)            \
                            X(bytes_sleep) X(route_reused) X(route_dead) X(route_table) X(broadcast_lap) X(broadcast_join)         \
                                X(broadcast_sleep) X(broadcast_gate) X(spilled_send) X(spilled_reuse) X(spilled_receivers)         \
                                    X(spilled_drain) X(journal_send) X(journal_three) X(journal_settle) X(journal_settle_both)     \
                                        X(journal_noted) X(journal_room) X(journal_group) X(journal_slow)

#define DECLARE(program) extern const struct weak_program program;
PROGRAMS(DECLARE)
#define LIST(program) &program,
const struct weak_program *const weak_programs[] = {PROGRAMS(LIST) NULL};
_Static_assert(sizeof weak_programs / sizeof weak_programs[0] <= WEAK_PROGRAMS + 1, "a flag each in sites_table");

const struct weak_program *weak_program_named(const char *name) {
    const struct weak_program *const *p = weak_programs;
    while (*p != NULL && strcmp((*p)->name, name) != 0)
        p++;
    return *p;
}
