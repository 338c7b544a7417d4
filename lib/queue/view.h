/* SPDX-License-Identifier: MIT */
/*
 * Views: what the consumers of this process can see. A view is entered before the claim's CAS and taken out before the CAS that ends it, so whoever reads
 * in a delivery word that this process is a viewer finds the view, if it is still there. In shared memory a viewer is a process; when one
 * has several views of a message (its lease ran out, and it received it again), the last to leave takes the process off the record, under
 * the queue's process-local lock. Only those whose lease was lost come there.
 */
#ifndef RP_QUEUE_VIEW_H
#define RP_QUEUE_VIEW_H

#include "delivery.h"
#include "seen.h"

/* A view that was never used. NULL: this consumer keeps more views than there is room for. */
struct view *view_new(struct rp_consumer *c);

/* Enters a view of a cell that is about to be claimed as `hold`. NULL as view_new. */
static ALWAYS_INLINE struct view *view_enter(struct rp_consumer *c, uint32_t cell, uint32_t hold) {
    struct view *v = c->view_free;
    if (likely(v != NULL))
        c->view_free = v->next_free;
    else if ((v = view_new(c)) == NULL)
        return NULL;
    v->hold = hold;
    v->serial = ++c->serial;
    store_relaxed(&v->cell, cell + 1, own); /* the claim's CAS, which follows, releases it */
    return v;
}

/* The claim failed: takes the view out again. */
void view_withdraw(struct rp_consumer *c, struct view *v);

/* The view that a receipt names, or NULL: used before, or another consumer's. */
static inline struct view *view_of(struct rp_consumer *c, const struct rp_message *m) {
    uint64_t index = m->receipt[0] - 1;
    if (m->receipt[2] != (uint64_t)(uintptr_t)c || index >= load_relaxed(&c->views_used, own))
        return NULL;
    struct view *v = &c->views[index];
    return v->serial == m->receipt[1] && v->serial != 0 ? v : NULL;
}
static inline void view_receipt(struct rp_consumer *c, const struct view *v, struct rp_message *m) {
    m->receipt[0] = (uint64_t)v->index + 1;
    m->receipt[1] = v->serial;
    m->receipt[2] = (uint64_t)(uintptr_t)c;
}

/* The same for a public call that settles or looks: 0, or what is wrong with the consumer or the receipt. */
int receipt_check(struct rp_consumer *c, const struct rp_message *m, struct view **v);

/* Is its message leased to it, as far as anybody knows? */
bool view_leased(const struct rp_consumer *c, const struct view *v);

static inline void view_put_back(struct rp_consumer *c, struct view *v) {
    v->serial = 0;
    v->next_free = c->view_free;
    c->view_free = v;
}

int view_end_locked(struct rp_consumer *c, struct view *v, uint32_t cell, struct failure *failure);

/* Ends a view, and settles its message (ack). 0; RP_LEASE_LOST: it was not ours any more. `group`: as in claim_lane.h. */
static ALWAYS_INLINE int view_settle_here(struct rp_consumer *c, unsigned group, struct view *v) {
    struct actor *a = &c->actor;
    uint32_t cell = load_relaxed(&v->cell, own) - 1;
    const struct words at = words_at(a->segment, group, cell);
    int result = 0;
    if (v->seen != 0 && !MUTANT(seen_after_ack))
        seen_end(c, v, true); /* first: what was worked on must not be again, whatever becomes of the ack */
    uint64_t alone = delivery_of_hold(DELIVERY_LEASED, a->seat, NOBODY, NOBODY, v->hold);
    uint64_t settled = delivery_of_hold(DELIVERY_SETTLED, NOBODY, NOBODY, NOBODY, v->hold);
    store_release(&v->cell, 0, views); /* before the CAS, so that nobody waits for a view that has ended */
    if (MUTANT(ack_without_cas))
        store_release(at.delivery, settled, delivery);
    if (likely(MUTANT(ack_without_cas) || cas_seq_cst(at.delivery, &alone, settled, delivery)))
        settle_here(a, at.cell, group, cell, hold_incarnation(v->hold));
    else
        result = view_end_locked(c, v, cell, NULL);
    if (MUTANT(seen_after_ack) && v->seen != 0)
        seen_end(c, v, true);
    view_put_back(c, v);
    return result;
}
int view_settle(struct rp_consumer *c, struct view *v);

/*
 * Ends a view: without `failure` the message is settled (ack), else it fails like that. 0; RP_LEASE_LOST: it was not ours any more; RP_FULL: the dead ring
 * refuses, the view stays.
 */
int view_end(struct rp_consumer *c, struct view *v, struct failure *failure);

#endif
