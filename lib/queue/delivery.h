/* SPDX-License-Identifier: MIT */
/*
 * The moves of a delivery word after its claim. Each is one CAS; what follows it (a ring entry, a time, a count, a note, a wake-up) is either
 * a hint or is done by whoever meets the word next.
 *
 *     LEASED --ack--> SETTLED, or LIMBO while viewers remain        delivery_end
 *       +-- nack, expiry, owner's death --> DELAYED or RETURNED     delivery_fail
 *       +-- too many, or rejected --> DEAD                          delivery_fail
 *     DELAYED --due--> RETURNED                                     lease.h
 *     DEAD --redrive--> RETURNED                                    dead.c
 *     untaken, RETURNED, DELAYED --expired, too many--> DEAD      delivery_bury
 *     untaken, RETURNED, DELAYED, DEAD, LEASED --purge--> SETTLED or LIMBO   delivery_drop
 */
#ifndef RP_QUEUE_DELIVERY_H
#define RP_QUEUE_DELIVERY_H

#include "requeue.h"

/* What a delivery word says of those who still look at the message. */
static inline uint64_t without_viewer(uint64_t d, uint32_t seat) {
    enum delivery_state state = delivery_state(d);
    uint32_t owner = delivery_owner(d), v1 = delivery_viewer1(d), v2 = delivery_viewer2(d);
    if ((state == DELIVERY_DEAD || state == DELIVERY_LIMBO) && owner == seat)
        owner = NOBODY;
    v1 = v1 == seat ? NOBODY : v1;
    v2 = v2 == seat ? NOBODY : v2;
    if (state == DELIVERY_LIMBO && owner == NOBODY && v1 == NOBODY && v2 == NOBODY)
        state = DELIVERY_SETTLED;
    return delivery_of_hold(state, owner, v1, v2, delivery_hold(d));
}

/* Up to three who look at a message, in no order; a set, so nobody twice. */
struct viewers {
    uint32_t seats[3];
    unsigned count;
};
struct viewers viewers_of(uint64_t d, bool with_owner);
void viewers_remove(struct viewers *v, uint32_t seat);
/* The word with these viewers; three fit only in DEAD and LIMBO. LIMBO of nobody is SETTLED. */
uint64_t delivery_with(enum delivery_state state, const struct viewers *v, uint32_t hold);

/* `hold` is settled for `group`: clears its bit; whoever clears the last one frees the cell. Idempotent; anybody may. True: this call did. */
bool settle(struct actor *a, unsigned group, uint32_t c, uint32_t incarnation);

/* The common case in a few instructions: the last bit of a cell whose bytes are not counted. False: it is another case, or was not done. */
static ALWAYS_INLINE bool settle_last(struct actor *a, struct cell *cell, unsigned group, uint32_t c, uint32_t incarnation) {
    uint64_t w = load_acquire(&cell->word, cell_word);
    if (!cell_pends_only(w, group, incarnation) ||
        !cas_seq_cst(&cell->word, &w, cell_word(CELL_FREE, NOBODY, 0, cell_generation(w)), cell_word))
        return false;
    pool_freed(&a->pool, c);
    return true;
}
static ALWAYS_INLINE void settle_here(struct actor *a, struct cell *cell, unsigned group, uint32_t c, uint32_t incarnation) {
    const struct parameters *p = &a->segment->parameters;
    if (!likely(p->max_bytes == 0 && !p->keyed && p->sync == 0 && settle_last(a, cell, group, c, incarnation)))
        (void)settle(a, group, c, incarnation);
}

/* In a durable queue `settle` only marks the cell, durable.h. This is the rest: what was settled is in the journal. */
bool settle_recorded(struct actor *a, unsigned group, uint32_t c, uint32_t incarnation);

/* The same, but the cell that would become free is the caller's instead: OWNED, by the same CAS. True: it is. Not in durable queues. */
bool settle_own(struct actor *a, unsigned group, uint32_t c, uint32_t incarnation);

/* Ends the delivery: the word `d` becomes `next`, and what follows from that is done, but for the dead ring. False: the word is not `d` any more. */
bool delivery_finish(struct actor *a, unsigned group, uint32_t c, uint64_t d, uint64_t next);

/* How a failure came about and what is to follow. */
struct failure {
    enum rp_failure kind;
    bool charge;            /* counts as a failed delivery */
    uint32_t reason;        /* enum rp_dead_reason: to the dead ring, whatever the counts say; 0: only if they say so */
    int64_t delay_ms;       /* -1: by the queue's backoff */
    const char *text;       /* NULL: none */
    struct viewers viewers; /* of the message from now on */
    uint32_t holder;        /* the seat that failed */
};

enum fail_result {
    FAIL_DONE,
    FAIL_MOVED,  /* the word is not `d` any more: nothing done */
    FAIL_REFUSED /* it should go to the dead ring, which refuses, and nothing else is possible */
};

/* Ends the lease in `d` as a failure: DELAYED, RETURNED or DEAD. */
enum fail_result delivery_fail(struct actor *a, unsigned group, uint32_t c, uint64_t d, const struct failure *f);

/*
 * Moves a message that nobody holds to the dead ring: from the word `d`, which is untaken (then only if the message is committed), RETURNED or DELAYED. MOVED: it is none of
 * these, or on its way to the end of its lane. REFUSED:
 * the dead ring is full and refuses; nothing is done, the caller drops it or lets it be. Wakes nobody.
 *
 * One CAS. Killed before it: nothing was done. After it: the letter is complete but for its note, so its reason is unknown; the sweep enters it
 * in the ring of deaths, as it does after delivery_fail.
 */
enum fail_result delivery_bury(struct actor *a, unsigned group, uint32_t c, uint64_t d, enum rp_dead_reason reason);

/* Settles whatever state `d` is in, dropping the message for the group. False: the word is not `d` any more. Of DEAD words the caller keeps count. */
bool delivery_drop(struct actor *a, unsigned group, uint32_t c, uint64_t d);

/*
 * The same of a message that nobody holds: from the word `d`, which is untaken (then only if the message is committed), RETURNED or DELAYED. False: it is neither, or
 * not `d` any more.
 */
bool delivery_drop_unheld(struct actor *a, unsigned group, uint32_t c, uint64_t d);

#endif
