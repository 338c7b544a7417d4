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

/* A view that was never used. NULL: this consumer keeps more views than there is room for. */
struct view *view_new(struct rp_consumer *c);

/* Enters a view of a cell that is about to be claimed as `hold`. NULL as view_new. */
static ALWAYS_INLINE struct view *view_enter(struct rp_consumer *c, uint32_t cell, uint32_t hold) {
    struct view *v;
    if (likely(c->view_free != 0)) {
        v = &c->views[c->view_free - 1];
        c->view_free = v->next_free;
    } else if ((v = view_new(c)) == NULL) {
        return NULL;
    }
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
    m->receipt[0] = (uint64_t)(v - c->views) + 1;
    m->receipt[1] = v->serial;
    m->receipt[2] = (uint64_t)(uintptr_t)c;
}

/* The same for a public call that settles or looks: 0, or what is wrong with the consumer or the receipt. */
int receipt_check(struct rp_consumer *c, const struct rp_message *m, struct view **v);

/* Is its message leased to it, as far as anybody knows? */
bool view_leased(const struct rp_consumer *c, const struct view *v);

/* Ends a view, and settles its message (ack). 0; RP_LEASE_LOST: it was not ours any more. */
int view_settle(struct rp_consumer *c, struct view *v);

/*
 * Ends a view: without `failure` the message is settled (ack), else it fails like that. 0; RP_LEASE_LOST: it was not ours any more; RP_FULL: the dead ring
 * refuses, the view stays.
 */
int view_end(struct rp_consumer *c, struct view *v, struct failure *failure);

#endif
