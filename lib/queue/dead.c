/* SPDX-License-Identifier: MIT */
#include "dead.h"
#include "delivery.h"

void dead_removed(const struct segment *s, unsigned group) {
    a64 *count = &s->groups[group].dead_count;
    uint64_t n = load_relaxed(count, hint);
    while (n > 0 && !cas_relaxed(count, &n, n - 1, hint)) {
    }
}

/* Counts the DEAD words themselves. */
static uint64_t count_dead(const struct segment *s, unsigned group) {
    uint64_t dead = 0;
    for (uint32_t c = 0, n = cells_in_play(s); c < n; c++)
        dead += delivery_state(load_acquire(delivery_at(s, group, c), delivery)) == DELIVERY_DEAD;
    return dead;
}

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

enum { COUNTED_UP_TO_CELLS = 8192 }; /* beyond, the hint has to do: counting would take too long for each death */

static bool too_many(const struct segment *s, unsigned group) {
    uint64_t capacity = s->parameters.dead_capacity;
    return load_relaxed(&s->groups[group].dead_count, hint) > capacity &&
           (cells_in_play(s) > COUNTED_UP_TO_CELLS || count_dead(s, group) > capacity);
}

/*
 * The count is a hint, and may have been mended while its changer slept. So before a letter goes, the oldest is chosen with its word, then the words are counted, then
 * exactly that word is dropped: whoever else evicts aims at the same one, and one who slept in between fails.
 */
int dead_evict(struct actor *a, unsigned group) {
    const struct segment *s = a->segment;
    struct group *g = &s->groups[group];
    struct index_ring ring = delivery_ring(s, (struct ring_name){group, 0, RING_DEATHS});
    uint64_t h = load_acquire(&g->deaths_head, hints), d;
    uint32_t cell;
    int dropped = 0;
    while (load_relaxed(&g->dead_count, hint) > s->parameters.dead_capacity && find_oldest(s, group, &ring, &h, &cell, &d) &&
           (MUTANT(evict_by_hint) || too_many(s, group))) {
        if (!delivery_drop(a, group, cell, d))
            continue;
        dead_removed(s, group);
        tally_add(&a->tally, COUNT_DEAD_DROPPED, 1);
        dropped++;
    }
    hint_raise(&g->deaths_head, h);
    return dropped;
}

void dead_added(struct actor *a, unsigned group, uint32_t c) {
    struct group *g = &a->segment->groups[group];
    (void)requeue(a->segment, group, c);
    (void)fetch_add_relaxed(&g->dead_count, 1, hint);
    if (a->segment->parameters.dead_overflow == RP_DEAD_DROP_OLDEST)
        (void)dead_evict(a, group);
}
