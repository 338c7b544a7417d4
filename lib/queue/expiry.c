/* SPDX-License-Identifier: MIT */
#include "expiry.h"
#include "delivery.h"
#include "lane.h"
#include "schedule.h"

static bool over(const struct segment *s, uint32_t c, uint32_t flags) {
    return schedule_is_over(s, flags, field_read(&segment_extra(s, c)->expires_ns));
}

bool expiry_over(const struct segment *s, uint32_t c) {
    uint32_t flags = field_read(&segment_cell(s, c)->flags);
    return (flags & CELL_EXPIRES) && over(s, c, flags);
}

void expiry_count(struct actor *a, unsigned group) {
    tally_add(&a->tally, COUNT_EXPIRED_MESSAGES, 1);
    counter_add_shared(&a->segment->groups[group].expired, 1);
}

bool expiry_end(struct actor *a, unsigned group, uint32_t c, uint64_t d) {
    enum fail_result result = FAIL_REFUSED;
    if (a->segment->parameters.expired == RP_EXPIRED_DEAD)
        result = delivery_bury(a, group, c, d, RP_DEAD_EXPIRED);
    if (result == FAIL_REFUSED) /* that is the policy, or the dead ring has no place */
        result = delivery_drop_unheld(a, group, c, d) ? FAIL_DONE : FAIL_MOVED;
    if (result == FAIL_DONE)
        expiry_count(a, group);
    return result == FAIL_DONE;
}

int expiry_look(struct actor *a, uint32_t c, uint64_t w) {
    const struct segment *s = a->segment;
    uint32_t flags = field_read(&segment_cell(s, c)->flags);
    if (!over(s, c, flags)) {
        schedule_timer(a, c, flags, field_read(&segment_extra(s, c)->expires_ns), false);
        return 0;
    }
    int done = 0;
    for (uint32_t pending = cell_pending(w); pending != 0; pending &= pending - 1) {
        unsigned g = (unsigned)__builtin_ctz(pending);
        if (g >= s->parameters.max_groups)
            break;
        /*
         * The delivery word, the cell word, the verdict, then the time once more. If the delivery word waits for this very message, and its CAS succeeds, the time was that
         * message's. A settled one may stay as it is while the cell goes on to another message; an untaken one while a message that was refused makes way for another.
         */
        uint64_t d = load_acquire(delivery_at(s, g, c), delivery);
        uint64_t now = load_acquire(&segment_cell(s, c)->word, cell_word);
        bool waits = taken(d, now) ? delivery_state(d) == DELIVERY_RETURNED || delivery_state(d) == DELIVERY_DELAYED
                                   : MUTANT(expiry_uncommitted) || lane_committed(s, c, now);
        if (MUTANT(expiry_unchecked) || (cell_pends(now, g) && (waits || MUTANT(expiry_of_settled)) && expiry_over(s, c)))
            done += expiry_end(a, g, c, d);
    }
    return done;
}

void expiry_lift(const struct segment *s, uint32_t c) {
    a64 *expires = &segment_extra(s, c)->expires_ns;
    uint64_t t = field_read(expires);
    if (MUTANT(lift_stored))
        store_relaxed(expires, UINT64_MAX, recheck);
    else if (expiry_over(s, c)) /* of another message by now: its time is not over, so it is another time */
        (void)cas_relaxed(expires, &t, UINT64_MAX, recheck);
}
