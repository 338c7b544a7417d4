/* SPDX-License-Identifier: MIT */
#include "drop.h"
#include "dead.h"
#include "delivery.h"
#include "lane.h"
#include <ringpost/group.h>

void drop_see(const struct segment *s, uint32_t lossy, uint32_t c, struct sight *x) {
    x->cell = c;
    x->lossy = lossy;
    for (uint32_t groups = lossy; groups != 0; groups &= groups - 1) {
        unsigned g = (unsigned)__builtin_ctz(groups);
        x->delivery[g] = load_acquire(delivery_at(s, g, c), delivery);
    }
    x->word = load_acquire(&segment_cell(s, c)->word, cell_word);
    x->pending = cell_is_published(x->word) ? cell_pending(x->word) : 0;
}

/* Does nobody hold the delivery, or look at it? One that was received before counts only if `again`. */
static bool idle(uint64_t d, uint64_t w, bool again) {
    if (!taken(d, w))
        return true;
    switch (delivery_state(d)) {
    case DELIVERY_SETTLED: return true; /* its bit is about to be cleared, by us as well */
    case DELIVERY_RETURNED:
    case DELIVERY_DELAYED:
        return (again || delivery_seq(d) == 0) && delivery_viewer1(d) == NOBODY && delivery_viewer2(d) == NOBODY &&
               !delivery_leaves(d); /* one that leaves its lane is moved by its cell word, as another message */
    default: return false;
    }
}

bool drop_possible(const struct segment *s, const struct sight *x, bool again) {
    if (x->pending == 0 || ((x->pending & ~x->lossy) != 0 && !MUTANT(drop_for_nothing)))
        return false;
    bool untaken = false;
    for (uint32_t groups = x->pending & x->lossy; groups != 0; groups &= groups - 1) {
        uint64_t d = x->delivery[__builtin_ctz(groups)];
        if (!idle(d, x->word, again) && !MUTANT(drop_leased))
            return false;
        untaken = untaken || !taken(d, x->word);
    }
    return !untaken || MUTANT(drop_early) || lane_committed(s, x->cell, x->word);
}

enum lost { LOST_NOT, LOST_SETTLED, LOST_BURIED };

/* Ends the message for one group, for good or in its dead ring. NOT: the word has moved. */
static enum lost lose(struct actor *a, unsigned g, const struct sight *x) {
    const struct segment *s = a->segment;
    uint64_t d = x->delivery[g];
    bool received = taken(d, x->word);
    if (received && delivery_state(d) == DELIVERY_SETTLED)
        return LOST_SETTLED;
    if (load_relaxed(&s->groups[g].overflow, hint) == RP_GROUP_DEAD) {
        enum fail_result result = delivery_bury(a, g, x->cell, d, RP_DEAD_OVERFLOW);
        if (result != FAIL_REFUSED)
            return result == FAIL_DONE ? LOST_BURIED : LOST_NOT;
    }
    uint32_t hold = received ? delivery_hold(d) : hold_make(cell_generation(x->word), 0);
    uint64_t settled = delivery_of_hold(DELIVERY_SETTLED, NOBODY, NOBODY, NOBODY, hold);
    if (MUTANT(overflow_without_cas))
        store_release(delivery_at(s, g, x->cell), settled, delivery);
    else if (!cas_seq_cst(delivery_at(s, g, x->cell), &d, settled, delivery))
        return LOST_NOT;
    counter_add_shared(&s->groups[g].dropped, 1);
    tally_add(&a->tally, COUNT_DROPPED, 1);
    return LOST_SETTLED;
}

enum drop drop(struct rp_producer *p, const struct sight *x, uint32_t *cell) {
    struct actor *a = &p->actor;
    const struct segment *s = a->segment;
    bool evicts = false;
    *cell = x->cell;
    if (load_relaxed(&s->control->active, recheck) != p->dropper.active && !MUTANT(drop_old_groups))
        return DROP_NOT; /* groups came or went since we asked which of them lose messages: before x was seen, perhaps */
    for (uint32_t groups = x->pending & x->lossy; groups != 0; groups &= groups - 1) {
        unsigned g = (unsigned)__builtin_ctz(groups);
        enum lost lost = lose(a, g, x);
        if (lost == LOST_NOT)
            return DROP_NOT;
        if (lost == LOST_BURIED) {
            evicts = evicts || dead_count(s, g) >= s->parameters.dead_capacity;
            continue;
        }
        /* With the last bit the cell is ours, also if it is not the last group here: those that follow have settled the message since we saw it. */
        if (settle_own(a, g, x->cell, (uint32_t)cell_generation(x->word) & 0x7fffff) &&
            !(MUTANT(drop_forgets_cell) && (groups & (groups - 1)) != 0))
            return DROP_ROOM;
    }
    if (!evicts)
        return DROP_GONE;
    pool_flush(&a->pool); /* a dead ring that is full gives up another letter for this one */
    return pool_take(&a->pool, cell) ? DROP_ROOM : DROP_GONE;
}
