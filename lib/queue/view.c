/* SPDX-License-Identifier: MIT */
#include "view.h"
#include "dead.h"

struct view *view_new(struct rp_consumer *c) {
    uint32_t used = load_relaxed(&c->views_used, own);
    if (used == c->view_room)
        return NULL;
    c->views[used].index = used;
    store_release(&c->views_used, used + 1, views);
    return &c->views[used];
}

/* Does any consumer of this process have a view of the cell, in this group, other than `but`? Under the lock. */
static bool another_view(struct rp_queue *q, unsigned group, uint32_t cell, const struct view *but) {
    for (struct rp_consumer *c = q->consumers; c != NULL; c = c->next) {
        if (c->group != group)
            continue;
        for (uint32_t i = 0, n = load_acquire(&c->views_used, views); i < n; i++)
            if (load_seq_cst(&c->views[i].cell, views) == cell + 1 && &c->views[i] != but)
                return true;
    }
    return false;
}

/* Takes this process off the record of viewers, if it is there and no view but `v` is left. Under the lock. */
static void leave(struct rp_consumer *c, uint32_t cell, const struct view *v) {
    struct actor *a = &c->actor;
    a64 *word = delivery_at(a->segment, c->group, cell);
    uint64_t d = load_seq_cst(word, delivery);
    while (delivery_views(d, a->seat) && (MUTANT(leave_alone) || !another_view(a->queue, c->group, cell, v))) {
        uint64_t next = without_viewer(d, a->seat);
        if (cas_acq_rel(word, &d, next, delivery)) {
            if (delivery_state(next) == DELIVERY_SETTLED)
                settle(a, c->group, cell, delivery_incarnation(next));
            return;
        }
    }
}

void view_withdraw(struct rp_consumer *c, struct view *v) {
    struct actor *a = &c->actor;
    uint32_t cell = load_relaxed(&v->cell, own) - 1;
    store_seq_cst(&v->cell, 0, views);
    view_put_back(c, v);
    /* A leaver of this process may have seen our view and left the record to us. */
    if (delivery_views(load_seq_cst(delivery_at(a->segment, c->group, cell), delivery), a->seat)) {
        pthread_mutex_lock(&a->queue->lock);
        leave(c, cell, NULL);
        pthread_mutex_unlock(&a->queue->lock);
    }
}

bool view_leased(const struct rp_consumer *c, const struct view *v) {
    uint32_t cell = load_relaxed(&v->cell, own) - 1;
    uint64_t d = load_acquire(delivery_at(c->actor.segment, c->group, cell), delivery);
    return delivery_state(d) == DELIVERY_LEASED && delivery_owner(d) == c->actor.seat && delivery_hold(d) == v->hold;
}

/* One attempt to end the lease in `d`, which is ours. */
static enum fail_result end_lease(struct rp_consumer *c, uint32_t cell, uint64_t d, struct failure *failure, bool others) {
    struct actor *a = &c->actor;
    struct viewers left = viewers_of(d, false);
    if (!others)
        viewers_remove(&left, a->seat);
    if (failure != NULL) {
        failure->viewers = left;
        failure->holder = a->seat;
        return delivery_fail(a, c->group, cell, d, failure);
    }
    if (left.count > 0 && MUTANT(ack_forgets_viewers))
        left.count = 0;
    uint64_t next = delivery_with(DELIVERY_LIMBO, &left, delivery_hold(d));
    return delivery_finish(a, c->group, cell, d, next) ? FAIL_DONE : FAIL_MOVED;
}

/*
 * With viewers on record, or the lease lost, or a failure, which may be refused: under the lock, so that the CAS and the end of the view are one step for
 * the other threads of this process.
 */
COLD int view_end_locked(struct rp_consumer *c, struct view *v, uint32_t cell, struct failure *failure) {
    struct actor *a = &c->actor;
    pthread_mutex_lock(&a->queue->lock);
    int result = RP_LEASE_LOST;
    for (;;) {
        uint64_t d = load_acquire(delivery_at(a->segment, c->group, cell), delivery);
        if (delivery_state(d) != DELIVERY_LEASED || delivery_owner(d) != a->seat ||
            (!MUTANT(ack_ignores_hold) && delivery_hold(d) != v->hold)) {
            leave(c, cell, v);
            break;
        }
        enum fail_result done = end_lease(c, cell, d, failure, another_view(a->queue, c->group, cell, v));
        if (done != FAIL_MOVED) {
            result = done == FAIL_DONE ? 0 : RP_FULL;
            break;
        }
    }
    if (result != RP_FULL)
        store_seq_cst(&v->cell, 0, views);
    pthread_mutex_unlock(&a->queue->lock);
    return result;
}

int view_settle(struct rp_consumer *c, struct view *v) { return view_settle_here(c, c->group, v); }

int view_end(struct rp_consumer *c, struct view *v, struct failure *failure) {
    if (failure == NULL)
        return view_settle(c, v);
    int result = view_end_locked(c, v, load_relaxed(&v->cell, own) - 1, failure);
    if (result != RP_FULL && v->seen != 0)
        seen_end(c, v, false);
    if (result != RP_FULL)
        view_put_back(c, v);
    return result;
}
