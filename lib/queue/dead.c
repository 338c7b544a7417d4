/* SPDX-License-Identifier: MIT */
#include "dead.h"
#include "delivery.h"

/* Finds the oldest death from *h on. False: there is none. */
static bool find_oldest(const struct segment *s, unsigned group, const struct index_ring *ring, uint64_t *h, uint32_t *cell,
                        uint64_t *d) {
    const struct ring_name deaths = {group, 0, RING_DEATHS};
    const a64 *head = delivery_ring_head(s, deaths);
    for (uint64_t steps = 16 * ring_slots(ring) + 4096; steps > 0; steps--) {
        uint64_t slot;
        enum ring_look_at look = ring_look(ring, head, h, &slot);
        if (look == RING_END || look == RING_BROKEN)
            return false;
        if (look == RING_PAST)
            continue;
        *cell = slot_cell(slot);
        if (requeue_counts(s, deaths, *h, slot, d))
            return true;
        ++*h;
    }
    return false;
}

/* Each letter that goes was reserved in the count before; which one is the oldest is found afterwards, and another if somebody else took that. */
int dead_evict(struct actor *a, unsigned group) {
    const struct segment *s = a->segment;
    struct group *g = &s->groups[group];
    struct index_ring ring = delivery_ring(s, (struct ring_name){group, 0, RING_DEATHS});
    uint64_t h = load_acquire(&g->deaths_head, hints), d;
    uint32_t cell;
    struct dead_change change;
    bool found = true;
    int dropped = 0;
    while (found && dead_count_evict(a, group, &change)) {
        while ((found = find_oldest(s, group, &ring, &h, &cell, &d)) && !delivery_drop(a, group, cell, d)) {
        }
        dead_count_left(s, &change, found);
        dropped += found;
    }
    tally_add(&a->tally, COUNT_DEAD_DROPPED, (uint64_t)dropped);
    hint_raise(&g->deaths_head, h);
    return dropped;
}

void dead_added(struct actor *a, unsigned group, uint32_t c, const struct dead_change *change) {
    enum requeue entered = requeue(a->segment, group, c);
    dead_count_entered(a->segment, change, true);
    if (a->segment->parameters.dead_overflow != RP_DEAD_DROP_OLDEST)
        return;
    (void)dead_evict(a, group);
    if (entered == REQUEUE_FULL) /* the oldest was in the way */
        (void)requeue(a->segment, group, c);
}

bool dead_drop(struct actor *a, unsigned group, uint32_t c, uint64_t d) {
    struct dead_change change;
    dead_count_leave(a, group, &change);
    bool done = delivery_drop(a, group, c, d);
    dead_count_left(a->segment, &change, done);
    return done;
}
