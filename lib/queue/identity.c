/* SPDX-License-Identifier: MIT */
#include "identity.h"
#include "durable_ids.h"
#include "error.h"
#include "lookup.h"
#include "roster.h"
#include "sweep.h"
#include <errno.h>
#include <string.h>

enum { RECOVERY_TRIES = 100 };

static uint32_t place_count(const struct segment *s) { return (uint32_t)s->parameters.producer_ids; }

/* ---- ids ---- */

int producer_name_make(struct producer_name *x, const void *id, size_t bytes) {
    if (id == NULL || bytes < 1 || bytes > PRODUCER_ID_BYTES)
        return fail(-EINVAL, id == NULL ? "%zu bytes of no producer id" : "a producer id of %zu bytes, allowed are 1 to 64", bytes);
    memset(x->words, 0, sizeof x->words);
    memcpy(x->words, id, bytes);
    x->bytes = (uint32_t)bytes;
    return 0;
}

static void write_name(struct identity *e, const struct producer_name *x) {
    store_release(&e->bytes, x->bytes, identity);
    for (unsigned i = 0; i < PRODUCER_ID_BYTES / 8; i++)
        store_release(&e->id[i], x->words[i], identity);
}

static bool same_name(const struct identity *e, const struct producer_name *x) {
    bool same = load_acquire(&e->bytes, identity) == x->bytes;
    for (unsigned i = 0; i < (x->bytes + 7) / 8 && same; i++)
        same = load_acquire(&e->id[i], identity) == x->words[i];
    return same;
}

/* ---- which ids there are ---- */

#define ADMITTED_MASK ((UINT64_C(1) << 26) - 1)

static uint64_t admit(uint64_t before, uint32_t place, uint64_t word) {
    return (((before >> 38) + 1) & ADMITTED_MASK) << 38 | (identity_generation(word) & ADMITTED_MASK) << 12 | (place + 1);
}
static bool is_admitted(uint64_t admitted, uint32_t place, uint64_t word) {
    return bits(admitted, 0, 12) == place + 1 && bits(admitted, 12, 26) == (identity_generation(word) & ADMITTED_MASK);
}

/* The place that control.admitted names is to be seen from now on. */
static void finish_admitted(const struct segment *s, uint64_t admitted) {
    uint32_t place = (uint32_t)bits(admitted, 0, 12) - 1;
    if (place >= place_count(s) || MUTANT(identity_no_help))
        return;
    uint64_t w = load_acquire(&s->identities[place].word, identity_word);
    if (identity_state(w) == IDENTITY_MAKING && is_admitted(admitted, place, w))
        (void)cas_acq_rel(&s->identities[place].word, &w,
                          identity_word(IDENTITY_OWNED, identity_owner(w), false, identity_generation(w)), identity_word);
}

int64_t identity_find(const struct segment *s, const struct producer_name *x, uint64_t *word, uint64_t *admitted) {
    for (;;) {
        *admitted = load_acquire(&s->control->admitted, admitted);
        finish_admitted(s, *admitted);
        for (uint32_t i = 0; i < place_count(s); i++) {
            struct identity *e = &s->identities[i];
            uint64_t w = load_acquire(&e->word, identity_word);
            while (identity_exists(w) && same_name(e, x)) { /* an id is written under a generation of its own */
                *word = load_acquire(&e->word, identity_word);
                if (identity_exists(*word) && identity_generation(*word) == identity_generation(w))
                    return i;
                w = *word;
            }
        }
        if (load_acquire(&s->control->admitted, admitted) == *admitted)
            return -1;
    }
}

/* ---- opening ---- */

/* Takes an unused place. False: there is none. */
static bool claim_place(const struct segment *s, uint32_t seat, uint32_t *place, uint64_t *word) {
    for (uint32_t i = 0; i < place_count(s); i++) {
        uint64_t w = load_acquire(&s->identities[i].word, identity_word);
        if (identity_state(w) != IDENTITY_UNUSED)
            continue;
        *word = identity_word(IDENTITY_MAKING, seat, false, identity_generation(w) + 1);
        if (cas_acq_rel(&s->identities[i].word, &w, *word, identity_word)) {
            *place = i;
            return true;
        }
    }
    return false;
}

static int make_place(struct actor *a, const struct producer_name *x, uint32_t *place, uint64_t *word) {
    const struct segment *s = a->segment;
    bool claimed = claim_place(s, a->seat, place, word);
    if (!claimed && (recover_the_dead(a) > 0 || !MUTANT(identity_claims_if_done))) /* another may just have done it */
        claimed = claim_place(s, a->seat, place, word);
    if (!claimed && durable(s)) { /* those of ids that were removed are free when that is recorded */
        ids_mark_left(s);
        (void)durable_drive(a);
        claimed = claim_place(s, a->seat, place, word);
    }
    if (!claimed)
        return fail(-ENOSPC, "queue '%s': its %u places for producer ids are taken; rp_producer_id_remove makes room",
                    a->queue->name, place_count(s));
    struct identity *e = &s->identities[*place];
    write_name(e, x);
    store_release(&e->last, 0, identity);
    store_release(&e->next, 0, identity);
    store_relaxed(&e->made_wall_ns, clock_wall_ns(), own);
    return 0;
}

uint64_t identity_sequence(const struct identity *e, uint64_t w) {
    bool next = identity_state(w) != IDENTITY_OWNED && identity_sent(w);
    return load_acquire(next ? &e->next : &e->last, identity);
}

