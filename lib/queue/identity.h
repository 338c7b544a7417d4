/* SPDX-License-Identifier: MIT */
/*
 * Producers that are known by an id, and how far each has come, whichever process it is today. A send with a sequence is written down before and after it, in the line of its owner:
 *
 *     message   its cell and generation (verdict.h)
 *     next      its sequence: now it is under way
 *     publish
 *     last      its sequence: committed. Or next = last: it was not sent, and only then its cell is given back
 *
 * Only the owner of a place writes these four words. What the send under way of a dead owner has become is decided once, from the message's cell, and kept in the place's word: so nothing else of the place is
 * ever changed for the dead, and nobody who slept over a recovery can disturb the next owner.
 *
 *     word      state:4 | owner:10 | sent:1 | generation:49
 *
 *     UNUSED --opener, CAS--> MAKING(seat), generation + 1           dies: recovery makes it UNUSED
 *     MAKING: the owner writes the id, and 0 for last and next       the same
 *     MAKING: the owner's CAS of control.admitted names the place    from here on the id exists. The same: nothing was sent under it
 *     MAKING --owner, or anybody who finds it admitted, CAS--> OWNED(seat)
 *     OWNED  --owner closes, store--> KEPT
 *     OWNED  --owner died; recoverers, CAS--> KEPT; sent: `next` was committed, else only `last`
 *     KEPT   --opener, CAS--> TAKEN(seat), generation + 1, sent as it was
 *     TAKEN: the owner makes last and next what `sent` says          dies: recovery makes it KEPT with `sent` as it was; the next owner does it again
 *     TAKEN  --owner, store--> OWNED(seat)
 *     KEPT   --anybody who removes the id, CAS--> UNUSED
 *
 * In a durable queue that is recorded first: KEPT --CAS--> LEAVING, no id any more; its record is in the journal; LEAVING --whoever wrote that, CAS--> UNUSED. Nobody owns it meanwhile: if one dies, the next writer says it again.
 *
 * That an id exists once follows from control.admitted: who adds one has looked at all places since he read that word, and his CAS fails if another was added since. Before he looks, he finishes the
 * one that the word names; so of those before it all are to be seen. All is lock-free, but that an id has one owner at a time, and only the owner's death or close ends that.
 */
#ifndef RP_QUEUE_IDENTITY_H
#define RP_QUEUE_IDENTITY_H

#include "handle.h"
#include "verdict.h"

enum identity_state { IDENTITY_UNUSED, IDENTITY_MAKING, IDENTITY_KEPT, IDENTITY_TAKEN, IDENTITY_OWNED, IDENTITY_LEAVING };

#define IDENTITY_GENERATION_MASK ((UINT64_C(1) << 49) - 1)

static inline uint64_t identity_word(enum identity_state state, uint32_t owner, bool sent, uint64_t generation) {
    return (uint64_t)state << 60 | (uint64_t)owner << 50 | (uint64_t)sent << 49 | (generation & IDENTITY_GENERATION_MASK);
}
static inline enum identity_state identity_state(uint64_t w) { return (enum identity_state)bits(w, 60, 4); }
static inline uint32_t identity_owner(uint64_t w) { return (uint32_t)bits(w, 50, 10); }
static inline bool identity_sent(uint64_t w) { return bits(w, 49, 1); }
static inline uint64_t identity_generation(uint64_t w) { return bits(w, 0, 49); }
/* Is there an id in the place? One that is MAKING may be admitted: identity_find sees to that. */
static inline bool identity_exists(uint64_t w) { return identity_state(w) >= IDENTITY_KEPT && identity_state(w) <= IDENTITY_OWNED; }
/* Does it name its owner? */
static inline bool identity_is_owned(uint64_t w) {
    return identity_state(w) <= IDENTITY_OWNED && identity_state(w) != IDENTITY_UNUSED && identity_state(w) != IDENTITY_KEPT;
}

/* An id, ready to be compared. */
struct producer_name {
    uint64_t words[PRODUCER_ID_BYTES / 8]; /* padded with zeros */
    uint32_t bytes;
};
/* -EINVAL with the detail set: it has no bytes, or too many. */
int producer_name_make(struct producer_name *x, const void *id, size_t bytes);

/* The place with this id, and its word; -1: there is none while control.admitted is `*admitted`. */
int64_t identity_find(const struct segment *s, const struct producer_name *x, uint64_t *word, uint64_t *admitted);

/*
 * Makes the caller the owner of the id, which is made if there is none. *last: the sequence to go on after. RP_IN_USE: somebody who lives owns it; -ENOSPC: no place is left; RP_CORRUPT.
 */
int identity_open(struct actor *a, const struct producer_name *x, struct identity **place, uint64_t *last);
/* Ends that. Nothing may be under way. */
void identity_close(struct identity *place);

/* The message in owned cell `c` is about to be sent as p->numbered, which is above the last. */
static inline void identity_begin(struct rp_producer *p, uint32_t c) {
    if (!MUTANT(sequence_unannounced)) {
        store_release(&p->identity->message, message_word(p->actor.segment, c), identity);
        store_release(&p->identity->next, p->numbered, identity);
    }
    if (MUTANT(sequence_early))
        store_release(&p->identity->last, p->numbered, identity);
}
/* It was, or was not: before its cell is given back. */
static inline void identity_end(struct rp_producer *p, bool sent) {
    if (sent)
        p->sequence = p->numbered;
    else if (MUTANT(sequence_stays_next))
        return;
    store_release(sent ? &p->identity->last : &p->identity->next, p->sequence, identity);
}

/* How far the id in a place has come whose word is `w`; worth nothing if that has changed meanwhile. */
uint64_t identity_sequence(const struct identity *e, uint64_t w);

/* Decides what a dead owner left. -> things done. */
int identity_recover(struct actor *a, uint32_t dead);

#endif