/* From KEPT. False: the word is not `w` any more. */
static bool take(uint32_t seat, struct identity *e, uint64_t w, uint64_t *last) {
    uint64_t generation = identity_generation(w) + 1;
    uint64_t mine =
        identity_word(MUTANT(identity_owned_at_once) ? IDENTITY_OWNED : IDENTITY_TAKEN, seat, identity_sent(w), generation);
    if (!cas_acq_rel(&e->word, &w, mine, identity_word))
        return false;
    *last = identity_sequence(e, w);
    store_release(&e->last, *last, identity);
    store_release(&e->next, *last, identity);
    store_release(&e->word, identity_word(IDENTITY_OWNED, seat, false, generation), identity_word);
    return true;
}

/* Its word `w` names an owner. 0: it may be another's by now; RP_IN_USE; RP_CORRUPT. */
static int relieve(struct actor *a, const struct identity *e, uint64_t w) {
    const struct segment *s = a->segment;
    uint32_t owner = identity_owner(w);
    (void)recover_the_dead(a);
    if (load_acquire(&e->word, identity_word) != w)
        return 0;
    bool seated =
        owner < s->parameters.max_participants && seat_state(load_acquire(&s->seats[owner].word, seat_word)) == SEAT_ATTACHED;
    if (!seated && load_acquire(&e->word, identity_word) == w)
        return fail(RP_CORRUPT, "queue '%s': a producer id is owned by seat %u, which nobody has", a->queue->name, owner);
    if (!seated || !lookup_alive(a->queue, owner))
        return 0;
    return fail(RP_IN_USE, "queue '%s': another producer with this id is open, in process %llu", a->queue->name,
                (unsigned long long)load_relaxed(&s->seats[owner].pid, recheck));
}

/* The place in which the id is, and its word. 0: it is ours; 1: look again; an error. */
static int enter(struct actor *a, struct identity *e, uint64_t w, int tries, uint64_t *last) {
    if (!identity_is_owned(w) || MUTANT(identity_robs))
        return !take(a->seat, e, w, last);
    int result = relieve(a, e, w);
    if (result == 0 && tries > RECOVERY_TRIES) /* he is dead, and no proof of it is to be had */
        return fail(RP_IN_USE, "queue '%s': the last owner of this producer id cannot be recovered", a->queue->name);
    return result == 0 ? 1 : result;
}

int identity_open(struct actor *a, const struct producer_name *x, struct identity **place, uint64_t *last) {
    const struct segment *s = a->segment;
    if (place_count(s) == 0)
        return fail(-EINVAL, "queue '%s' has no places for producer ids", a->queue->name);
    uint32_t made = 0;
    uint64_t mine = 0, word, admitted;
    int result = 1;
    for (int tries = 0; result == 1; tries++) {
        int64_t found = identity_find(s, x, &word, &admitted);
        if (found >= 0) {
            *place = &s->identities[found];
            result = enter(a, *place, word, tries, last);
        } else if (mine == 0) {
            result = make_place(a, x, &made, &mine) < 0 ? -ENOSPC : 1;
        } else if (cas_acq_rel(&s->control->admitted, &admitted, admit(admitted, made, mine), admitted)) {
            *place = &s->identities[made];
            *last = 0;
            (void)cas_acq_rel(&(*place)->word, &mine, identity_word(IDENTITY_OWNED, a->seat, false, identity_generation(mine)),
                              identity_word);
            return 0;
        }
    }
    if (mine != 0) /* another made it first */
        store_release(&s->identities[made].word, identity_word(IDENTITY_UNUSED, NOBODY, false, identity_generation(mine)),
                      identity_word);
    return result;
}

void identity_close(struct identity *place) {
    uint64_t w = load_relaxed(&place->word, own);
    store_release(&place->word, identity_word(IDENTITY_KEPT, NOBODY, false, identity_generation(w)), identity_word);
}

/* ---- recovery ---- */

/* What becomes of a place whose dead owner left `w`. */
static uint64_t left_by_the_dead(const struct segment *s, const struct identity *e, uint64_t w, uint32_t dead) {
    bool sent = false;
    if (identity_state(w) == IDENTITY_MAKING) /* admitted or not: nothing was sent under it */
        return identity_word(IDENTITY_UNUSED, NOBODY, false, identity_generation(w));
    if (identity_state(w) == IDENTITY_TAKEN)
        sent = identity_sent(w) && !MUTANT(identity_forgets_sent);
    else if (load_acquire(&e->next, identity) != load_acquire(&e->last, identity) && !MUTANT(identity_no_verdict))
        sent = message_was_sent(s, load_acquire(&e->message, identity), dead);
    return identity_word(IDENTITY_KEPT, NOBODY, sent, identity_generation(w));
}

int identity_recover(struct actor *a, uint32_t dead) {
    const struct segment *s = a->segment;
    int done = 0;
    for (uint32_t i = 0; i < place_count(s); i++) {
        a64 *word = &s->identities[i].word;
        uint64_t w = load_acquire(word, identity_word);
        while (identity_is_owned(w) && identity_owner(w) == dead) {
            if (cas_acq_rel(word, &w, left_by_the_dead(s, &s->identities[i], w, dead), identity_word)) {
                done++;
                break;
            }
        }
    }
    return done;
}
